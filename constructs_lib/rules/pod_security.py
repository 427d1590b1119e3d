"""The full Pod Security Standard `restricted`, for all types of containers.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from constructs_lib.manifests.objects import Object
from constructs_lib.manifests.workload import Workload
from constructs_lib.model import Manifest
from constructs_lib.rules.model import PODS, Problems, Rendered, rule

_NODE_NAMESPACES = ("hostIPC", "hostNetwork", "hostPID")
_VOLUMES = frozenset(
    {
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
)
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
_HANDLERS = ("httpGet", "tcpSocket")
_LABELS = "pod-security.kubernetes.io/"


@rule(PODS, risk="privilege", remedy="remove this setting")
def pod_security_baseline(workload: Workload, _: Rendered) -> Problems:
    """A pod with access to its node can take over the node and every pod on it."""
    context = workload.pod.get("securityContext") or {}
    yield from _of_pod(workload.pod, context)
    for name, value in ((workload.template.get("metadata") or {}).get("annotations") or {}).items():
        if name.startswith(_APPARMOR) and not str(value).startswith(("runtime/", "localhost/")):
            yield f"the annotation {name} disables AppArmor"
        if name.startswith(_SECCOMP) and str(value) == "unconfined":
            yield f"the annotation {name} disables seccomp"
    yield from (f"the pod {text}" for text in _of_context(context))
    for container in _containers(workload):
        own = container.get("securityContext") or {}
        title = f"container {container.get('name')}"
        yield from (f"{title} {text}" for text in _of_context(own))
        yield from (f"{title} {text}" for text in _of_container(container, own))


def _of_pod(pod: Manifest, context: Manifest) -> Iterator[str]:
    for field in _NODE_NAMESPACES:
        if pod.get(field):
            yield f"{field} shares a namespace of the node"
    for volume in pod.get("volumes") or ():
        if "hostPath" in volume:
            yield f"volume {volume.get('name')} mounts a path of the node (hostPath)"
    for one in context.get("sysctls") or ():
        if one.get("name") not in _SYSCTLS:
            yield f"the sysctl {one.get('name')} is not in the safe set"


def _of_context(context: Manifest) -> Iterator[str]:
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "runs as a host process (hostProcess)"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type") not in _SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield "sets SELinux options that are not allowed for containers"
    if (context.get("appArmorProfile") or {}).get("type", "RuntimeDefault") not in _CONFINED:
        yield "disables AppArmor"
    if (context.get("seccompProfile") or {}).get("type", "RuntimeDefault") not in _CONFINED:
        yield "disables seccomp"


def _of_container(container: Manifest, context: Manifest) -> Iterator[str]:
    if context.get("privileged"):
        yield "is privileged"
    if context.get("procMount", "Default") != "Default":
        yield "has unmasked access to /proc (procMount)"
    for port in container.get("ports") or ():
        if port.get("hostPort"):
            yield f"uses port {port['hostPort']} of its node (hostPort)"
    lifecycle = container.get("lifecycle") or {}
    probes = [container.get(f"{one}Probe") for one in ("liveness", "readiness", "startup")]
    for handler in [*probes, lifecycle.get("preStop"), lifecycle.get("postStart")]:
        for kind in _HANDLERS:
            if ((handler or {}).get(kind) or {}).get("host"):
                yield f"has a probe or hook that connects to another host ({kind}.host)"


@rule(
    PODS,
    risk="privilege",
    remedy="follow the Pod Security Standard `restricted`, or use the constructs of this library",
)
def pod_security_restricted(workload: Workload, _: Rendered) -> Problems:
    """An attacker who compromises a program must not get privileges that it does not need."""
    pod = workload.pod
    context = pod.get("securityContext") or {}
    for volume in pod.get("volumes") or ():
        kinds = volume.keys() - {"name"} - _VOLUMES - {"hostPath"}
        if kinds:
            yield f"volume {volume.get('name')} has a type that is not allowed ({min(kinds)})"
    if context.get("runAsUser") == 0:
        yield "the pod runs as root (runAsUser: 0)"
    for container in _containers(workload):
        own = container.get("securityContext") or {}
        title = f"container {container.get('name')}"
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"{title} may gain privileges (allowPrivilegeEscalation is not false)"
        if own.get("runAsNonRoot", context.get("runAsNonRoot")) is not True:
            yield f"{title} may run as root (runAsNonRoot is not true)"
        if own.get("runAsUser") == 0:
            yield f"{title} runs as root (runAsUser: 0)"
        profile = own.get("seccompProfile") or context.get("seccompProfile") or {}
        if profile.get("type") not in _CONFINED:
            yield f"{title} can use any system call (no seccompProfile)"
        yield from (f"{title} {text}" for text in _capabilities(own))


def _capabilities(context: Manifest) -> Iterator[str]:
    capabilities = context.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or ()):
        yield "keeps the default capabilities (capabilities.drop does not contain ALL)"
    for one in capabilities.get("add") or ():
        if one != "NET_BIND_SERVICE":
            yield f"adds the capability {one}"


@rule(
    "Namespace",
    risk="privilege",
    remedy="add the label pod-security.kubernetes.io/enforce: restricted, and pin the version",
    reviewed_by_field=True,
)
def unenforced_pod_security(namespace: Object, _: Rendered) -> Problems:
    """The API server must reject pods that these rules have not checked."""
    for mode in ("enforce", "audit", "warn"):
        level: Any = namespace.labels.get(f"{_LABELS}{mode}")
        if level != "restricted":
            yield f"Pod Security {mode} is {level or 'not set'}"
        if f"{_LABELS}{mode}-version" not in namespace.labels:
            yield f"the version of Pod Security {mode} is not set, so it changes with the cluster"


def _containers(workload: Workload) -> list[Manifest]:
    return [*workload.every_container, *(workload.pod.get("ephemeralContainers") or ())]
