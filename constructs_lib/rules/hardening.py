"""Hardening rules beyond the Pod Security Standards: resources, permissions, Secrets, images."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from constructs_lib.manifests.image import repository
from constructs_lib.manifests.objects import POD_TEMPLATES, Object, Objects
from constructs_lib.manifests.references import keys_of
from constructs_lib.manifests.workload import Workload, workloads
from constructs_lib.model import Manifest
from constructs_lib.model.names import looks_secret
from constructs_lib.model.quantity import amount, whole_bytes
from constructs_lib.rules.model import PODS, Problem, Problems, Rendered, rule

ROLE = "eks.amazonaws.com/role-arn"
"""The ServiceAccount annotation with the IAM role."""
_MANDATORY = ("cpu", "memory", "ephemeral-storage")
_IN_BYTES = re.compile(r"(^|\.)(memory|storage|ephemeral-storage|sizeLimit)$|(^|\.)hugepages-")
_RBAC = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


@rule(
    PODS,
    risk="privilege",
    remedy="set securityContext.readOnlyRootFilesystem: true, and mount a volume to write to",
)
def writable_root_filesystem(workload: Workload, _: Rendered) -> Problems:
    """A compromised program must not be able to replace itself."""
    for container in workload.every_container:
        if (container.get("securityContext") or {}).get("readOnlyRootFilesystem") is not True:
            yield f"container {container['name']} can write to its root file system"


@rule(PODS, risk="capacity", remedy="set requests and limits for cpu, memory and ephemeral-storage")
def unbounded_resources(workload: Workload, _: Rendered) -> Problems:
    """Limits protect other containers on the node; the scheduler needs the requests."""
    for container in workload.every_container:
        stated = container.get("resources") or {}
        requests, limits = ((stated.get(one) or {}) for one in ("requests", "limits"))
        for name in _MANDATORY:
            if name not in requests or name not in limits:
                missing = "request" if name not in requests else "limit"
                yield f"container {container['name']} has no {missing} for {name}"
            elif amount(requests[name]) > amount(limits[name]):
                yield f"container {container['name']} requests more {name} than its limit allows"
        for name, value in [*requests.items(), *limits.items()]:
            if not amount(value):
                yield f"container {container['name']} sets {name} to {value}"
    for volume in workload.pod.get("volumes") or ():
        if "emptyDir" in volume and not (volume["emptyDir"] or {}).get("sizeLimit"):
            yield Problem(f"the emptyDir {volume.get('name')} has no sizeLimit", "set one")


@rule(
    *sorted({kind for _, kind in POD_TEMPLATES}),
    *("LimitRange", "PersistentVolume", "PersistentVolumeClaim", "ResourceQuota"),
    risk="downtime",
    remedy="write it like 512Mi or 1Gi",
)
def fractional_bytes(item: Object, _: Rendered) -> Problems:
    """The suffix m means a thousandth: a container with a memory limit of 512m cannot start."""
    for path, size in _bytes(item.spec, "spec"):
        if correction := whole_bytes(size):
            yield Problem(f"{path} is {size}, in thousandths of a byte", correction)


def _bytes(content: Any, path: str) -> Iterator[tuple[str, str]]:
    """The amounts of memory and storage at a path, or below it."""
    if isinstance(content, list):
        for place, one in enumerate(content):
            yield from _bytes(one, f"{path}[{place}]")
    for name, value in content.items() if isinstance(content, dict) else ():
        if isinstance(value, dict | list):
            yield from _bytes(value, f"{path}.{name}")
        elif _IN_BYTES.search(name):
            yield f"{path}.{name}", str(value)


@rule(PODS, risk="privilege", remedy="set automountServiceAccountToken: false")
def mounted_api_token(workload: Workload, _: Rendered) -> Problems:
    """A compromised pod can use its API token against the cluster."""
    if workload.pod.get("automountServiceAccountToken") is not False:
        yield "its pods get an API token"
    for volume in workload.pod.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "serviceAccountToken" in source:
                yield Problem(f"volume {volume.get('name')} projects a token", "remove it")


@rule(PODS, risk="privilege", remedy="create a separate ServiceAccount for this workload")
def shared_service_account(workload: Workload, rendered: Rendered) -> Problems:
    """With a shared ServiceAccount, a permission for one workload is granted to all."""
    account = workload.pod.get("serviceAccountName") or "default"
    if account == "default":
        yield "runs as the default ServiceAccount of the namespace"
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
    "ServiceAccount",
    risk="privilege",
    remedy="remove the permission, or add a waiver",
    reviewed_by_field=True,
)
def privileged_service_account(account: Object, _: Rendered) -> Problems:
    """All programs that use a ServiceAccount get its permissions."""
    if account.manifest.get("automountServiceAccountToken") is not False:
        yield Problem("mounts an API token", "set automountServiceAccountToken: false")
    if ROLE in account.annotations:
        yield f"can assume the IAM role {account.annotations[ROLE]}"
    for field in ("secrets", "imagePullSecrets"):
        if account.manifest.get(field):
            yield f"gives Secrets to all of its pods ({field})"


@rule(*_RBAC, risk="privilege", remedy="remove the object, or add a waiver", reviewed_by_field=True)
def rbac_object(_item: Object, _: Rendered) -> Problems:
    """No program of the platform calls the API server, so none needs permissions."""
    yield "grants permissions in the cluster"


@rule(
    "Secret",
    "ConfigMap",
    risk="secret",
    remedy="store the value in SSM, and read it with an ExternalSecret",
)
def secret_in_git(secret: Object, _: Rendered) -> Problems:
    """Everyone with read access to the repository can read the Secret."""
    if secret.kind == "ConfigMap":
        for key, value in (secret.manifest.get("data") or {}).items():
            if looks_secret(key, str(value)):
                yield f"{key} looks like a secret"
        return
    keys = [key for field in ("data", "stringData") for key in secret.manifest.get(field) or ()]
    yield f"stores {', '.join(sorted(keys)) or 'nothing'} in Git"


@rule(PODS, risk="secret", remedy="read it from a Secret")
def secret_in_pod_spec(workload: Workload, rendered: Rendered) -> Problems:
    """A value in Git is public, and overrides the Secret's value of the same variable."""
    keys = keys_of(rendered.objects)
    for container in workload.every_container:
        given = dict(_from_secrets(container, workload.namespace, keys))
        for variable in container.get("env") or ():
            name, value = variable["name"], variable.get("value")
            title = f"container {container['name']}: variable {name}"
            if value is not None and name in given:
                yield f"{title} is in Git, and overrides the key of Secret {given[name]}"
            elif value is not None and looks_secret(name, str(value)):
                yield f"{title} looks like a secret, but is in Git"
        for text in [*(container.get("args") or ()), *(container.get("command") or ())]:
            if looks_secret("", str(text)):
                yield f"container {container['name']}: an argument looks like a secret"


def _from_secrets(
    container: Manifest, namespace: str, keys: Mapping[tuple[str, str], frozenset[str] | None]
) -> Iterator[tuple[str, str]]:
    """Each variable that a container gets through envFrom, and its Secret."""
    for source in container.get("envFrom") or ():
        secret = str((source.get("secretRef") or {}).get("name"))
        for key in keys.get((namespace, secret)) or ():
            yield f"{source.get('prefix') or ''}{key}", secret


@rule(
    PODS,
    risk="privilege",
    remedy="build the image, push it to the platform's registry, and pin it",
    needs_platform=True,
)
def unpinned_image(workload: Workload, rendered: Rendered) -> Problems:
    """Pods run only images built here: the pinned build, or `latest` until the first pin."""
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
            yield Problem(f"{title} runs {image}, but {where} pins {pin}", "use the pinned build")
        elif pin.floats and container.get("imagePullPolicy", "Always") != "Always":
            yield Problem(
                f"{title} runs `latest`, but does not always pull it", "remove imagePullPolicy"
            )
