"""`update` and `unknown`: what no other rule accounts for.

A field that is in these tables changes in place, with the effect that is said; any other is
`unknown`.
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


Effects = dict[Path, tuple[Severity, str]]
"""What a change of a field, or of one below it, does."""

_LOW, _MEDIUM = Severity.LOW, Severity.MEDIUM
_SPEC, _ANNOTATIONS, _LABELS = ("spec",), ("metadata", "annotations"), ("metadata", "labels")
_ALB = "alb.ingress.kubernetes.io/"


def _fields(severity: Severity, effect: str, *paths: str) -> Effects:
    return {tuple(path.split(".")): (severity, effect) for path in paths}


def _annotations(severity: Severity, effect: str, *names: str) -> Effects:
    return {(*_ANNOTATIONS, name): (severity, effect) for name in names}


_OF_EVERY_KIND: Effects = {
    _LABELS: (_LOW, "labels"),
    ("apiVersion",): (_MEDIUM, "the same object; the cluster must serve this version"),
    **_annotations(
        _MEDIUM,
        "how Argo CD syncs it",
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
        "when Reloader restarts it",
        "reloader.stakater.com/auto",
        "secret.reloader.stakater.com/reload",
    ),
}
_SAME_AS_BEFORE = "allows the same as before"
_SERVING: Effects = {
    **_fields(_LOW, "scales", "spec.replicas"),
    **_fields(_LOW, "how it is updated from now on", "spec.strategy", "spec.updateStrategy"),
    **_fields(
        _LOW,
        "how a rollout is watched",
        "spec.minReadySeconds",
        "spec.progressDeadlineSeconds",
        "spec.revisionHistoryLimit",
    ),
    **_fields(_MEDIUM, "whether a changed template is rolled out", "spec.paused"),
}
_RUNS = ("activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
_EFFECTS: dict[str, Effects] = {
    "AppProject": {
        **_fields(_LOW, "described in other words", "spec.description"),
        **_fields(_LOW, _SAME_AS_BEFORE, *(f"spec.{field}" for field in PROJECT_BOUNDS)),
    },
    "Application": {
        **_fields(_MEDIUM, "what its deletion deletes", "metadata.finalizers"),
        **_fields(_MEDIUM, "which files it syncs", "spec.source.path", "spec.source.directory"),
        **_fields(_MEDIUM, "how Argo CD syncs", "spec.syncPolicy", "spec.ignoreDifferences"),
    },
    "ClusterRole": _fields(_LOW, _SAME_AS_BEFORE, "rules"),
    "ClusterRoleBinding": _fields(_LOW, _SAME_AS_BEFORE, "subjects"),
    "ClusterSecretStore": _fields(_LOW, _SAME_AS_BEFORE, "spec.conditions"),
    "ConfigMap": _fields(_MEDIUM, "its readers see it when restarted", "data", "binaryData"),
    "CronJob": {
        **_fields(
            _LOW,
            "how many runs are kept",
            "spec.failedJobsHistoryLimit",
            "spec.successfulJobsHistoryLimit",
        ),
        **_fields(_LOW, "from the next run on", *(f"spec.jobTemplate.spec.{f}" for f in _RUNS)),
        **_fields(_LOW, "labels", "spec.jobTemplate.metadata"),
    },
    "DaemonSet": _SERVING,
    "Deployment": _SERVING,
    "ExternalSecret": {
        **_fields(_LOW, "how often it is read anew", "spec.refreshInterval"),
        **_fields(_LOW, "the same keys in another order", "spec.data.[order]"),
    },
    "HorizontalPodAutoscaler": {_SPEC: (_MEDIUM, "how many pods run, and when there are more")},
    "Ingress": {
        **_annotations(
            _LOW,
            "the load balancer changes in place",
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
        **_annotations(_LOW, "the same controller, named elsewhere", "kubernetes.io/ingress.class"),
        **_fields(_LOW, "the same controller, named elsewhere", "spec.ingressClassName"),
        **_annotations(_LOW, "the same addresses", f"{_ALB}listen-ports", f"{_ALB}ssl-redirect"),
        **_fields(_LOW, "the same addresses", "spec.rules"),
    },
    "Job": _fields(_LOW, "with the next sync", *(f"spec.{field}" for field in _RUNS)),
    "LimitRange": {},
    "Namespace": {
        (*_LABELS, "elbv2.k8s.aws/pod-readiness-gate-inject"): (
            _MEDIUM,
            "whether an update waits until the load balancer sends to a new pod",
        ),
        **{
            (*_LABELS, f"app.kubernetes.io/{name}"): (_LOW, "labels")
            for name in ("managed-by", "part-of")
        },
    },
    "NetworkPolicy": {_SPEC: (_LOW, _SAME_AS_BEFORE)},
    "PersistentVolumeClaim": {},
    "PodDisruptionBudget": {_SPEC: (_LOW, "how many pods may be evicted at once")},
    "ResourceQuota": {},
    "Role": _fields(_LOW, _SAME_AS_BEFORE, "rules"),
    "RoleBinding": _fields(_LOW, _SAME_AS_BEFORE, "subjects"),
    "Secret": {},
    "Service": _fields(
        _LOW,
        "how connections are spread over its pods",
        "spec.internalTrafficPolicy",
        "spec.sessionAffinity",
        "spec.sessionAffinityConfig",
    ),
    "ServiceAccount": _fields(_LOW, "which images its pods may pull", "imagePullSecrets"),
    "StatefulSet": _SERVING,
}
KNOWN_KINDS = frozenset(_EFFECTS)
"""The kinds that rules know; of any other nobody here knows what it does."""


def leftovers(comparison: Comparison, found: list[Finding]) -> Iterator[Finding]:
    """A finding for every difference that none of those found accounts for."""
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
            text = "is new, and what its kind does is not known to this review"
            yield Finding(Risk.UNKNOWN, Severity.HIGH, item.key, text)


def _effect(change: Change, each: Difference) -> tuple[Risk, Severity, str]:
    kind = change.key.kind
    known = _EFFECTS.get(kind, {})
    if kind in TEMPLATE and each.below(*TEMPLATE[kind]):
        if is_known_field(each.path[len(TEMPLATE[kind]) :]):
            return Risk.UPDATE, Severity.LOW, _WHEN[Workload(change.after).update]
    elif kind in KNOWN_KINDS:
        common = {} if kind == "Namespace" else _OF_EVERY_KIND
        for path, (severity, effect) in {**known, **common}.items():
            if each.below(*path):
                return Risk.UPDATE, severity, effect
    return Risk.UNKNOWN, Severity.HIGH, "what this does is not known to this review"


_WHEN = {
    Update.BY_HAND: "for pods that are made from now on",
    Update.NEXT_SYNC: "with the next sync",
    Update.NEXT_RUN: "from the next run on",
    Update.RECREATE: "when it runs again",
    Update.REFUSED: "when it is made anew",
    Update.ROLLING: "when it runs again",
}


def _brief(each: Difference) -> str:
    """The end of a long path says what it is about."""
    template = next((i for i, step in enumerate(each.path) if step == "containers"), None)
    return spell(each.path if template is None else each.path[template + 2 :] or each.path[-1:])
