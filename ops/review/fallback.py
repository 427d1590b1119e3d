"""`update` and `unknown`: differences that no other rule explains.

A field in these tables changes in place, with the stated effect. Any other field is `unknown`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from constructs_lib.manifests.argocd import PROJECT_BOUNDS
from constructs_lib.manifests.workload import Update, Workload
from ops.review.diff import Comparison
from ops.review.load import STACK_GROUP
from ops.review.model import TEMPLATE, Change, Difference, Finding, Path, Risk, Severity, spell
from ops.review.wording import before_after, listed

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
    """Whether the rules know the effect of a field of a pod template."""
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


Effects = dict[Path, tuple[Severity, str]]
"""Severity and effect of a change to the field at a path, or below it."""

_LOW, _MEDIUM = Severity.LOW, Severity.MEDIUM
_SPEC, _ANNOTATIONS, _LABELS = ("spec",), ("metadata", "annotations"), ("metadata", "labels")
_ALB = "alb.ingress.kubernetes.io/"


def _fields(severity: Severity, effect: str, *paths: str) -> Effects:
    return {tuple(path.split(".")): (severity, effect) for path in paths}


def _annotations(severity: Severity, effect: str, *names: str) -> Effects:
    return {(*_ANNOTATIONS, name): (severity, effect) for name in names}


_COMMON: Effects = {
    _LABELS: (_LOW, "changes labels"),
    ("apiVersion",): (_MEDIUM, "uses another API version, which the cluster must serve"),
    **_annotations(
        _MEDIUM,
        "changes how Argo CD syncs it",
        *(
            f"argocd.argoproj.io/{name}"
            for name in (
                "compare-options",
                "hook",
                "hook-delete-policy",
                "sync-options",
                "sync-wave",
            )
        ),
    ),
    **_annotations(
        _LOW,
        "changes when Reloader restarts it",
        "reloader.stakater.com/auto",
        "secret.reloader.stakater.com/reload",
    ),
}
_SAME_AS_BEFORE = "allows the same as before"
_SERVING: Effects = {
    **_fields(_LOW, "scales", "spec.replicas"),
    **_fields(_LOW, "changes how it is updated", "spec.strategy", "spec.updateStrategy"),
    **_fields(
        _LOW,
        "changes how rollouts are tracked",
        "spec.minReadySeconds",
        "spec.progressDeadlineSeconds",
        "spec.revisionHistoryLimit",
    ),
    **_fields(_MEDIUM, "pauses or resumes rollouts", "spec.paused"),
}
_JOB = ("activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
_EFFECTS: dict[str, Effects] = {
    "AppProject": {
        **_fields(_LOW, "changes the description", "spec.description"),
        **_fields(_LOW, _SAME_AS_BEFORE, *(f"spec.{field}" for field in PROJECT_BOUNDS)),
    },
    "Application": {
        **_fields(_MEDIUM, "changes what is deleted together with it", "metadata.finalizers"),
        **_fields(_MEDIUM, "syncs other files", "spec.source.path", "spec.source.directory"),
        **_fields(_MEDIUM, "changes how it syncs", "spec.syncPolicy", "spec.ignoreDifferences"),
    },
    "ClusterRole": _fields(_LOW, _SAME_AS_BEFORE, "rules"),
    "ClusterRoleBinding": _fields(_LOW, _SAME_AS_BEFORE, "subjects"),
    "ClusterSecretStore": _fields(_LOW, _SAME_AS_BEFORE, "spec.conditions"),
    "ConfigMap": _fields(_MEDIUM, "pods see it after a restart", "data", "binaryData"),
    "CronJob": {
        **_fields(
            _LOW,
            "changes how many finished jobs are kept",
            "spec.failedJobsHistoryLimit",
            "spec.successfulJobsHistoryLimit",
        ),
        **_fields(_LOW, "applies to the next run", *(f"spec.jobTemplate.spec.{f}" for f in _JOB)),
        **_fields(_LOW, "changes labels", "spec.jobTemplate.metadata"),
    },
    "DaemonSet": _SERVING,
    "Deployment": _SERVING,
    "ExternalSecret": {
        **_fields(_LOW, "changes how often it refreshes", "spec.refreshInterval"),
        **_fields(_LOW, "changes only the order of its keys", "spec.data.[order]"),
    },
    "HorizontalPodAutoscaler": {_SPEC: (_MEDIUM, "changes how it scales its target")},
    "Ingress": {
        **_annotations(
            _LOW,
            "updates the load balancer in place",
            *(
                f"{_ALB}{name}"
                for name in (
                    "healthcheck-interval-seconds",
                    "healthcheck-path",
                    "healthcheck-port",
                    "healthcheck-protocol",
                    "healthcheck-timeout-seconds",
                    "healthy-threshold-count",
                    "load-balancer-attributes",
                    "success-codes",
                    "tags",
                    "target-group-attributes",
                    "unhealthy-threshold-count",
                )
            ),
            f"{_ALB}scheme",
        ),
        **_annotations(_LOW, "uses the same controller", "kubernetes.io/ingress.class"),
        **_fields(_LOW, "uses the same controller", "spec.ingressClassName"),
        **_annotations(_LOW, "serves the same URLs", f"{_ALB}listen-ports", f"{_ALB}ssl-redirect"),
        **_fields(_LOW, "serves the same URLs", "spec.rules"),
    },
    "Job": _fields(_LOW, "applies to the next sync", *(f"spec.{field}" for field in _JOB)),
    "LimitRange": {},
    "Namespace": {
        (*_LABELS, "elbv2.k8s.aws/pod-readiness-gate-inject"): (
            _MEDIUM,
            "changes whether updates wait for the load balancer (readiness gate)",
        ),
        **{
            (*_LABELS, f"app.kubernetes.io/{name}"): (_LOW, "changes labels")
            for name in ("managed-by", "part-of")
        },
    },
    "NetworkPolicy": {_SPEC: (_LOW, _SAME_AS_BEFORE)},
    "PersistentVolumeClaim": {},
    "PodDisruptionBudget": {_SPEC: (_LOW, "changes how many pods may be evicted at once")},
    "ResourceQuota": {},
    "Role": _fields(_LOW, _SAME_AS_BEFORE, "rules"),
    "RoleBinding": _fields(_LOW, _SAME_AS_BEFORE, "subjects"),
    "Secret": {},
    "Service": _fields(
        _LOW,
        "changes how connections are distributed to its pods",
        "spec.internalTrafficPolicy",
        "spec.sessionAffinity",
        "spec.sessionAffinityConfig",
    ),
    "ServiceAccount": _fields(_LOW, "changes which images its pods may pull", "imagePullSecrets"),
    "StatefulSet": _SERVING,
}
KNOWN_KINDS = frozenset(_EFFECTS)
"""Kinds that the rules know. The effect of other kinds is unknown."""


def unexplained(comparison: Comparison, found: list[Finding]) -> Iterator[Finding]:
    """A finding for every difference that the given findings do not explain."""
    explained = {each for finding in found for each in finding.explains}
    for change in comparison.changes.values():
        effects: dict[tuple[Risk, Severity, str], list[Difference]] = defaultdict(list)
        for each in change.differences:
            if each not in explained:
                effects[_effect(change, each)].append(each)
        for (risk, severity, effect), differences in effects.items():
            fields = [f"{_brief(each)} {before_after(each, 40)}" for each in differences]
            text = f"{effect}: {listed(fields)}"
            yield Finding(risk, severity, change.key, text, tuple(differences))
    for item in comparison.added:
        if item.key.group != STACK_GROUP and item.key.kind not in KNOWN_KINDS:
            text = "is created; effect unknown, the review has no rules for this kind"
            yield Finding(Risk.UNKNOWN, Severity.HIGH, item.key, text)


def _effect(change: Change, each: Difference) -> tuple[Risk, Severity, str]:
    kind = change.key.kind
    known = _EFFECTS.get(kind, {})
    if kind in TEMPLATE and each.below(*TEMPLATE[kind]):
        if is_known_field(each.path[len(TEMPLATE[kind]) :]):
            return Risk.UPDATE, Severity.LOW, _TIMING[Workload(change.after).update]
    elif kind in KNOWN_KINDS:
        common = {} if kind == "Namespace" else _COMMON
        for path, (severity, effect) in {**known, **common}.items():
            if each.below(*path):
                return Risk.UPDATE, severity, effect
    return Risk.UNKNOWN, Severity.HIGH, "effect unknown"


_TIMING = {
    Update.BY_HAND: "applies only to new pods",
    Update.NEXT_SYNC: "applies to the next sync",
    Update.NEXT_RUN: "applies to the next run",
    Update.RECREATE: "applies when it runs again",
    Update.REFUSED: "applies when it is recreated",
    Update.ROLLING: "applies when it runs again",
}


def _brief(each: Difference) -> str:
    """The path, without the part up to a container's name."""
    start = next((i for i, step in enumerate(each.path) if step == "containers"), None)
    return spell(each.path if start is None else each.path[start + 2 :] or each.path[-1:])
