"""How rendered objects are broken: fields removed, weakened, pointed elsewhere."""
# ruff: noqa: FBT003 the value of a field

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from constructs_lib.manifests.capacity import pod_template
from constructs_lib.model import Manifest

Broken = Iterator[tuple[str, Manifest | None]]
"""A label, and the broken object; None where it is removed."""
_ELSEWHERE = "elsewhere"
_ALB = "alb.ingress.kubernetes.io"


@dataclass(frozen=True)
class Edit:
    """A way to break objects of some kinds; no kinds means all."""

    kinds: tuple[str, ...]
    apply: Callable[[Manifest], Broken]


def _find(item: Any, path: str) -> Iterator[tuple[Any, Any]]:
    """Each holder and key at a path; `*` stands for every item of a list."""
    first, _, rest = path.partition("/")
    keys: list[Any]
    if isinstance(item, list):
        keys = list(range(len(item))) if first == "*" else []
    else:
        keys = [first.replace("~", "/")] if isinstance(item, dict) else []
    for key in keys:
        if not rest:
            yield item, key
        elif isinstance(item, list) or item.get(key) is not None:
            yield from _find(item[key], rest)


def _changes(path: str, change: Callable[[Any, Any], None], what: str) -> Callable[[Any], Broken]:
    """Change one place after another, each in a copy of its own."""

    def apply(item: Manifest) -> Broken:
        for place, _ in enumerate(list(_find(item, path))):
            broken = copy.deepcopy(item)
            holder, key = list(_find(broken, path))[place]
            try:
                change(holder, key)
            except (KeyError, IndexError):
                continue
            yield f"{path.replace('*', str(place))} {what}", broken

    return apply


def put(path: str, value: Any) -> Callable[[Manifest], Broken]:
    """Set a field, whether it is there or not."""

    def change(holder: Any, key: Any) -> None:
        holder[key] = copy.deepcopy(value)

    return _changes(path, change, f"= {value!r}")


def become(path: str, value: Any) -> Callable[[Manifest], Broken]:
    """Change a field that is there."""

    def change(holder: Any, key: Any) -> None:
        holder[key]
        holder[key] = copy.deepcopy(value)

    return _changes(path, change, f"= {value!r}")


def cut(path: str) -> Callable[[Manifest], Broken]:
    """Remove a field or an item that is there."""

    def change(holder: Any, key: Any) -> None:
        del holder[key]

    return _changes(path, change, "removed")


def append(path: str, value: Any) -> Callable[[Manifest], Broken]:
    """Add an item to a list, which is made if it is not there."""

    def change(holder: Any, key: Any) -> None:
        items = [*(holder.get(key) or ()), copy.deepcopy(value)]
        holder[key] = items

    return _changes(path, change, f"+ {value!r}")


def removed(_: Manifest) -> Broken:
    """The object itself."""
    yield "removed", None


def in_pods(edit: Callable[[Manifest], Broken]) -> Callable[[Manifest], Broken]:
    """Break the pod template of whatever makes pods."""

    def apply(item: Manifest) -> Broken:
        template = pod_template(item)
        if template is None:
            return
        for label, broken in edit(template):
            whole = copy.deepcopy(item)
            inner = pod_template(whole)
            if inner is not None and broken is not None:
                inner.clear()
                inner.update(broken)
                yield label, whole

    return apply


_CONTAINER = "spec/containers/*"
_CONTEXT = f"{_CONTAINER}/securityContext"
_UNHARDENED = {"name": "first", "image": "example.org/first:v1"}
_HOST_PATH = {"name": "node", "hostPath": {"path": "/"}}
_TOKEN = {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}
_OF_PODS = (
    # the node
    *(put(f"spec/{field}", True) for field in ("hostNetwork", "hostPID", "hostIPC")),
    put("spec/nodeName", "one"),
    append("spec/volumes", _HOST_PATH),
    append("spec/volumes", {"name": "nfs", "nfs": {"server": "one", "path": "/"}}),
    append("spec/volumes", _TOKEN),
    append("spec/volumes", {"name": "unused", "emptyDir": {"sizeLimit": "1Mi"}}),
    # its own rights
    cut("spec/securityContext"),
    cut("spec/securityContext/runAsNonRoot"),
    become("spec/securityContext/runAsNonRoot", False),
    become("spec/securityContext/runAsUser", 0),
    cut("spec/securityContext/seccompProfile"),
    become("spec/securityContext/seccompProfile/type", "Unconfined"),
    put("spec/securityContext/appArmorProfile", {"type": "Unconfined"}),
    put("spec/securityContext/seLinuxOptions", {"type": "spc_t"}),
    put("spec/securityContext/seLinuxOptions", {"user": "root"}),
    put("spec/securityContext/windowsOptions", {"hostProcess": True}),
    put("spec/securityContext/sysctls", [{"name": "kernel.msgmax", "value": "1"}]),
    cut("spec/automountServiceAccountToken"),
    become("spec/automountServiceAccountToken", True),
    cut("spec/serviceAccountName"),
    become("spec/serviceAccountName", "default"),
    become("spec/serviceAccountName", _ELSEWHERE),
    become("spec/serviceAccountName", "nebula"),
    # where it runs, and from what
    cut("spec/nodeSelector"),
    become("spec/nodeSelector/kubernetes.io~arch", "amd64"),
    cut("spec/imagePullSecrets"),
    become("spec/imagePullSecrets/*/name", _ELSEWHERE),
    put("spec/priorityClassName", _ELSEWHERE),
    put("spec/runtimeClassName", _ELSEWHERE),
    become("spec/topologySpreadConstraints/*/labelSelector/matchLabels/app", _ELSEWHERE),
    become("metadata/labels/app", _ELSEWHERE),
    become("metadata/labels/app", "cryo-indexer"),
    # its containers
    put("spec/initContainers", [_UNHARDENED]),
    put("spec/ephemeralContainers", [_UNHARDENED]),
    append("spec/containers", _UNHARDENED),
    cut(_CONTEXT),
    cut(f"{_CONTEXT}/allowPrivilegeEscalation"),
    become(f"{_CONTEXT}/allowPrivilegeEscalation", True),
    cut(f"{_CONTEXT}/capabilities"),
    become(f"{_CONTEXT}/capabilities/drop", ["NET_RAW"]),
    put(f"{_CONTEXT}/capabilities/add", ["SYS_ADMIN"]),
    cut(f"{_CONTEXT}/readOnlyRootFilesystem"),
    become(f"{_CONTEXT}/readOnlyRootFilesystem", False),
    put(f"{_CONTEXT}/privileged", True),
    put(f"{_CONTEXT}/procMount", "Unmasked"),
    put(f"{_CONTEXT}/runAsUser", 0),
    put(f"{_CONTEXT}/runAsNonRoot", False),
    put(f"{_CONTEXT}/seccompProfile", {"type": "Unconfined"}),
    put(f"{_CONTEXT}/appArmorProfile", {"type": "Unconfined"}),
    append(f"{_CONTAINER}/ports", {"containerPort": 9999, "hostPort": 9999}),
    cut(f"{_CONTAINER}/resources"),
    *(cut(f"{_CONTAINER}/resources/{bound}") for bound in ("requests", "limits")),
    *(
        cut(f"{_CONTAINER}/resources/{bound}/{name}")
        for bound in ("requests", "limits")
        for name in ("cpu", "memory", "ephemeral-storage")
    ),
    become(f"{_CONTAINER}/resources/requests/cpu", "100"),
    become(f"{_CONTAINER}/resources/requests/memory", "0"),
    become(f"{_CONTAINER}/resources/limits/memory", "1Ki"),
    become(f"{_CONTAINER}/image", "ghcr.io/gnosischain/other:latest"),
    become(f"{_CONTAINER}/image", "docker.io/library/nginx:1.27"),
    become(f"{_CONTAINER}/image", "ghcr.io/gnosischain/nebula:v1"),
    cut(f"{_CONTAINER}/image"),
    put(f"{_CONTAINER}/imagePullPolicy", "Never"),
    # what it reads and mounts
    become(f"{_CONTAINER}/envFrom/*/secretRef/name", _ELSEWHERE),
    append(f"{_CONTAINER}/envFrom", {"configMapRef": {"name": _ELSEWHERE}}),
    append(
        f"{_CONTAINER}/env",
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "ghcr-pull-secret", "key": "A"}}},
    ),
    append(f"{_CONTAINER}/env", {"name": "CLICKHOUSE_PASSWORD", "value": "hunter2"}),
    append(f"{_CONTAINER}/env", {"name": "URL", "value": "https://one:two@example.org"}),
    append(f"{_CONTAINER}/args", "--url=https://one:two@example.org"),
    cut(f"{_CONTAINER}/volumeMounts/*"),
    become(f"{_CONTAINER}/volumeMounts/*/name", _ELSEWHERE),
    cut("spec/volumes/*"),
    cut("spec/volumes/*/emptyDir/sizeLimit"),
    become("spec/volumes/*/persistentVolumeClaim/claimName", _ELSEWHERE),
    # how it starts and ends
    become(f"{_CONTAINER}/livenessProbe/httpGet/port", 9999),
    become(f"{_CONTAINER}/readinessProbe/httpGet/port", 9999),
    become(f"{_CONTAINER}/startupProbe/httpGet/port", 9999),
    put(f"{_CONTAINER}/livenessProbe/httpGet/host", "example.org"),
)


def _twice(path: str) -> Callable[[Manifest], Broken]:
    """Add the first item of a list to it once more."""

    def change(holder: Any, key: Any) -> None:
        holder[key] = [*holder[key], copy.deepcopy(holder[key][0])]

    return _changes(path, change, "twice")


def _cut_of_dns(policy: Manifest) -> Broken:
    """Let DNS be asked anywhere; 443 to anywhere is what a declaration may open."""
    broken = copy.deepcopy(policy)
    for rule in broken["spec"].get("egress") or ():
        if any(port.get("port") == 53 for port in rule["ports"]):
            del rule["to"]
            yield "spec/egress (DNS) to removed", broken


_SERVING = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
_WORKLOADS = (*_SERVING, "Pod", "Job", "CronJob")
_NOTES = "metadata/annotations"
_PROTECTION = f"{_NOTES}/argocd.argoproj.io~sync-options"
_PSA = "metadata/labels/pod-security.kubernetes.io~"
_BLOCK = "spec/egress/*/to/*/ipBlock"


def _edits(*kinds: str) -> Callable[..., tuple[Edit, ...]]:
    return lambda *edits: tuple(Edit(kinds, edit) for edit in edits)


EDITS: tuple[Edit, ...] = (
    *_edits(*_WORKLOADS)(*map(in_pods, _OF_PODS)),
    *_edits(*_WORKLOADS)(
        in_pods(_twice(f"{_CONTAINER}/env")),
        in_pods(_twice(f"{_CONTAINER}/volumeMounts")),
        in_pods(_twice(f"{_CONTAINER}/ports")),
        in_pods(_twice("spec/volumes")),
        in_pods(_twice("spec/containers")),
        put("metadata/namespace", _ELSEWHERE),
        cut("metadata/namespace"),
    ),
    *_edits(*_SERVING)(
        in_pods(cut(f"{_CONTAINER}/livenessProbe")),
        become("spec/selector/matchLabels/app", _ELSEWHERE),
        put("spec/selector", {}),
        put("spec/selector", {"matchLabels": {}, "matchExpressions": []}),
    ),
    *_edits("Deployment")(
        become("spec/progressDeadlineSeconds", 10),
        in_pods(become(f"{_CONTAINER}/startupProbe/failureThreshold", 1000)),
        become("spec/strategy/rollingUpdate/maxUnavailable", "100%"),
    ),
    *_edits("StatefulSet")(put("spec/serviceName", _ELSEWHERE)),
    *_edits("HorizontalPodAutoscaler")(
        become("spec/scaleTargetRef/name", _ELSEWHERE),
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
        become(f"{_NOTES}/argocd.argoproj.io~hook-delete-policy", "HookSucceeded"),
    ),
    *_edits("Service")(
        removed,
        become("spec/selector/app", _ELSEWHERE),
        become("spec/selector", {"app.kubernetes.io/component": "web"}),
        become("spec/ports/*/targetPort", 9999),
        become("spec/ports/*/targetPort", _ELSEWHERE),
        become("spec/ports/*/port", 9999),
        become("spec/ports/*/protocol", "UDP"),
        cut("spec/ports"),
        become("spec/type", "LoadBalancer"),
        become("spec/type", "NodePort"),
        put("spec/externalIPs", ["1.2.3.4"]),
    ),
    *_edits("Ingress")(
        removed,
        become("spec/rules/*/host", "other.example.org"),
        cut("spec/rules/*/host"),
        put("spec/defaultBackend", {"service": {"name": "one", "port": {"number": 1}}}),
        become("spec/rules/*/http/paths/*/backend/service/name", _ELSEWHERE),
        become("spec/rules/*/http/paths/*/backend/service/port", {"number": 9999}),
        become("spec/rules/*/http/paths/*/backend/service/port", {"name": _ELSEWHERE}),
        put("spec/tls", [{"secretName": _ELSEWHERE}]),
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
        cut(f"{_NOTES}/kubernetes.io~ingress.class"),
        put("spec/ingressClassName", "alb"),
    ),
    *_edits("PodDisruptionBudget")(
        become("spec/maxUnavailable", 0),
        become("spec/maxUnavailable", "100%"),
        cut("spec/maxUnavailable"),
        become("spec/selector/matchLabels/app", _ELSEWHERE),
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
        become("spec/podSelector/matchLabels/app", _ELSEWHERE),
        append("spec/egress", {}),
        append("spec/egress", {"ports": [{"port": 80}]}),
        append("spec/egress", {"ports": [{"port": 1, "endPort": 1000}]}),
        append("spec/egress", {"to": [{"ipBlock": {"cidr": "10.0.0.0/16"}}]}),
        append("spec/egress", {"to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}]}),
        append("spec/ingress", {}),
        append("spec/ingress", {"ports": [{"port": 22}]}),
        append("spec/ingress", {"from": [{"namespaceSelector": {}}]}),
        cut(f"{_BLOCK}/except"),
        cut(f"{_BLOCK}/except/*"),
        _cut_of_dns,
        become("spec/egress/*/to/*/podSelector/matchLabels/k8s-app", _ELSEWHERE),
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
        become("spec/secretStoreRef/name", _ELSEWHERE),
        become("spec/secretStoreRef/kind", "SecretStore"),
        become("spec/target/name", _ELSEWHERE),
        become("spec/target/creationPolicy", "Orphan"),
        put("spec/target/deletionPolicy", "Delete"),
        become("spec/target/template/type", "Opaque"),
        become("spec/target/template/data", {".dockerconfigjson": "{{ .other }}"}),
        become("spec/data/*/remoteRef/key", "/cerebro/else/where"),
        become("spec/refreshInterval", "0"),
        cut("spec/data"),
        _twice("spec/data"),
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
        become("metadata/name", _ELSEWHERE),
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
        put("spec/storageClassName", _ELSEWHERE),
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
        become("spec/project", _ELSEWHERE),
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
