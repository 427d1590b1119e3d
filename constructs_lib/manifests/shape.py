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

_CONTAINER = """
    {}[] {}[].env[] {}[].env[].valueFrom {}[].env[].valueFrom.secretKeyRef
    {}[].envFrom[] {}[].envFrom[].secretRef {}[].ports[] {}[].volumeMounts[]
    {}[].resources {}[].resources.requests {}[].resources.limits
"""
_POD = """
    metadata metadata.labels metadata.annotations spec spec.nodeSelector spec.imagePullSecrets[]
    spec.overhead spec.resources spec.resources.requests spec.resources.limits
    spec.volumes[] spec.volumes[].secret spec.volumes[].projected
    spec.volumes[].projected.sources[] spec.volumes[].projected.sources[].secret
""" + "".join(_CONTAINER.replace("{}", f"spec.{kind}") for kind in ("containers", "initContainers"))
_EVERY = "metadata metadata.labels metadata.annotations spec"
_STRUCTURES: Mapping[str, str] = {
    "AppProject": "spec.destinations[] spec.clusterResourceWhitelist[] "
    "spec.namespaceResourceWhitelist[]",
    "Application": "spec.source spec.source.directory",
    "CronJob": "spec.jobTemplate spec.jobTemplate.spec spec.jobTemplate.spec.template",
    "DaemonSet": "spec.template spec.selector spec.selector.matchLabels spec.updateStrategy",
    "Deployment": "spec.template spec.selector spec.selector.matchLabels spec.strategy "
    "spec.strategy.rollingUpdate",
    "ExternalSecret": "spec.target spec.target.template spec.target.template.data spec.data[] "
    "spec.data[].remoteRef spec.dataFrom[] spec.dataFrom[].extract",
    "HorizontalPodAutoscaler": "spec.scaleTargetRef",
    "Ingress": "spec.rules[] spec.rules[].http spec.rules[].http.paths[] "
    "spec.rules[].http.paths[].backend spec.rules[].http.paths[].backend.service "
    "spec.rules[].http.paths[].backend.service.port spec.defaultBackend",
    "Job": "spec.template",
    "LimitRange": "spec.limits[] spec.limits[].default spec.limits[].defaultRequest",
    "ResourceQuota": "spec.hard",
    "Service": "spec.ports[] spec.selector",
    "StatefulSet": "spec.template spec.selector spec.selector.matchLabels spec.updateStrategy "
    "spec.volumeClaimTemplates[]",
}
"""Optional fields by kind that must be mappings or, with `[]`, lists of mappings."""
_TEXTS = "metadata.namespace"
_POD_TEXTS = """
    spec.containers[].name spec.containers[].image
    spec.initContainers[].name spec.initContainers[].image spec.imagePullSecrets[].name
"""
_TEXTS_OF: Mapping[str, str] = {
    "CronJob": "spec.schedule",
    "ExternalSecret": "spec.data[].secretKey spec.data[].remoteRef.key spec.dataFrom[].extract.key",
    "Ingress": "spec.rules[].host",
}
"""Optional fields by kind that must be strings."""
_NUMBERS_OF: Mapping[str, str] = {
    "Deployment": "spec.replicas spec.progressDeadlineSeconds",
    "HorizontalPodAutoscaler": "spec.minReplicas spec.maxReplicas",
    "StatefulSet": "spec.replicas",
}
"""Optional fields by kind that must be integers."""
_POD_NUMBERS = """
    spec.terminationGracePeriodSeconds spec.containers[].ports[].containerPort
    spec.initContainers[].ports[].containerPort
"""


def is_identified(item: object) -> bool:
    """Whether apiVersion, kind and name are non-empty strings."""
    if not isinstance(item, Mapping) or not isinstance(item.get("metadata"), Mapping):
        return False
    what = (item.get("apiVersion"), item.get("kind"), item["metadata"].get("name"))
    return all(isinstance(one, str) and one for one in what)


def malformed(item: Manifest) -> Iterator[str]:
    """A message for each field of the wrong type: `spec.template is not a mapping`."""
    yield from dict.fromkeys(_wrong(item, _tree(group(item), item["kind"]), ""))


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
    _grow(root, f"{_EVERY} {_STRUCTURES.get(kind, '')}", Mapping)
    _grow(root, f"{_TEXTS} {_TEXTS_OF.get(kind, '')}", str)
    _grow(root, _NUMBERS_OF.get(kind, ""), int)
    if (path := POD_TEMPLATES.get((group, kind))) is not None:
        template = root
        for step in path:
            template = template.fields.setdefault(step, _Field(Mapping))
        _grow(template, _POD, Mapping)
        _grow(template, _POD_TEXTS, str)
        _grow(template, _POD_NUMBERS, int)
    return root.fields


def _grow(root: _Field, paths: str, expected: type) -> None:
    for path in paths.split():
        place = root
        for step in path.split("."):
            place = place.fields.setdefault(step.removesuffix("[]"), _Field())
            place.is_list = place.is_list or step.endswith("[]")
        place.type = expected


def _wrong(content: Mapping[str, Any], fields: dict[str, _Field], path: str) -> Iterator[str]:
    for name, wanted in fields.items():
        found = content.get(name)
        if found is None:
            continue
        if wanted.is_list:
            if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
                yield f"{path}{name} is not a list of mappings"
                continue
            if wanted.fields:
                for one in found:
                    yield from _wrong(one, wanted.fields, f"{path}{name}.")
        elif wanted.type and not isinstance(found, wanted.type):
            yield f"{path}{name} is not {_CALLED[wanted.type]}"
        elif wanted.fields and isinstance(found, dict):
            yield from _wrong(found, wanted.fields, f"{path}{name}.")


_CALLED: Mapping[type, str] = {Mapping: "a mapping", str: "a string", int: "an integer"}
