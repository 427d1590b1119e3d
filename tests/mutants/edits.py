# ruff: noqa: FBT003 the value of a field
"""The edits of rendered objects: remove, weaken or redirect fields."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from constructs_lib.model import Manifest
from tests.mutants.editing import (
    ELSEWHERE,
    Broken,
    Edit,
    append,
    become,
    cut,
    in_pods,
    put,
    removed,
    twice,
)
from tests.mutants.pods import CONTAINER, OF_PODS

_ALB = "alb.ingress.kubernetes.io"


def _cut_of_dns(policy: Manifest) -> Broken:
    """Open DNS to all addresses."""
    broken = copy.deepcopy(policy)
    for rule in broken["spec"].get("egress") or ():
        if any(port.get("port") == 53 for port in rule["ports"]):
            del rule["to"]
            yield "spec/egress (DNS) to removed", broken


def _cut_of_exceptions(policy: Manifest) -> Broken:
    """Remove an exception, unless every rule with that exception also opens it."""
    rules = [_ranges(rule) for rule in policy["spec"].get("egress") or ()]
    excepted = {one for blocks in rules for ranges in blocks.values() for one in ranges}
    for cidr in sorted(excepted):
        if all(cidr in blocks for blocks in rules if any(cidr in of for of in blocks.values())):
            continue
        for number, blocks in enumerate(rules):
            if any(cidr in of for of in blocks.values()):
                broken = copy.deepcopy(policy)
                for peer in broken["spec"]["egress"][number]["to"]:
                    kept = [one for one in peer.get("ipBlock", {}).get("except", ()) if one != cidr]
                    if kept:
                        peer["ipBlock"]["except"] = kept
                yield f"spec/egress/{number} except {cidr} removed", broken


def _ranges(rule: Manifest) -> dict[str, list[str]]:
    """The exceptions of each range in the peers of a rule."""
    blocks = [peer["ipBlock"] for peer in rule.get("to") or () if "ipBlock" in peer]
    return {block["cidr"]: block.get("except", []) for block in blocks}


_SERVING = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
_WORKLOADS = (*_SERVING, "Pod", "Job", "CronJob")
_NOTES = "metadata/annotations"
_PROTECTION = f"{_NOTES}/argocd.argoproj.io~sync-options"
_PSA = "metadata/labels/pod-security.kubernetes.io~"
_BLOCK = "spec/egress/*/to/*/ipBlock"


def _edits(*kinds: str) -> Callable[..., tuple[Edit, ...]]:
    return lambda *edits: tuple(Edit(kinds, edit) for edit in edits)


EDITS: tuple[Edit, ...] = (
    *_edits(*_WORKLOADS)(*map(in_pods, OF_PODS)),
    *_edits(*_WORKLOADS)(
        in_pods(twice(f"{CONTAINER}/env")),
        in_pods(twice(f"{CONTAINER}/volumeMounts")),
        in_pods(twice(f"{CONTAINER}/ports")),
        in_pods(twice("spec/volumes")),
        in_pods(twice("spec/containers")),
        put("metadata/namespace", ELSEWHERE),
        cut("metadata/namespace"),
    ),
    *_edits(*_SERVING)(
        in_pods(cut(f"{CONTAINER}/livenessProbe")),
        become("spec/selector/matchLabels/app", ELSEWHERE),
        put("spec/selector", {}),
        put("spec/selector", {"matchLabels": {}, "matchExpressions": []}),
    ),
    *_edits("Deployment")(
        become("spec/progressDeadlineSeconds", 10),
        in_pods(become(f"{CONTAINER}/startupProbe/failureThreshold", 1000)),
        become("spec/strategy/rollingUpdate/maxUnavailable", "100%"),
    ),
    *_edits("StatefulSet")(put("spec/serviceName", ELSEWHERE)),
    *_edits("HorizontalPodAutoscaler")(
        become("spec/scaleTargetRef/name", ELSEWHERE),
        become("spec/scaleTargetRef/name", "cerebro-api"),
        become("spec/scaleTargetRef/kind", "StatefulSet"),
        become("spec/minReplicas", 9),
        become("spec/maxReplicas", 90),
    ),
    *_edits("CronJob")(
        become("spec/schedule", "whenever"),
        cut("spec/schedule"),
        cut("spec/concurrencyPolicy"),
        become("spec/concurrencyPolicy", "Allow"),
        become("spec/jobTemplate/spec/template/spec/restartPolicy", "Always"),
        become("spec/jobTemplate/spec/parallelism", 90),
        put("spec/jobTemplate/spec/parallelism", 90),
    ),
    *_edits("Job")(
        become("spec/template/spec/restartPolicy", "Always"),
        cut(f"{_NOTES}/argocd.argoproj.io~hook"),
        cut(f"{_NOTES}/argocd.argoproj.io~sync-wave"),
        become(f"{_NOTES}/argocd.argoproj.io~sync-wave", "-2"),
        become("spec/template/spec/containers/*/args", ["other"]),
        become(f"{_NOTES}/argocd.argoproj.io~hook-delete-policy", "HookSucceeded"),
    ),
    *_edits("Service")(
        removed,
        become("spec/selector/app", ELSEWHERE),
        become("spec/selector", {"app.kubernetes.io/component": "web"}),
        become("spec/ports/*/targetPort", 9999),
        become("spec/ports/*/targetPort", ELSEWHERE),
        become("spec/ports/*/port", 9999),
        become("spec/ports/*/protocol", "UDP"),
        cut("spec/ports"),
        become("spec/type", "LoadBalancer"),
        put("metadata/annotations", {"a": "\0"}),
        become("spec/type", "NodePort"),
        put("spec/externalIPs", ["1.2.3.4"]),
    ),
    *_edits("Ingress")(
        removed,
        become("spec/rules/*/host", "other.example.org"),
        cut("spec/rules/*/host"),
        put("spec/defaultBackend", {"service": {"name": "one", "port": {"number": 1}}}),
        become("spec/rules/*/http/paths/*/backend/service/name", ELSEWHERE),
        become("spec/rules/*/http/paths/*/backend/service/port", {"number": 9999}),
        become("spec/rules/*/http/paths/*/backend/service/port", {"name": ELSEWHERE}),
        put("spec/tls", [{"secretName": ELSEWHERE}]),
        cut(f"{_NOTES}/{_ALB}~actions.deny"),
        *(
            cut(f"{_NOTES}/{_ALB}~{name}")
            for name in (
                "certificate-arn",
                "listen-ports",
                "scheme",
                "ssl-policy",
                "ssl-redirect",
                "target-type",
            )
        ),
        become(f"{_NOTES}/{_ALB}~certificate-arn", "arn:aws:acm:eu-central-1:1:certificate/2"),
        become(f"{_NOTES}/{_ALB}~listen-ports", '[{"HTTP":80}]'),
        become(f"{_NOTES}/{_ALB}~scheme", "public"),
        become(f"{_NOTES}/{_ALB}~ssl-policy", "ELBSecurityPolicy-2016-08"),
        become(f"{_NOTES}/{_ALB}~target-type", "instance"),
        become(f"{_NOTES}/{_ALB}~load-balancer-attributes", "access_logs.s3.enabled=true"),
        put(f"{_NOTES}/{_ALB}~inbound-cidrs", "10.0.0.0/33"),
        cut(f"{_NOTES}/kubernetes.io~ingress.class"),
        put("spec/ingressClassName", "alb"),
    ),
    *_edits("PodDisruptionBudget")(
        become("spec/maxUnavailable", 0),
        become("spec/maxUnavailable", "100%"),
        cut("spec/maxUnavailable"),
        become("spec/selector/matchLabels/app", ELSEWHERE),
        cut("spec/selector"),
    ),
    *_edits("ServiceAccount")(
        removed,
        cut("automountServiceAccountToken"),
        become("automountServiceAccountToken", True),
        put(_NOTES, {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/one"}),
        put("imagePullSecrets", [{"name": "ghcr-pull-secret"}]),
        put("secrets", [{"name": "one"}]),
    ),
    *_edits("NetworkPolicy")(
        removed,
        become("spec/policyTypes", ["Ingress"]),
        become("spec/policyTypes", ["Egress"]),
        become("spec/podSelector/matchLabels/app", ELSEWHERE),
        append("spec/egress", {}),
        append("spec/egress", {"ports": [{"port": 80}]}),
        append("spec/egress", {"ports": [{"port": "https"}]}),
        append("spec/egress", {"ports": [{"port": 1, "endPort": 1000}]}),
        append("spec/egress", {"to": [{"ipBlock": {"cidr": "10.0.0.0/16"}}]}),
        append("spec/egress", {"to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}]}),
        append("spec/ingress", {}),
        append("spec/ingress", {"ports": [{"port": 22}]}),
        append("spec/ingress", {"from": [{"namespaceSelector": {}}]}),
        cut(f"{_BLOCK}/except"),
        _cut_of_exceptions,
        _cut_of_dns,
        become("spec/egress/*/to/*/podSelector/matchLabels/k8s-app", ELSEWHERE),
        become(
            "spec/egress/*/to/*/namespaceSelector/matchLabels/kubernetes.io~metadata.name",
            "cerebro",
        ),
        cut("spec/ingress/*/ports"),
        become("spec/ingress/*/ports/*/port", 9999),
        put("spec/ingress/*/ports/*/endPort", 9999),
    ),
    *_edits("ExternalSecret")(
        removed,
        become("spec/secretStoreRef/name", ELSEWHERE),
        become("spec/secretStoreRef/kind", "SecretStore"),
        become("spec/target/name", ELSEWHERE),
        become("spec/target/creationPolicy", "Orphan"),
        put("spec/target/deletionPolicy", "Delete"),
        become("spec/target/template/type", "Opaque"),
        become("spec/target/template/data", {".dockerconfigjson": "{{ .other }}"}),
        become("spec/data/*/remoteRef/key", "/cerebro/else/where"),
        become("spec/refreshInterval", "0"),
        cut("spec/data"),
        twice("spec/data"),
        cut(_PROTECTION),
        become(_PROTECTION, "Prune=false"),
    ),
    *_edits("ClusterSecretStore")(
        removed,
        cut("spec/conditions"),
        cut("spec/conditions/*/namespaces/*"),
        append("spec/conditions/*/namespaces", "default"),
        append("spec/conditions", {"namespaceSelector": {}}),
        become("spec/provider/aws/region", "us-east-1"),
        become("spec/provider/aws/service", "SecretsManager"),
        become("metadata/name", ELSEWHERE),
        cut(_PROTECTION),
        become(_PROTECTION, "Delete=false"),
    ),
    *_edits("Namespace")(
        removed,
        cut(_PROTECTION),
        become(_PROTECTION, "Prune=false"),
        *(cut(f"{_PSA}{mode}") for mode in ("enforce", "audit", "warn")),
        *(cut(f"{_PSA}{mode}-version") for mode in ("enforce", "audit", "warn")),
        become(f"{_PSA}enforce", "baseline"),
        become(f"{_PSA}enforce", "privileged"),
        put("metadata/namespace", "cerebro"),
    ),
    *_edits("ResourceQuota")(
        removed,
        *(
            become(f"spec/hard/{bound}.{name}", "1")
            for bound in ("requests", "limits")
            for name in ("cpu", "memory", "ephemeral-storage")
        ),
        become("spec/hard/pods", "1"),
        put("spec/hard/persistentvolumeclaims", "0"),
    ),
    *_edits("LimitRange")(
        removed,
        put("spec/limits/*/max", {"memory": "1Mi"}),
        put("spec/limits/*/min", {"cpu": "64"}),
    ),
    *_edits("PersistentVolumeClaim")(
        removed,
        put("spec/storageClassName", ELSEWHERE),
        cut("spec/accessModes"),
        cut("spec/resources"),
    ),
    *_edits("AppProject")(
        removed,
        cut("spec/sourceRepos"),
        become("spec/sourceRepos", ["*"]),
        become("spec/sourceRepos", ["https://example.org/other.git"]),
        cut("spec/destinations"),
        cut("spec/destinations/*"),
        append("spec/destinations", {"namespace": "*", "server": "https://kubernetes.default.svc"}),
        become("spec/destinations/*/server", "*"),
        cut("spec/namespaceResourceWhitelist"),
        cut("spec/namespaceResourceWhitelist/*"),
        append("spec/namespaceResourceWhitelist", {"group": "*", "kind": "*"}),
        append("spec/clusterResourceWhitelist", {"group": "", "kind": "*"}),
        cut("spec/clusterResourceWhitelist/*"),
    ),
    *_edits("Application")(
        removed,
        become("spec/project", ELSEWHERE),
        become("spec/source/repoURL", "https://example.org/other.git"),
        become("spec/source/targetRevision", "other"),
        become("spec/source/path", "dist/elsewhere"),
        become("spec/source/directory/include", "elsewhere.k8s.yaml"),
        become("spec/source/directory/include", "*"),
        become("spec/destination/server", "https://example.org"),
        cut("spec/syncPolicy/automated"),
        become("spec/syncPolicy/automated/prune", False),
        become("spec/syncPolicy/automated/selfHeal", False),
        put("spec/syncPolicy/automated/allowEmpty", True),
    ),
)


def _new(version: str, kind: str, **content: Any) -> tuple[str, Manifest]:
    metadata = {"name": "added", "namespace": "cerebro"}
    return kind, {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


_RBAC = "rbac.authorization.k8s.io/v1"
_BOUND = {"roleRef": {"kind": "ClusterRole", "name": "cluster-admin"}, "subjects": []}
ADDITIONS: tuple[tuple[str, Manifest], ...] = (
    _new("v1", "Secret", stringData={"A": "b"}),
    _new("v1", "ConfigMap", data={"API_TOKEN": "hunter2"}),
    _new("v1", "Pod", spec={"containers": [{"name": "one", "image": "one"}]}),
    _new("v1", "List", items=[]),
    _new(_RBAC, "Role", rules=[]),
    _new(_RBAC, "RoleBinding", **_BOUND),
    _new(_RBAC, "ClusterRole", rules=[]),
    _new(_RBAC, "ClusterRoleBinding", **_BOUND),
    _new("v1", "Service", spec={"ports": [{"port": 80}], "selector": {"app": "none"}}),
    _new(
        "policy/v1",
        "PodDisruptionBudget",
        spec={"minAvailable": 2, "selector": {"matchLabels": {"app": "cerebro-api"}}},
    ),
)
