"""Checks the types of the fields that other modules read: mappings, lists, strings, integers.

It is not a full schema; the API server checks much more. It catches broken JSON patches and
included files before the rules read them: a field that a rule reads without checking its type
belongs in the table below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from constructs_lib.manifests.objects import POD_TEMPLATES, group
from constructs_lib.model import Manifest


@dataclass(frozen=True)
class _Type:
    """The type of a field."""

    name: str
    """`a list of strings`."""
    fits: Callable[[Any], bool]


def _are_texts(values: Any) -> bool:
    return all(isinstance(one, str) for one in values)


_MAPPING = _Type("a mapping", lambda value: isinstance(value, dict))
_TEXT = _Type("a string", lambda value: isinstance(value, str))
_TEXTS = _Type("a list of strings", lambda value: isinstance(value, list) and _are_texts(value))
_LABELS = _Type(
    "a mapping of strings", lambda value: isinstance(value, dict) and _are_texts(value.values())
)
_NUMBER = _Type("an integer", lambda value: type(value) is int)
_PORT = _Type("an integer or a string", lambda value: type(value) in (int, str))

_EVERY, _POD, _CONTAINER = "every object", "a pod template", "a container"
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PEERS = ("spec.ingress[].from[]", "spec.egress[].to[]")
_RUNNERS = ("DaemonSet", "Deployment", "PodDisruptionBudget", "ReplicaSet", "StatefulSet")
_POD_SELECTORS = (
    "spec.topologySpreadConstraints[].labelSelector",
    *(
        f"spec.affinity.{affinity}.{term}.labelSelector"
        for affinity in ("podAffinity", "podAntiAffinity")
        for term in (
            "requiredDuringSchedulingIgnoredDuringExecution[]",
            "preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm",
        )
    ),
)
_SELECTOR = "spec.selector spec.selector.matchExpressions[]"
_REQUIREMENT = ("matchExpressions[].key!", "matchExpressions[].operator!")
_PEER_SELECTORS = (
    "spec.podSelector",
    *(f"{peer}.{name}" for peer in _PEERS for name in ("podSelector", "namespaceSelector")),
)


def _of(parents: tuple[str, ...], *fields: str) -> str:
    """The paths of the same fields below several parents; an empty field is the parent itself."""
    return " ".join(f"{parent}.{one}" if one else parent for parent in parents for one in fields)


_FIELDS: Mapping[_Type, Mapping[str, str]] = {
    _MAPPING: {
        _EVERY: "metadata spec",
        _POD: """
            metadata spec spec.affinity spec.hostAliases[] spec.imagePullSecrets[] spec.overhead
            spec.resources spec.resources.requests spec.resources.limits spec.securityContext
            spec.securityContext.appArmorProfile spec.securityContext.seccompProfile
            spec.securityContext.seLinuxOptions spec.securityContext.sysctls[]
            spec.securityContext.windowsOptions spec.tolerations[] spec.topologySpreadConstraints[]
            spec.volumes[] spec.volumes[].configMap
            spec.volumes[].emptyDir spec.volumes[].hostPath spec.volumes[].persistentVolumeClaim
            spec.volumes[].projected spec.volumes[].projected.sources[]
            spec.volumes[].projected.sources[].configMap spec.volumes[].projected.sources[].secret
            spec.volumes[].secret """
        + _of(_POD_SELECTORS, "", "matchExpressions[]"),
        _CONTAINER: """
            env[] env[].valueFrom env[].valueFrom.configMapKeyRef env[].valueFrom.secretKeyRef
            envFrom[] envFrom[].configMapRef envFrom[].secretRef lifecycle ports[] resources
            resources.requests resources.limits securityContext securityContext.appArmorProfile
            securityContext.capabilities securityContext.seccompProfile
            securityContext.seLinuxOptions securityContext.windowsOptions volumeDevices[]
            volumeMounts[] """
        + _of(_PROBES, "", "exec", "grpc", "httpGet", "tcpSocket")
        + " "
        + _of(
            ("lifecycle.preStop", "lifecycle.postStart"),
            *("", "exec", "httpGet", "sleep", "tcpSocket"),
        ),
        "AppProject": """
            spec.clusterResourceWhitelist[] spec.destinations[]
            spec.namespaceResourceWhitelist[]""",
        "Application": """
            spec.destination spec.source spec.source.directory spec.sources[]
            spec.sources[].directory spec.syncPolicy spec.syncPolicy.automated""",
        "ClusterSecretStore": """
            spec.conditions[] spec.provider spec.provider.aws spec.provider.aws.auth""",
        **dict.fromkeys(("ClusterRole", "Role"), "rules[]"),
        **dict.fromkeys(("ClusterRoleBinding", "RoleBinding"), "roleRef subjects[]"),
        "CronJob": "spec.jobTemplate spec.jobTemplate.spec spec.jobTemplate.spec.template",
        "DaemonSet": f"spec.template spec.updateStrategy {_SELECTOR}",
        "Deployment": f"spec.template spec.strategy spec.strategy.rollingUpdate {_SELECTOR}",
        "ExternalSecret": """
            spec.data[] spec.data[].remoteRef spec.dataFrom[] spec.dataFrom[].extract
            spec.secretStoreRef spec.target spec.target.template spec.target.template.data""",
        "HorizontalPodAutoscaler": "spec.scaleTargetRef",
        "Ingress": """
            spec.defaultBackend spec.defaultBackend.service spec.defaultBackend.service.port
            spec.rules[] spec.rules[].http spec.rules[].http.paths[]
            spec.rules[].http.paths[].backend spec.rules[].http.paths[].backend.service
            spec.rules[].http.paths[].backend.service.port spec.tls[]""",
        "Job": "spec.template",
        "LimitRange": "spec.limits[] spec.limits[].default spec.limits[].defaultRequest",
        "NetworkPolicy": "spec! spec.egress[] spec.egress[].ports[] spec.ingress[] "
        + "spec.ingress[].ports[] "
        + _of(_PEERS, "", "ipBlock")
        + " "
        + _of(_PEER_SELECTORS, "", "matchExpressions[]"),
        "PersistentVolumeClaim": "spec.resources spec.resources.requests",
        "PodDisruptionBudget": _SELECTOR,
        "ReplicaSet": f"spec.template {_SELECTOR}",
        "ResourceQuota": "spec.hard",
        "Service": "spec.ports[]",
        "StatefulSet": f"""
            spec.template spec.updateStrategy spec.volumeClaimTemplates[]
            spec.volumeClaimTemplates[].metadata spec.volumeClaimTemplates[].spec
            spec.volumeClaimTemplates[].spec.resources
            spec.volumeClaimTemplates[].spec.resources.requests {_SELECTOR}""",
    },
    _TEXT: {
        _EVERY: "metadata.namespace",
        _POD: """
            spec.imagePullSecrets[].name! spec.nodeName spec.priorityClassName spec.runtimeClassName
            spec.securityContext.seccompProfile.type spec.securityContext.sysctls[].name
            spec.serviceAccountName spec.volumes[].name! spec.volumes[].configMap.name
            spec.volumes[].persistentVolumeClaim.claimName spec.volumes[].secret.secretName """
        + _of(_POD_SELECTORS, *_REQUIREMENT),
        _CONTAINER: """
            name! image imagePullPolicy env[].name! env[].value env[].valueFrom.secretKeyRef.key
            env[].valueFrom.secretKeyRef.name envFrom[].configMapRef.name envFrom[].secretRef.name
            ports[].name ports[].protocol securityContext.seccompProfile.type
            volumeDevices[].name! volumeMounts[].mountPath! volumeMounts[].name!""",
        "AppProject": _of(("spec.destinations[]",), "namespace", "server")
        + " "
        + _of(
            ("spec.clusterResourceWhitelist[]", "spec.namespaceResourceWhitelist[]"),
            *("group!", "kind!"),
        ),
        "Application": "spec.project spec.source.repoURL "
        + _of(("spec.source", "spec.sources[]"), "path", "directory.exclude", "directory.include"),
        **dict.fromkeys(
            ("ClusterRoleBinding", "RoleBinding"),
            _of(("roleRef", "subjects[]"), "kind", "name") + " subjects[].namespace",
        ),
        **dict.fromkeys(_RUNNERS, _of(("spec.selector",), *_REQUIREMENT)),
        "CronJob": "spec.schedule",
        "ExternalSecret": """
            spec.data[].secretKey! spec.data[].remoteRef.key spec.dataFrom[].extract.key
            spec.secretStoreRef.kind spec.secretStoreRef.name spec.target.name""",
        "HorizontalPodAutoscaler": "spec.scaleTargetRef.kind spec.scaleTargetRef.name",
        "Ingress": """
            spec.defaultBackend.service.name spec.ingressClassName spec.rules[].host
            spec.rules[].http.paths[].path spec.rules[].http.paths[].pathType
            spec.rules[].http.paths[].backend.service.name spec.tls[].secretName""",
        "NetworkPolicy": "spec.ingress[].ports[].protocol spec.egress[].ports[].protocol "
        + _of(_PEERS, "ipBlock.cidr!")
        + " "
        + _of(_PEER_SELECTORS, *_REQUIREMENT),
        "PersistentVolumeClaim": "spec.storageClassName",
        "Service": "spec.ports[].name spec.ports[].protocol spec.type",
    },
    _TEXTS: {
        _CONTAINER: """
            args command lifecycle.preStop.exec.command securityContext.capabilities.add
            securityContext.capabilities.drop""",
        _POD: _of(_POD_SELECTORS, "matchExpressions[].values"),
        **dict.fromkeys(_RUNNERS, "spec.selector.matchExpressions[].values"),
        "AppProject": "spec.sourceRepos",
        **dict.fromkeys(
            ("ClusterRole", "Role"),
            _of(
                ("rules[]",), "apiGroups", "nonResourceURLs", "resourceNames", "resources", "verbs"
            ),
        ),
        "ClusterSecretStore": "spec.conditions[].namespaces",
        "Ingress": "spec.tls[].hosts",
        "NetworkPolicy": "spec.policyTypes "
        + _of(_PEERS, "ipBlock.except")
        + " "
        + _of(_PEER_SELECTORS, "matchExpressions[].values"),
        "PersistentVolumeClaim": "spec.accessModes",
    },
    _LABELS: {
        _EVERY: "metadata.annotations metadata.labels",
        _POD: "metadata.annotations metadata.labels spec.nodeSelector "
        + _of(_POD_SELECTORS, "matchLabels"),
        **dict.fromkeys(_RUNNERS, "spec.selector.matchLabels"),
        "ConfigMap": "binaryData data",
        "NetworkPolicy": _of(_PEER_SELECTORS, "matchLabels"),
        "Secret": "data stringData",
        "Service": "spec.selector",
    },
    _NUMBER: {
        _POD: "spec.terminationGracePeriodSeconds",
        _CONTAINER: "ports[].containerPort "
        + _of(_PROBES, "failureThreshold", "initialDelaySeconds", "periodSeconds"),
        "Deployment": "spec.progressDeadlineSeconds spec.replicas",
        "HorizontalPodAutoscaler": "spec.maxReplicas! spec.minReplicas",
        "NetworkPolicy": "spec.ingress[].ports[].endPort spec.egress[].ports[].endPort",
        "Service": "spec.ports[].port",
        "StatefulSet": "spec.replicas",
    },
    _PORT: {
        _CONTAINER: _of(_PROBES, "grpc.port", "httpGet.port", "tcpSocket.port"),
        "NetworkPolicy": "spec.ingress[].ports[].port spec.egress[].ports[].port",
        "Service": "spec.ports[].targetPort",
    },
}
"""Fields by type and kind. `[]` marks lists of mappings, and `!` a field that must exist."""


def is_identified(item: object) -> bool:
    """Whether apiVersion, kind and name are non-empty strings."""
    if not isinstance(item, Mapping) or not isinstance(item.get("metadata"), Mapping):
        return False
    what = (item.get("apiVersion"), item.get("kind"), item["metadata"].get("name"))
    return all(isinstance(one, str) and one for one in what)


def malformed(item: Manifest) -> Iterator[str]:
    """A message for each field that is missing or of the wrong type: `spec is not a mapping`.

    Null counts as missing. It is never rendered: cdk8s and `merge` remove such a field.
    """
    yield from dict.fromkeys(_wrong(item, _tree(group(item), item["kind"]), ""))


@dataclass
class _Field:
    """The expected type of a field."""

    type: _Type | None = None
    is_required: bool = False
    """Whether the mapping that contains it must have it."""
    is_list: bool = False
    """Whether it is a list of mappings."""
    fields: dict[str, _Field] = field(default_factory=dict)
    """Fields of the mapping, or of each mapping in the list."""


@cache
def _tree(group: str, kind: str) -> dict[str, _Field]:
    """The checked fields of a kind."""
    root = _Field()
    _grow(root, _EVERY, kind)
    if (path := POD_TEMPLATES.get((group, kind))) is not None:
        template = root
        for step in path:
            template = template.fields.setdefault(step, _Field(_MAPPING))
        _grow(template, _POD)
        for name in _CONTAINERS:
            containers = template.fields["spec"].fields.setdefault(name, _Field(is_list=True))
            _grow(containers, _CONTAINER)
    return root.fields


def _grow(root: _Field, *rows: str) -> None:
    """Add the fields in some rows of the table."""
    for type_, paths in _FIELDS.items():
        for path in " ".join(paths.get(row, "") for row in rows).split():
            place = root
            for step in path.removesuffix("!").split("."):
                place = place.fields.setdefault(step.removesuffix("[]"), _Field())
                place.is_list = place.is_list or step.endswith("[]")
            place.type, place.is_required = type_, path.endswith("!")


def _wrong(content: Mapping[str, Any], fields: dict[str, _Field], path: str) -> Iterator[str]:
    for name, wanted in fields.items():
        found = content.get(name)
        if found is None:
            if wanted.is_required:
                yield f"{path}{name} is missing"
            continue
        if wanted.is_list:
            if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
                yield f"{path}{name} is not a list of mappings"
            else:
                for one in found:
                    yield from _wrong(one, wanted.fields, f"{path}{name}.")
        elif wanted.type and not wanted.type.fits(found):
            yield f"{path}{name} is not {wanted.type.name}"
        elif isinstance(found, dict):
            yield from _wrong(found, wanted.fields, f"{path}{name}.")
