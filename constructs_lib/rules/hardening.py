"""What every pod and its rights must keep, beyond the Pod Security Standards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache

from constructs_lib.manifests.capacity import quantity
from constructs_lib.manifests.external_secret import keys_of
from constructs_lib.manifests.image import repository
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.workload import Workload, workloads
from constructs_lib.model import Manifest
from constructs_lib.names import looks_secret
from constructs_lib.rules.model import PODS, Rendered, rule

ROLE = "eks.amazonaws.com/role-arn"
"""The annotation of a ServiceAccount that names its IAM role."""
_MANDATORY = ("cpu", "memory", "ephemeral-storage")
_RBAC = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


@rule(
    "root-is-read-only",
    PODS,
    risk="privilege",
    remedy="set securityContext.readOnlyRootFilesystem: true, and mount a volume to write to",
    covers="nsa-cisa:immutable-container-file-systems checkov:CKV_K8S_22 "
    "kube-score:container-security-context-readonlyrootfilesystem "
    "kube-linter:no-read-only-root-fs polaris:notReadOnlyRootFilesystem",
)
def root_is_read_only(workload: Workload, _: Rendered) -> Iterator[str]:
    """A program that is taken over must not be able to replace itself."""
    for container in workload.every_container:
        if (container.get("securityContext") or {}).get("readOnlyRootFilesystem") is not True:
            yield f"container {container['name']} may write to its root file system"


@rule(
    "resources-are-bounded",
    PODS,
    risk="capacity",
    remedy="state a request and a limit of cpu, memory and ephemeral-storage",
    covers="nsa-cisa:resource-policies checkov:CKV_K8S_10 checkov:CKV_K8S_11 checkov:CKV_K8S_12 "
    "checkov:CKV_K8S_13 kube-score:container-resources "
    "kube-score:container-ephemeral-storage-request-and-limit "
    "kube-linter:unset-cpu-requirements kube-linter:unset-memory-requirements "
    "polaris:cpuRequestsMissing polaris:cpuLimitsMissing polaris:memoryRequestsMissing "
    "polaris:memoryLimitsMissing",
)
def resources_are_bounded(workload: Workload, _: Rendered) -> Iterator[str]:
    """One container must not take what its neighbors need, and the scheduler has to know it."""
    for container in workload.every_container:
        stated = container.get("resources") or {}
        asked, bounds = ((stated.get(one) or {}) for one in ("requests", "limits"))
        for name in _MANDATORY:
            if name not in asked or name not in bounds:
                missing = "request" if name not in asked else "limit"
                yield f"container {container['name']} has no {missing} of {name}"
            elif quantity(asked[name]) > quantity(bounds[name]):
                yield f"container {container['name']} requests more {name} than its limit allows"
        for name, value in [*asked.items(), *bounds.items()]:
            if not quantity(value):
                yield f"container {container['name']} asks for {value} of {name}"
    for volume in workload.pod.get("volumes") or ():
        if "emptyDir" in volume and not (volume["emptyDir"] or {}).get("sizeLimit"):
            yield f"the emptyDir {volume.get('name')} has no sizeLimit; set one"


@rule(
    "tokens-are-not-mounted",
    PODS,
    risk="privilege",
    remedy="set automountServiceAccountToken: false",
    covers="cis-eks:4.1.6 nsa-cisa:pod-service-account-tokens checkov:CKV_K8S_38 "
    "polaris:automountServiceAccountToken",
)
def tokens_are_not_mounted(workload: Workload, _: Rendered) -> Iterator[str]:
    """A token of the API server is a way out of the pod."""
    if workload.pod.get("automountServiceAccountToken") is not False:
        yield "its pods get a token of the API server"
    for volume in workload.pod.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "serviceAccountToken" in source:
                yield f"volume {volume.get('name')} projects a token; leave it out"


@rule(
    "workloads-have-their-own-account",
    PODS,
    risk="privilege",
    remedy="give it a ServiceAccount of its own, which no other workload uses",
    covers="cis-eks:4.1.5 checkov:CKV_K8S_41 kube-linter:default-service-account",
)
def accounts_are_their_own(workload: Workload, rendered: Rendered) -> Iterator[str]:
    """What is granted to one workload later must not be granted to all."""
    account = workload.pod.get("serviceAccountName") or "default"
    if account == "default":
        yield "runs as the ServiceAccount that every pod of the namespace may use"
    elif len(sharing := _by_account(rendered.objects)[workload.namespace, account]) > 1:
        yield f"shares the ServiceAccount {account} with {', '.join(sharing - {str(workload.key)})}"


@lru_cache(maxsize=2)
def _by_account(objects: Objects) -> Mapping[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for workload in workloads(objects):
        account = workload.pod.get("serviceAccountName") or ""
        found[workload.namespace, account].add(str(workload.key))
    return found


@rule(
    "accounts-have-no-rights",
    "ServiceAccount",
    risk="privilege",
    remedy="leave it out, or allow it by a waiver",
    covers="cis-eks:4.1.6 nsa-cisa:pod-service-account-tokens",
)
def accounts_have_no_rights(account: Object, _: Rendered) -> Iterator[str]:
    """What a ServiceAccount may do, every program that runs as it may do."""
    if account.manifest.get("automountServiceAccountToken") is not False:
        yield "mounts a token of the API server; set automountServiceAccountToken: false"
    if ROLE in account.annotations:
        yield f"acts as the IAM role {account.annotations[ROLE]}"
    for field in ("secrets", "imagePullSecrets"):
        if account.manifest.get(field):
            yield f"hands out Secrets to all of its pods ({field})"


@rule(
    "rights-are-allowed-by-a-line",
    *_RBAC,
    risk="privilege",
    remedy="remove it, or allow it by a waiver",
    covers="cis-eks:4.1.1 cis-eks:4.1.2 cis-eks:4.1.3 cis-eks:4.1.4 nsa-cisa:rbac "
    "checkov:CKV_K8S_42 checkov:CKV_K8S_49 checkov:CKV_K8S_155 checkov:CKV_K8S_156 "
    "checkov:CKV_K8S_157 checkov:CKV_K8S_158 kube-linter:access-to-secrets "
    "kube-linter:access-to-create-pods kube-linter:cluster-admin-role-binding "
    "kube-linter:wildcard-in-rules polaris:clusterrolebindingClusterAdmin "
    "polaris:rolebindingClusterAdminClusterRole polaris:rolebindingClusterAdminRole "
    "polaris:clusterrolePodExecAttach polaris:clusterrolebindingPodExecAttach "
    "polaris:rolePodExecAttach polaris:rolebindingClusterRolePodExecAttach "
    "polaris:rolebindingRolePodExecAttach",
)
def rights_are_allowed(_item: Object, _: Rendered) -> Iterator[str]:
    """No program of the platform calls the API server."""
    yield "grants rights in the cluster"


@rule(
    "secrets-are-not-in-git",
    "Secret",
    "ConfigMap",
    risk="secret",
    remedy="put the value into SSM, and read it with an ExternalSecret",
    covers="nsa-cisa:secrets cis-eks:4.4.2 polaris:sensitiveConfigmapContent",
)
def secrets_are_not_in_git(secret: Object, _: Rendered) -> Iterator[str]:
    """Whoever reads the repository reads the Secret."""
    if secret.kind == "ConfigMap":
        for key, value in (secret.manifest.get("data") or {}).items():
            if looks_secret(key, str(value)):
                yield f"{key} looks like a secret"
        return
    keys = [key for field in ("data", "stringData") for key in secret.manifest.get(field) or ()]
    yield f"holds {', '.join(sorted(keys)) or 'nothing'} in Git"


@rule(
    "variables-publish-no-secret",
    PODS,
    risk="secret",
    remedy="read it from a Secret",
    covers="nsa-cisa:secrets kube-linter:env-var-secret polaris:sensitiveContainerEnvVar",
)
def variables_publish_no_secret(workload: Workload, rendered: Rendered) -> Iterator[str]:
    """A value in Git is public, and hides the one that the Secret gives to the same variable."""
    keys = keys_of(rendered.objects)
    for container in workload.every_container:
        given = dict(_from_secrets(container, workload.namespace, keys))
        for variable in container.get("env") or ():
            name, value = variable["name"], variable.get("value")
            title = f"container {container['name']}: variable {name}"
            if value is not None and name in given:
                yield f"{title} is published, and hides the key of Secret {given[name]}"
            elif value is not None and looks_secret(name, str(value)):
                yield f"{title} looks like a secret that is published"
        for text in [*(container.get("args") or ()), *(container.get("command") or ())]:
            if looks_secret("", str(text)):
                yield f"container {container['name']}: an argument looks like a secret"


def _from_secrets(
    container: Manifest, namespace: str, keys: Mapping[tuple[str, str], frozenset[str] | None]
) -> Iterator[tuple[str, str]]:
    """Each variable that a container has from a Secret as a whole, and which Secret that is."""
    for source in container.get("envFrom") or ():
        secret = str((source.get("secretRef") or {}).get("name"))
        for key in keys.get((namespace, secret)) or ():
            yield f"{source.get('prefix') or ''}{key}", secret


@rule(
    "images-are-ours",
    PODS,
    risk="privilege",
    remedy="build it into our registry, and pin it",
    needs_platform=True,
    covers="nsa-cisa:secure-container-images cis-eks:5.1.4 kube-linter:latest-tag "
    "kube-score:container-image-tag kube-score:container-image-pull-policy "
    "polaris:tagNotSpecified polaris:pullPolicyNotAlways checkov:CKV_K8S_14 "
    "checkov:CKV_K8S_15",
)
def images_are_ours(workload: Workload, rendered: Rendered) -> Iterator[str]:
    """What runs is a build of ours: the pinned one, or `latest` while it is an open item."""
    platform = rendered.platform
    if platform is None:
        return
    for container in workload.every_container:
        image = container.get("image") or ""
        registry, _, name = repository(image).rpartition("/")
        pin = platform.images.get(name) if registry == platform.registry else None
        title = f"container {container['name']}"
        if pin is None:
            what = image or "no image"
            yield f"{title} runs {what}, which is not an image of {platform.registry}"
        elif image != f"{registry}/{name}:{pin}":
            where = platform.sources.pin.format(service=name)
            yield f"{title} runs {image}, but {where} pins {pin}; run the pinned build"
        elif pin.floats and container.get("imagePullPolicy", "Always") != "Always":
            yield f"{title} runs `latest` without pulling it; leave imagePullPolicy out"


RULES = (
    root_is_read_only,
    resources_are_bounded,
    tokens_are_not_mounted,
    accounts_are_their_own,
    accounts_have_no_rights,
    rights_are_allowed,
    secrets_are_not_in_git,
    variables_publish_no_secret,
    images_are_ours,
)
