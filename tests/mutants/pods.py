# ruff: noqa: FBT003 the value of a field
"""The edits of pod templates, for all kinds of workloads."""

from __future__ import annotations

from tests.mutants.editing import ELSEWHERE, append, become, cut, put

CONTAINER = "spec/containers/*"
_CONTEXT = f"{CONTAINER}/securityContext"
_UNHARDENED = {"name": "first", "image": "example.org/first:v1"}
_HOST_PATH = {"name": "node", "hostPath": {"path": "/"}}
_TOKEN = {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}
OF_PODS = (
    # the node
    *(put(f"spec/{field}", True) for field in ("hostNetwork", "hostPID", "hostIPC")),
    put("spec/nodeName", "one"),
    append("spec/volumes", _HOST_PATH),
    append("spec/volumes", {"name": "nfs", "nfs": {"server": "one", "path": "/"}}),
    append("spec/volumes", _TOKEN),
    append("spec/volumes", {"name": "unused", "emptyDir": {"sizeLimit": "1Mi"}}),
    # its own permissions
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
    become("spec/serviceAccountName", ELSEWHERE),
    become("spec/serviceAccountName", "nebula"),
    # node, image pull and scheduling
    cut("spec/nodeSelector"),
    become("spec/nodeSelector/kubernetes.io~arch", "amd64"),
    cut("spec/imagePullSecrets"),
    become("spec/imagePullSecrets/*/name", ELSEWHERE),
    put("spec/priorityClassName", ELSEWHERE),
    put("spec/runtimeClassName", ELSEWHERE),
    become("spec/topologySpreadConstraints/*/labelSelector/matchLabels/app", ELSEWHERE),
    become("metadata/labels/app", ELSEWHERE),
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
    append(f"{CONTAINER}/ports", {"containerPort": 9999, "hostPort": 9999}),
    cut(f"{CONTAINER}/resources"),
    *(cut(f"{CONTAINER}/resources/{bound}") for bound in ("requests", "limits")),
    *(
        cut(f"{CONTAINER}/resources/{bound}/{name}")
        for bound in ("requests", "limits")
        for name in ("cpu", "memory", "ephemeral-storage")
    ),
    become(f"{CONTAINER}/resources/requests/cpu", "100"),
    become(f"{CONTAINER}/resources/requests/memory", "0"),
    become(f"{CONTAINER}/resources/limits/memory", "1Ki"),
    *(
        become(f"{CONTAINER}/resources/requests/{name}", "512m")
        for name in ("memory", "ephemeral-storage")
    ),
    become(f"{CONTAINER}/resources/limits/memory", "2000000000000m"),
    become(f"{CONTAINER}/image", "ghcr.io/gnosischain/other:latest"),
    become(f"{CONTAINER}/image", "docker.io/library/nginx:1.27"),
    become(f"{CONTAINER}/image", "ghcr.io/gnosischain/nebula:v1"),
    cut(f"{CONTAINER}/image"),
    put(f"{CONTAINER}/imagePullPolicy", "Never"),
    # secrets, variables and volumes
    become(f"{CONTAINER}/envFrom/*/secretRef/name", ELSEWHERE),
    append(f"{CONTAINER}/envFrom", {"configMapRef": {"name": ELSEWHERE}}),
    append(
        f"{CONTAINER}/env",
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "ghcr-pull-secret", "key": "A"}}},
    ),
    append(f"{CONTAINER}/env", {"name": "CLICKHOUSE_PASSWORD", "value": "hunter2"}),
    append(f"{CONTAINER}/env", {"name": "URL", "value": "https://one:two@example.org"}),
    append(f"{CONTAINER}/args", "--url=https://one:two@example.org"),
    cut(f"{CONTAINER}/volumeMounts/*"),
    become(f"{CONTAINER}/volumeMounts/*/name", ELSEWHERE),
    cut("spec/volumes/*"),
    cut("spec/volumes/*/emptyDir/sizeLimit"),
    become("spec/volumes/*/emptyDir/sizeLimit", "64m"),
    become("spec/volumes/*/persistentVolumeClaim/claimName", ELSEWHERE),
    # lifecycle and probes
    put(f"{CONTAINER}/lifecycle", {"preStop": {"exec": {"command": ["sleep", "10000"]}}}),
    put(f"{CONTAINER}/lifecycle", {"preStop": {"sleep": {"seconds": 10000}}}),
    become(f"{CONTAINER}/livenessProbe/httpGet/port", 9999),
    become(f"{CONTAINER}/readinessProbe/httpGet/port", 9999),
    become(f"{CONTAINER}/startupProbe/httpGet/port", 9999),
    put(f"{CONTAINER}/livenessProbe/httpGet/host", "example.org"),
)
