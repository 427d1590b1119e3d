"""Whether an object has the shape that its readers rely on: mappings, lists and texts in place.

Not a schema: the API server's own checks go much further. It is what a JSON patch or an included
file must not break before anything else can be said of the object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
"""By kind, what must be a mapping, and with `[]` a list of mappings, if it is there at all."""
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
"""By kind, what must be text if it is there."""
_NUMBERS_OF: Mapping[str, str] = {
    "Deployment": "spec.replicas spec.progressDeadlineSeconds",
    "HorizontalPodAutoscaler": "spec.minReplicas spec.maxReplicas",
    "StatefulSet": "spec.replicas",
}
"""By kind, what must be a whole number if it is there."""
_POD_NUMBERS = """
    spec.terminationGracePeriodSeconds spec.containers[].ports[].containerPort
    spec.initContainers[].ports[].containerPort
"""


def is_identified(item: object) -> bool:
    """Whether something is an object: its apiVersion, kind and name are texts."""
    if not isinstance(item, Mapping) or not isinstance(item.get("metadata"), Mapping):
        return False
    what = (item.get("apiVersion"), item.get("kind"), item["metadata"].get("name"))
    return all(isinstance(one, str) and one for one in what)


def malformed(item: Manifest) -> Iterator[str]:
    """What is not where or what it should be, a sentence each: `spec.template is not a mapping`."""
    kind = item["kind"]
    found = [
        *_wrong(item, f"{_EVERY} {_STRUCTURES.get(kind, '')}", Mapping),
        *_wrong(item, f"{_TEXTS} {_TEXTS_OF.get(kind, '')}", str),
        *_wrong(item, _NUMBERS_OF.get(kind, ""), int),
    ]
    path = POD_TEMPLATES.get((group(item), kind))
    if path is not None and not found:
        template: Any = item
        for step in path:
            template = (template or {}).get(step) or {}
        prefix = "".join(f"{step}." for step in path)
        found += [f"{prefix}{one}" for one in _wrong(template, _POD, Mapping)]
        found += [f"{prefix}{one}" for one in _wrong(template, _POD_TEXTS, str)]
        found += [f"{prefix}{one}" for one in _wrong(template, _POD_NUMBERS, int)]
    yield from found


def _wrong(item: Any, paths: str, kind: type) -> Iterator[str]:
    for path, steps in _steps(paths):
        if not all(isinstance(one, kind) for one in _values(item, steps)):
            expected = "a list of mappings" if path.endswith("[]") else _CALLED[kind]
            yield f"{path.replace('[]', '')} is not {expected}"


_CALLED: Mapping[type, str] = {Mapping: "a mapping", str: "text", int: "a whole number"}


@cache
def _steps(paths: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(path, tuple(path.split("."))) for path in paths.split()]


def _values(item: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    """What is at a path; nothing where a part of it is missing or has a wrong shape itself."""
    if not steps:
        yield item
    elif isinstance(item, Mapping) and (found := item.get(steps[0].removesuffix("[]"))) is not None:
        if not steps[0].endswith("[]"):
            yield from _values(found, steps[1:])
        elif isinstance(found, list):
            for one in found:
                yield from _values(one, steps[1:])
        elif len(steps) == 1:
            yield found if not isinstance(found, Mapping) else None
