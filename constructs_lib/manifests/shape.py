"""Checks the types of the fields that other modules read: mappings, lists, strings, integers.

It is not a full schema; the API server checks much more. It catches broken JSON patches and
included files before the rules read them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from constructs_lib.manifests.kinds import POD_TEMPLATES, group
from constructs_lib.model import Manifest

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBED = "{0} {0}.exec {0}.grpc {0}.httpGet {0}.tcpSocket "
_HOOKED = "{0} {0}.exec {0}.httpGet {0}.sleep {0}.tcpSocket "
_CONTAINER = """
    {}[] {}[].env[] {}[].env[].valueFrom {}[].env[].valueFrom.secretKeyRef
    {}[].env[].valueFrom.configMapKeyRef {}[].envFrom[] {}[].envFrom[].secretRef
    {}[].envFrom[].configMapRef {}[].ports[] {}[].volumeMounts[] {}[].volumeDevices[]
    {}[].resources {}[].resources.requests {}[].resources.limits
    {}[].securityContext {}[].securityContext.capabilities {}[].securityContext.seccompProfile
    {}[].securityContext.appArmorProfile {}[].securityContext.seLinuxOptions
    {}[].securityContext.windowsOptions {}[].lifecycle
""" + "".join(
    form.format(f"{{}}[].{field}")
    for form, fields in (
        (_PROBED, _PROBES),
        (_HOOKED, ("lifecycle.preStop", "lifecycle.postStart")),
    )
    for field in fields
)
_CONTAINER_TEXTS = """
    {}[].name {}[].image {}[].imagePullPolicy {}[].env[].name {}[].env[].value
    {}[].env[].valueFrom.secretKeyRef.name {}[].env[].valueFrom.secretKeyRef.key
    {}[].envFrom[].secretRef.name {}[].envFrom[].configMapRef.name {}[].ports[].name
    {}[].ports[].protocol {}[].volumeMounts[].name {}[].volumeMounts[].mountPath
    {}[].securityContext.seccompProfile.type
"""
_CONTAINER_TEXT_LISTS = """
    {}[].args {}[].command {}[].securityContext.capabilities.add
    {}[].securityContext.capabilities.drop {}[].lifecycle.preStop.exec.command
"""
_CONTAINER_NUMBERS = "{}[].ports[].containerPort " + " ".join(
    f"{{}}[].{probe}.{field}"
    for probe in _PROBES
    for field in ("failureThreshold", "initialDelaySeconds", "periodSeconds")
)
_CONTAINER_PORTS = " ".join(
    f"{{}}[].{probe}.{check}.port" for probe in _PROBES for check in ("httpGet", "tcpSocket")
)


def _of_containers(paths: str) -> str:
    kinds = ("containers", "initContainers", "ephemeralContainers")
    return " ".join(paths.replace("{}", f"spec.{kind}") for kind in kinds)


_POD = f"""
    metadata spec spec.imagePullSecrets[] spec.affinity spec.hostAliases[] spec.tolerations[]
    spec.overhead spec.resources spec.resources.requests spec.resources.limits
    spec.securityContext spec.securityContext.seccompProfile spec.securityContext.seLinuxOptions
    spec.securityContext.appArmorProfile spec.securityContext.windowsOptions
    spec.securityContext.sysctls[] spec.topologySpreadConstraints[]
    spec.topologySpreadConstraints[].labelSelector
    spec.volumes[] spec.volumes[].secret spec.volumes[].configMap spec.volumes[].emptyDir
    spec.volumes[].hostPath spec.volumes[].persistentVolumeClaim spec.volumes[].projected
    spec.volumes[].projected.sources[] spec.volumes[].projected.sources[].secret
    spec.volumes[].projected.sources[].configMap {_of_containers(_CONTAINER)}
"""
_EVERY = "metadata spec"
_PEERS = "{0}[] {0}[].podSelector {0}[].namespaceSelector {0}[].ipBlock "
_STRUCTURES: Mapping[str, str] = {
    "AppProject": "spec.destinations[] spec.clusterResourceWhitelist[] "
    "spec.namespaceResourceWhitelist[]",
    "Application": "spec.source spec.source.directory spec.sources[] spec.sources[].directory "
    "spec.destination spec.syncPolicy spec.syncPolicy.automated",
    "ClusterSecretStore": "spec.conditions[] spec.provider spec.provider.aws "
    "spec.provider.aws.auth",
    "CronJob": "spec.jobTemplate spec.jobTemplate.spec spec.jobTemplate.spec.template",
    "DaemonSet": "spec.template spec.selector spec.updateStrategy",
    "Deployment": "spec.template spec.selector spec.strategy spec.strategy.rollingUpdate",
    "ExternalSecret": "spec.target spec.target.template spec.target.template.data spec.data[] "
    "spec.data[].remoteRef spec.dataFrom[] spec.dataFrom[].extract spec.secretStoreRef",
    "HorizontalPodAutoscaler": "spec.scaleTargetRef",
    "Ingress": "spec.rules[] spec.rules[].http spec.rules[].http.paths[] "
    "spec.rules[].http.paths[].backend spec.rules[].http.paths[].backend.service "
    "spec.rules[].http.paths[].backend.service.port spec.defaultBackend "
    "spec.defaultBackend.service spec.defaultBackend.service.port",
    "Job": "spec.template",
    "LimitRange": "spec.limits[] spec.limits[].default spec.limits[].defaultRequest",
    "NetworkPolicy": "spec.podSelector spec.ingress[] spec.ingress[].ports[] spec.egress[] "
    "spec.egress[].ports[] "
    + _PEERS.format("spec.ingress[].from")
    + _PEERS.format("spec.egress[].to"),
    "PersistentVolumeClaim": "spec.resources spec.resources.requests",
    "PodDisruptionBudget": "spec.selector",
    "ReplicaSet": "spec.template spec.selector",
    "ResourceQuota": "spec.hard",
    "Service": "spec.ports[]",
    "StatefulSet": "spec.template spec.selector spec.updateStrategy spec.volumeClaimTemplates[]",
}
"""Optional fields by kind that must be mappings or, with `[]`, lists of mappings."""
_TEXTS = "metadata.namespace"
_POD_TEXTS = f"""
    spec.imagePullSecrets[].name spec.serviceAccountName spec.volumes[].name
    spec.volumes[].secret.secretName spec.volumes[].configMap.name
    spec.volumes[].persistentVolumeClaim.claimName spec.securityContext.seccompProfile.type
    {_of_containers(_CONTAINER_TEXTS)}
"""
_TEXTS_OF: Mapping[str, str] = {
    "AppProject": "spec.destinations[].namespace spec.destinations[].server "
    "spec.clusterResourceWhitelist[].group spec.clusterResourceWhitelist[].kind "
    "spec.namespaceResourceWhitelist[].group spec.namespaceResourceWhitelist[].kind",
    "Application": "spec.project spec.source.path spec.source.repoURL "
    "spec.source.directory.include spec.source.directory.exclude spec.sources[].path "
    "spec.sources[].directory.include spec.sources[].directory.exclude",
    "CronJob": "spec.schedule",
    "ExternalSecret": "spec.data[].secretKey spec.data[].remoteRef.key spec.dataFrom[].extract.key "
    "spec.secretStoreRef.kind spec.secretStoreRef.name spec.target.name",
    "HorizontalPodAutoscaler": "spec.scaleTargetRef.kind spec.scaleTargetRef.name",
    "Ingress": "spec.rules[].host spec.rules[].http.paths[].path spec.ingressClassName "
    "spec.rules[].http.paths[].backend.service.name spec.defaultBackend.service.name",
    "NetworkPolicy": "spec.ingress[].ports[].protocol spec.egress[].ports[].protocol "
    "spec.ingress[].from[].ipBlock.cidr spec.egress[].to[].ipBlock.cidr",
    "Service": "spec.ports[].name spec.ports[].protocol spec.type",
}
"""Optional fields by kind that must be strings."""
_TEXT_LISTS: Mapping[str, str] = {
    "AppProject": "spec.sourceRepos",
    "ClusterSecretStore": "spec.conditions[].namespaces",
    "NetworkPolicy": "spec.policyTypes spec.ingress[].from[].ipBlock.except "
    "spec.egress[].to[].ipBlock.except",
}
"""Optional fields by kind that must be lists of strings."""
_TEXT_MAPS = "metadata.labels metadata.annotations"
_POD_TEXT_MAPS = f"""
    {_TEXT_MAPS} spec.nodeSelector spec.topologySpreadConstraints[].labelSelector.matchLabels
"""
_TEXT_MAPS_OF: Mapping[str, str] = {
    **dict.fromkeys(
        ("DaemonSet", "Deployment", "PodDisruptionBudget", "ReplicaSet", "StatefulSet"),
        "spec.selector.matchLabels",
    ),
    "NetworkPolicy": "spec.podSelector.matchLabels "
    + " ".join(
        f"spec.{peers}[].{selector}.matchLabels"
        for peers in ("ingress[].from", "egress[].to")
        for selector in ("podSelector", "namespaceSelector")
    ),
    "Service": "spec.selector",
}
"""Optional fields by kind that must be mappings of strings."""
_NUMBERS_OF: Mapping[str, str] = {
    "Deployment": "spec.replicas spec.progressDeadlineSeconds",
    "HorizontalPodAutoscaler": "spec.minReplicas spec.maxReplicas",
    "NetworkPolicy": "spec.ingress[].ports[].endPort spec.egress[].ports[].endPort",
    "Service": "spec.ports[].port",
    "StatefulSet": "spec.replicas",
}
"""Optional fields by kind that must be integers."""
_PORTS_OF: Mapping[str, str] = {
    "NetworkPolicy": "spec.ingress[].ports[].port spec.egress[].ports[].port",
    "Service": "spec.ports[].targetPort",
}
"""Optional fields by kind that must be integers or strings."""


def is_identified(item: object) -> bool:
    """Whether apiVersion, kind and name are non-empty strings."""
    if not isinstance(item, Mapping) or not isinstance(item.get("metadata"), Mapping):
        return False
    what = (item.get("apiVersion"), item.get("kind"), item["metadata"].get("name"))
    return all(isinstance(one, str) and one for one in what)


def malformed(item: Manifest) -> Iterator[str]:
    """A message for each field of the wrong type: `spec.template is not a mapping`.

    Null is a wrong type, too: in native objects, cdk8s has removed it.
    """
    yield from dict.fromkeys(_wrong(item, _tree(group(item), item["kind"]), ""))


class _Texts:
    """In place of a type: a list of strings."""


class _TextMap:
    """In place of a type: a mapping of strings."""


class _Port:
    """In place of a type: an integer or a string."""


@dataclass
class _Field:
    """The expected type of an optional field."""

    type: type | None = None
    is_list: bool = False
    """Whether it is a list of mappings."""
    fields: dict[str, _Field] = field(default_factory=dict)
    """Fields of the mapping, or of each mapping in the list."""


@cache
def _tree(group: str, kind: str) -> dict[str, _Field]:
    """The checked fields of a kind."""
    root = _Field()
    of_kind: tuple[tuple[type, str], ...] = (
        (Mapping, f"{_EVERY} {_STRUCTURES.get(kind, '')}"),
        (str, f"{_TEXTS} {_TEXTS_OF.get(kind, '')}"),
        (_Texts, _TEXT_LISTS.get(kind, "")),
        (_TextMap, f"{_TEXT_MAPS} {_TEXT_MAPS_OF.get(kind, '')}"),
        (int, _NUMBERS_OF.get(kind, "")),
        (_Port, _PORTS_OF.get(kind, "")),
    )
    for expected, paths in of_kind:
        _grow(root, paths, expected)
    if (path := POD_TEMPLATES.get((group, kind))) is not None:
        template = root
        for step in path:
            template = template.fields.setdefault(step, _Field(Mapping))
        for expected, paths in _OF_PODS:
            _grow(template, paths, expected)
    return root.fields


_OF_PODS: tuple[tuple[type, str], ...] = (
    (Mapping, _POD),
    (str, _POD_TEXTS),
    (_Texts, _of_containers(_CONTAINER_TEXT_LISTS)),
    (_TextMap, _POD_TEXT_MAPS),
    (int, f"spec.terminationGracePeriodSeconds {_of_containers(_CONTAINER_NUMBERS)}"),
    (_Port, _of_containers(_CONTAINER_PORTS)),
)


def _grow(root: _Field, paths: str, expected: type) -> None:
    for path in paths.split():
        place = root
        for step in path.split("."):
            place = place.fields.setdefault(step.removesuffix("[]"), _Field())
            place.is_list = place.is_list or step.endswith("[]")
        place.type = expected


def _wrong(content: Mapping[str, Any], fields: dict[str, _Field], path: str) -> Iterator[str]:
    for name, wanted in fields.items():
        if name not in content:
            continue
        found = content[name]
        if found is None:
            yield f"{path}{name} is null; remove it"
            continue
        if wanted.is_list:
            if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
                yield f"{path}{name} is not a list of mappings"
                continue
            if wanted.fields:
                for one in found:
                    yield from _wrong(one, wanted.fields, f"{path}{name}.")
        elif wanted.type and not _fits(found, wanted.type):
            yield f"{path}{name} is not {_CALLED[wanted.type]}"
        elif wanted.fields and isinstance(found, dict):
            yield from _wrong(found, wanted.fields, f"{path}{name}.")


def _fits(value: object, expected: type) -> bool:
    if expected is _Texts:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if expected is _TextMap:
        return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
    if expected in (int, _Port) and isinstance(value, bool):
        return False
    return isinstance(value, (int, str) if expected is _Port else expected)


_CALLED: Mapping[type, str] = {
    Mapping: "a mapping",
    _Texts: "a list of strings",
    _TextMap: "a mapping of strings",
    _Port: "an integer or a string",
    int: "an integer",
    str: "a string",
}
