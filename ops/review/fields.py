"""The fields of a pod template that the rules know."""

from __future__ import annotations

from ops.review.model import Path

_KNOWN_IN_POD = frozenset(
    (
        "activeDeadlineSeconds",
        "affinity",
        "automountServiceAccountToken",
        "containers",
        "dnsConfig",
        "dnsPolicy",
        "enableServiceLinks",
        "hostAliases",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "hostUsers",
        "hostname",
        "imagePullSecrets",
        "initContainers",
        "nodeName",
        "nodeSelector",
        "preemptionPolicy",
        "priorityClassName",
        "restartPolicy",
        "runtimeClassName",
        "schedulerName",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "shareProcessNamespace",
        "subdomain",
        "terminationGracePeriodSeconds",
        "tolerations",
        "topologySpreadConstraints",
        "volumes",
    )
)
_KNOWN_IN_CONTAINER = frozenset(
    (
        "args",
        "command",
        "env",
        "envFrom",
        "image",
        "imagePullPolicy",
        "lifecycle",
        "livenessProbe",
        "name",
        "ports",
        "readinessProbe",
        "resources",
        "securityContext",
        "startupProbe",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "volumeMounts",
        "workingDir",
    )
)
_KNOWN_VOLUMES = frozenset(
    (
        "configMap",
        "downwardAPI",
        "emptyDir",
        "hostPath",
        "name",
        "persistentVolumeClaim",
        "projected",
        "secret",
    )
)


def is_known_field(path: Path) -> bool:
    """Whether the rules know what a field of a pod template does."""
    if path[:1] == ("metadata",):
        return path[1:2] in (("labels",), ("annotations",))
    within, *rest = path[1:] or ("",)
    known = {
        "containers": _KNOWN_IN_CONTAINER,
        "initContainers": _KNOWN_IN_CONTAINER,
        "volumes": _KNOWN_VOLUMES,
    }.get(within)
    if known and len(rest) > 1:
        return rest[1] in known
    return within in _KNOWN_IN_POD
