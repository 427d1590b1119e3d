"""Rules for what a program may do: Pod Security, permissions, credentials and images.

`pod-security-baseline` and `pod-security-restricted` are the full Pod Security Standards, for all
types of containers: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from constructs_lib.manifests.objects import Container, Key, Object, Objects, at, once_per_objects
from constructs_lib.manifests.references import keys_of, repository
from constructs_lib.manifests.workload import Workload, workloads
from constructs_lib.model import Manifest
from constructs_lib.model.names import looks_secret
from constructs_lib.rules.model import PODS, Problem, Problems, Rendered, rule

ROLE = "eks.amazonaws.com/role-arn"
"""The ServiceAccount annotation with the IAM role."""
_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SELINUX_TYPES = frozenset(
    {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
)
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
_CONFINED = ("RuntimeDefault", "Localhost")
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP = ("seccomp.security.alpha.kubernetes.io/", "container.seccomp.security.alpha")
_LABELS = "pod-security.kubernetes.io/"
_RBAC = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


@rule(PODS, risk="privilege", remedy="remove this setting")
def pod_security_baseline(workload: Workload, _: Rendered) -> Problems:
    """A pod with access to its node can take over the node and every pod on it."""
    yield from _of_node(workload)
    for name, value in at(workload.template, "metadata", "annotations").items():
        if name.startswith(_APPARMOR) and not str(value).startswith(("runtime/", "localhost/")):
            yield f"the annotation {name} disables AppArmor"
        if name.startswith(_SECCOMP) and str(value) == "unconfined":
            yield f"the annotation {name} disables seccomp"
    for text, field in _unconfined(workload.security):
        yield f"the pod {text}", "", field
    for container in (*workload.every_container, *workload.ephemeral_containers):
        for text, field in (*_unconfined(container.security), *_of_container(container)):
            yield f"{container} {text}", container, field


def _of_node(workload: Workload) -> Problems:
    """What a pod shares with its node."""
    for field in ("hostIPC", "hostNetwork", "hostPID"):
        if workload.pod.get(field):
            yield f"{field} shares a namespace of the node", "", field
    for volume in workload.volumes:
        if "hostPath" in volume:
            text = f"volume {volume.get('name')} mounts a path of the node (hostPath)"
            yield text, "", "hostPath"
    for sysctl in workload.security.get("sysctls") or ():
        if sysctl.get("name") not in _SYSCTLS:
            yield f"sysctl {sysctl.get('name')} is not in the safe set", "", "sysctls"


def _unconfined(security: Manifest) -> Iterator[tuple[str, str]]:
    """What the securityContext of a pod or container disables, and the field."""
    if at(security, "windowsOptions").get("hostProcess"):
        yield "runs as a host process (hostProcess)", "hostProcess"
    selinux = at(security, "seLinuxOptions")
    if selinux.get("type") not in _SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield "sets SELinux options that are not allowed for containers", "seLinuxOptions"
    if at(security, "appArmorProfile").get("type", "RuntimeDefault") not in _CONFINED:
        yield "disables AppArmor", "appArmorProfile"
    if at(security, "seccompProfile").get("type", "RuntimeDefault") not in _CONFINED:
        yield "disables seccomp", "seccompProfile"


def _of_container(container: Container) -> Iterator[tuple[str, str]]:
    """The access of a container to its node and to other hosts, and the field."""
    if container.security.get("privileged"):
        yield "is privileged", "privileged"
    if container.security.get("procMount", "Default") != "Default":
        yield "has unmasked access to /proc (procMount)", "procMount"
    for port in container.ports:
        if port.get("hostPort"):
            yield f"uses port {port['hostPort']} of its node (hostPort)", "ports"
    for action in (*container.probes.values(), *container.hooks.values()):
        for handler in ("httpGet", "tcpSocket"):
            if at(action, handler).get("host"):
                yield f"connects to another host in a probe or hook ({handler}.host)", handler


@rule(
    PODS,
    risk="privilege",
    remedy="follow the Pod Security Standard `restricted`, or use the constructs of this library",
)
def pod_security_restricted(workload: Workload, _: Rendered) -> Problems:
    """An attacker who compromises a program must not get privileges that it does not need."""
    shared = workload.security
    for volume in workload.volumes:
        if kinds := volume.keys() - {"name"} - _VOLUMES - {"hostPath"}:
            yield f"volume {volume.get('name')} has a type that is not allowed ({min(kinds)})"
    if shared.get("runAsUser") == 0:
        yield "the pod runs as root (runAsUser: 0)", "", "runAsUser"
    for container in (*workload.every_container, *workload.ephemeral_containers):
        for text, field in _unrestricted(container.security, shared):
            yield f"{container} {text} ({field})", container, field


def _unrestricted(own: Manifest, shared: Manifest) -> Iterator[tuple[str, str]]:
    """What the securityContext of a container, and of its pod, allows, and the field."""
    if own.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges", "allowPrivilegeEscalation"
    if own.get("runAsNonRoot", shared.get("runAsNonRoot")) is not True:
        yield "may run as root", "runAsNonRoot"
    if own.get("runAsUser") == 0:
        yield "runs as root", "runAsUser"
    if (at(own, "seccompProfile") or at(shared, "seccompProfile")).get("type") not in _CONFINED:
        yield "can use any system call", "seccompProfile"
    capabilities = at(own, "capabilities")
    if "ALL" not in (capabilities.get("drop") or ()):
        yield "keeps the default capabilities, as it does not drop ALL", "capabilities"
    for name in capabilities.get("add") or ():
        if name != "NET_BIND_SERVICE":
            yield f"adds the capability {name}", "capabilities"


@rule(
    "Namespace",
    risk="privilege",
    remedy="add the label pod-security.kubernetes.io/enforce: restricted, and pin the version",
    reviewed_by_field=True,
)
def unenforced_pod_security(namespace: Object, _: Rendered) -> Problems:
    """The API server must reject pods that these rules have not checked."""
    for mode in ("enforce", "audit", "warn"):
        level = namespace.labels.get(f"{_LABELS}{mode}")
        if level != "restricted":
            yield f"Pod Security {mode} is {level or 'not set'}"
        if f"{_LABELS}{mode}-version" not in namespace.labels:
            yield f"the version of Pod Security {mode} is not set, so it changes with the cluster"


@rule(
    PODS,
    risk="privilege",
    remedy="set securityContext.readOnlyRootFilesystem: true, and mount a volume to write to",
)
def writable_root_filesystem(workload: Workload, _: Rendered) -> Problems:
    """A compromised program must not be able to replace itself."""
    for container in workload.every_container:
        if container.security.get("readOnlyRootFilesystem") is not True:
            yield f"{container} can write to its root file system", container


@rule(PODS, risk="privilege", remedy="set automountServiceAccountToken: false")
def mounted_api_token(workload: Workload, _: Rendered) -> Problems:
    """A compromised pod can use its API token against the cluster."""
    if workload.pod.get("automountServiceAccountToken") is not False:
        yield "its pods get an API token", "", "automountServiceAccountToken"
    for volume in workload.volumes:
        for source in at(volume, "projected").get("sources") or ():
            if "serviceAccountToken" in source:
                yield Problem(f"volume {volume.get('name')} projects a token", "remove it")


@rule(PODS, risk="privilege", remedy="create a separate ServiceAccount for this workload")
def shared_service_account(workload: Workload, rendered: Rendered) -> Problems:
    """With a shared ServiceAccount, a permission for one workload is granted to all."""
    account = workload.account
    users = _by_account(rendered.objects)[workload.namespace, account]
    sharing = [str(other.key) for other in users if other.key != workload.key]
    if account == "default":
        yield "runs as the default ServiceAccount of the namespace"
    elif sharing:
        yield f"shares the ServiceAccount {account} with {', '.join(sharing)}"


@once_per_objects
def _by_account(objects: Objects) -> Mapping[tuple[str, str], list[Workload]]:
    """The workloads that name a ServiceAccount, by namespace and name."""
    found: dict[tuple[str, str], list[Workload]] = defaultdict(list)
    for workload in workloads(objects):
        found[workload.namespace, workload.account].append(workload)
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
    data = at(secret.manifest, "data")
    if secret.kind == "Secret":
        keys = sorted([*data, *at(secret.manifest, "stringData")])
        yield f"stores {', '.join(keys) or 'nothing'} in Git"
        return
    yield from (f"{key} looks like a secret" for key in data if looks_secret(key, str(data[key])))


@rule(PODS, risk="secret", remedy="read it from a Secret")
def secret_in_pod_spec(workload: Workload, rendered: Rendered) -> Problems:
    """A value in Git is public, and overrides the Secret's value of the same variable."""
    for container in workload.every_container:
        secrets = _secrets_by_variable(container, workload.namespace, rendered.objects)
        for variable in container.get("env") or ():
            name, value = variable["name"], variable.get("value")
            title = f"{container}: variable {name}"
            if value is not None and name in secrets:
                yield f"{title} is in Git, and overrides the key of Secret {secrets[name]}"
            elif value is not None and looks_secret(name, str(value)):
                yield f"{title} looks like a secret, but is in Git"
        for text in container.arguments:
            if looks_secret("", text):
                yield f"{container}: an argument looks like a secret"


def _secrets_by_variable(container: Container, namespace: str, objects: Objects) -> dict[str, str]:
    """The Secret of each variable that a container gets through envFrom."""
    keys = keys_of(objects)
    return {
        f"{source.get('prefix') or ''}{key}": secret
        for source in container.get("envFrom") or ()
        for secret in (str(at(source, "secretRef").get("name")),)
        for key in keys.get(Key("", "Secret", namespace, secret)) or ()
    }


@rule(
    PODS,
    risk="privilege",
    remedy="build the image, push it to the platform's registry, and pin it",
    needs_platform=True,
)
def unpinned_image(workload: Workload, rendered: Rendered) -> Problems:
    """Pods run only images built here: the pinned build, or `latest` until the first pin."""
    platform = rendered.required_platform
    for container in workload.every_container:
        image = container.get("image") or ""
        registry, _, name = repository(image).rpartition("/")
        pin = platform.images.get(name) if registry == platform.registry else None
        if not image:
            yield Problem(f"{container} has no image", "correct the name of the container")
        elif pin is None:
            yield f"{container} runs {image}, which is not an image of {platform.registry}"
        elif image != f"{registry}/{name}:{pin}":
            text = f"{container} runs {image}, but catalogue/images/{name}.pin pins {pin}"
            yield Problem(text, "use the pinned build")
        elif pin.floats and container.get("imagePullPolicy", "Always") != "Always":
            text = f"{container} runs `latest`, but does not always pull it"
            yield Problem(text, "remove imagePullPolicy")
