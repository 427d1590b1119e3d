"""What the pods of a namespace ask for, summed up from manifests, and its quota beside it.

It reads every object that Kubernetes takes, not only ours: what is left out counts as the API
server fills it in.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from math import ceil
from typing import Any

from constructs_lib.errors import DeclarationError
from constructs_lib.manifests.kinds import POD_TEMPLATES, Kind, group
from constructs_lib.model import Manifest
from constructs_lib.quantity import amount

Amounts = dict[str, Fraction]
"""How much of each resource, in cores, bytes or a count."""

_NONE = Fraction(0)
_ALIASES = {name: f"requests.{name}" for name in ("cpu", "memory", "ephemeral-storage")}
_STORAGE = "requests.storage"
_QUANTITY = re.compile(
    r"\+?(?P<number>\d+\.?\d*|\.\d+)(?:(?P<power>[eE][+-]?\d{1,2})|(?P<suffix>[numkMGTPE]|[KMGTPE]i)?)"
)
_FINE = {"n": Fraction(1, 10**9), "u": Fraction(1, 10**6)}


@dataclass
class _Surroundings:
    """What the other objects of a namespace decide for its workloads."""

    requests: Amounts = field(default_factory=dict)
    """Of a container that states none, from a LimitRange."""
    limits: Amounts = field(default_factory=dict)
    """Likewise."""
    scaled_to: dict[tuple[str, str], int] = field(default_factory=dict)
    """By kind and name, the most replicas that an autoscaler makes."""
    bounds_storage: bool = False
    """Whether a ResourceQuota bounds `requests.storage`."""


def peak(objects: Iterable[Manifest]) -> dict[str, Amounts]:
    """By namespace, what all workloads ask for at the worst moment.

    That is a rolling update of every web service, with the old pods still ending, while every
    job runs, and with every autoscaler at its maximum. A DaemonSet counts as one pod, because
    the number of nodes is not known here. A CronJob counts as one run, although its policy may
    allow more; as two if a run replaces one that is still ending; and not at all if suspended.
    `requests.storage` is left out where no quota bounds it.

    Raises DeclarationError, naming the object, for a quantity that Kubernetes cannot read.
    """
    everything = list(objects)
    surroundings = _surroundings(everything)
    sums: dict[str, Amounts] = {}
    for item in everything:
        namespace = _namespace(item)
        with _blaming(item):
            asked = _asked(item, surroundings[namespace])
        sums[namespace] = _plus(sums.get(namespace, {}), asked)
    return {namespace: asked for namespace, asked in sums.items() if asked}


def total(sums: Mapping[str, Mapping[str, Fraction]]) -> Amounts:
    """What all namespaces ask for together, by resource."""
    together: Amounts = {}
    for each in sums.values():
        together = _plus(together, each)
    return together


def is_bytes(resource: str) -> bool:
    """Whether a resource, `requests.memory` or the like, is counted in bytes."""
    if resource.startswith("count/") or resource.endswith("persistentvolumeclaims"):
        return False
    return any(word in resource for word in ("memory", "storage", "hugepages"))


def quotas(objects: Iterable[Manifest]) -> dict[str, Amounts]:
    """By namespace, what its ResourceQuotas allow: the smallest bound of each resource.

    `cpu` and `memory` are listed as the `requests.cpu` and `requests.memory` that they mean. A
    quota with scopes bounds only some pods, and is left out.
    """
    bounds: dict[str, Amounts] = {}
    for item in objects:
        if _kind(item) != ("", "ResourceQuota"):
            continue
        own = bounds.setdefault(_namespace(item), {})
        spec = _at(item, "spec")
        if spec.get("scopes") or spec.get("scopeSelector"):
            continue
        with _blaming(item):
            for name, limit in _amounts(spec.get("hard")).items():
                resource = _ALIASES.get(name, name)
                own[resource] = min(limit, own.get(resource, limit))
    return bounds


def pod_template(item: Manifest) -> Manifest | None:
    """What holds the `spec` of an object's pods: its pod template, or a Pod itself.

    None for any other kind, and for a workload that takes its template from elsewhere.
    """
    path = POD_TEMPLATES.get(_kind(item))
    if path is None:
        return None
    template = _at(item, *path)
    return template if template.get("spec") else None


def _surroundings(objects: list[Manifest]) -> Mapping[str, _Surroundings]:
    found: dict[str, _Surroundings] = defaultdict(_Surroundings)
    for namespace, bounds in quotas(objects).items():
        found[namespace].bounds_storage = _STORAGE in bounds
    for item in objects:
        of_namespace = found[_namespace(item)]
        with _blaming(item):
            match _kind(item):
                case ("", "LimitRange"):
                    _take_defaults(item, of_namespace)
                case ("autoscaling", "HorizontalPodAutoscaler"):
                    target = _at(item, "spec", "scaleTargetRef")
                    one = (target.get("kind", ""), target.get("name", ""))
                    most = _whole(_at(item, "spec").get("maxReplicas"), 1)
                    of_namespace.scaled_to[one] = max(most, of_namespace.scaled_to.get(one, 0))
    return found


def _take_defaults(limit_range: Manifest, into: _Surroundings) -> None:
    """What a LimitRange gives to containers; of several, the first to name a resource wins."""
    for item in _at(limit_range, "spec").get("limits") or ():
        if item.get("type") == "Container":
            limits = _amounts(item.get("max")) | _amounts(item.get("default"))
            requests = _amounts(item.get("min")) | limits | _amounts(item.get("defaultRequest"))
            into.limits = limits | into.limits
            into.requests = requests | into.requests


def _asked(item: Manifest, around: _Surroundings) -> Amounts:
    """What one object asks for, all its pods together."""
    template = pod_template(item)
    pods = _pods_at_once(item, around) if template else 0
    asked: Amounts = {}
    if template:
        pod = {f"requests.{name}": value for name, value in _requests(template, around).items()}
        pod |= {f"limits.{name}": value for name, value in _limits(template, around).items()}
        asked = {"pods": Fraction(pods)} | {name: value * pods for name, value in pod.items()}
    for spec, count in _claims(item, template, pods):
        storage = _amounts(_at(spec, "resources", "requests")).get("storage", _NONE)
        claimed = {"persistentvolumeclaims": Fraction(count)}
        if around.bounds_storage:
            claimed[_STORAGE] = storage * count
        asked = _plus(asked, claimed)
    return asked


def _claims(item: Manifest, template: Manifest | None, pods: int) -> Iterator[tuple[Manifest, int]]:
    """The specs of the volume claims that an object is or makes, and how many of each."""
    kind = _kind(item)
    if kind == ("", "PersistentVolumeClaim"):
        yield _at(item, "spec"), 1
    if kind == ("apps", "StatefulSet"):
        for claim in _at(item, "spec").get("volumeClaimTemplates") or ():
            yield _at(claim, "spec"), pods
    for volume in _at(template or {}, "spec").get("volumes") or ():
        if claim := _at(volume, "ephemeral", "volumeClaimTemplate"):
            yield _at(claim, "spec"), pods


def _pods_at_once(item: Manifest, around: _Surroundings) -> int:
    """How many pods of an object there are at the worst moment; `peak` says how it counts."""
    spec = _at(item, "spec")
    match _kind(item):
        case ("apps", "Deployment") | ("argoproj.io", "Rollout"):
            return _while_updating(item, _replicas(item, around))
        case ("apps", "StatefulSet" | "ReplicaSet") | ("", "ReplicationController"):
            return _replicas(item, around)
        case ("batch", "Job"):
            return _of_job(spec)
        case ("batch", "CronJob") if spec.get("suspend"):
            return 0
        case ("batch", "CronJob"):
            runs = 2 if spec.get("concurrencyPolicy") == "Replace" else 1
            return runs * _of_job(_at(spec, "jobTemplate", "spec"))
    return 1


def _replicas(item: Manifest, around: _Surroundings) -> int:
    """Those of its autoscaler, which leaves a workload of 0 replicas alone, or its own."""
    own = _whole(_at(item, "spec").get("replicas"), 1)
    one = (item["kind"], _at(item, "metadata").get("name", ""))
    return around.scaled_to.get(one, own) if own else 0


def _while_updating(item: Manifest, replicas: int) -> int:
    strategy = _at(item, "spec", "strategy")
    rolling = strategy.get("rollingUpdate") or strategy.get("canary") or {}
    if not replicas or strategy.get("type") == "Recreate":
        return replicas
    if "blueGreen" in strategy:
        return 2 * replicas
    stated = rolling.get("maxSurge")
    surge = "25%" if stated is None else str(stated)
    number = quantity(surge.removesuffix("%"))
    return 2 * replicas + ceil(number * replicas / 100 if surge.endswith("%") else number)


def _of_job(spec: Manifest) -> int:
    """The pods of one run, whose `completions` may be fewer than its `parallelism`."""
    if spec.get("suspend"):
        return 0
    parallelism = _whole(spec.get("parallelism"), 1)
    return min(parallelism, _whole(spec.get("completions"), parallelism))


def _requests(template: Manifest, around: _Surroundings) -> Amounts:
    """What the scheduler sets aside for a pod."""
    pod = _at(template, "spec")
    of_containers = _effective(pod, around, "requests")
    of_pod = _amounts(_at(pod, "resources", "requests"))
    fallback = _amounts(_at(pod, "resources", "limits"))
    return _plus(fallback | of_containers | of_pod, _amounts(pod.get("overhead")))


def _limits(template: Manifest, around: _Surroundings) -> Amounts:
    """What a pod may use. Its overhead adds only to what is limited."""
    pod = _at(template, "spec")
    limits = _effective(pod, around, "limits") | _amounts(_at(pod, "resources", "limits"))
    overhead = _amounts(pod.get("overhead"))
    return _plus(limits, {name: value for name, value in overhead.items() if limits.get(name)})


def _effective(pod: Manifest, around: _Surroundings, bound: str) -> Amounts:
    """What its containers need together, or one that runs before them, whichever is larger.

    A sidecar, an init container that restarts always, runs beside those that start after it.
    """
    running: Amounts = {}
    for container in pod.get("containers") or ():
        running = _plus(running, _bounds(container, around)[bound])
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in pod.get("initContainers") or ():
        together = _plus(sidecars, _bounds(container, around)[bound])
        starting = _most(starting, together)
        if container.get("restartPolicy") == "Always":
            sidecars = together
    return _most(_plus(running, sidecars), starting)


def _bounds(container: Manifest, around: _Surroundings) -> dict[str, Amounts]:
    """What a container states, completed: a request is its limit before it is a default."""
    limits = _amounts(_at(container, "resources", "limits"))
    requests = limits | _amounts(_at(container, "resources", "requests"))
    return {"requests": around.requests | requests, "limits": around.limits | limits}


def _plus(one: Mapping[str, Fraction], other: Mapping[str, Fraction]) -> Amounts:
    return {name: one.get(name, _NONE) + other.get(name, _NONE) for name in [*one, *other]}


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, _NONE), other.get(name, _NONE)) for name in [*one, *other]}


def _amounts(quantities: Mapping[str, Any] | None) -> Amounts:
    stated = (quantities or {}).items()
    return {name: quantity(text) for name, text in stated if text is not None}


def quantity(value: Any) -> Fraction:
    """Any quantity that Kubernetes reads: ours, numbers, and forms such as `1e3`, `.5` or `5n`.

    Raises DeclarationError for anything else.
    """
    return _quantity(str(value))


@cache
def _quantity(text: str) -> Fraction:
    match = _QUANTITY.fullmatch(text)
    if not match:
        raise DeclarationError(f"{text!r} is not a quantity; write it as 250m, 2 or 512Mi")
    suffix = match["suffix"] or ""
    return Fraction(match["number"] + (match["power"] or "")) * (
        _FINE.get(suffix) or amount(f"1{suffix}")
    )


def _whole(number: Any, default: int) -> int:
    return default if number is None else int(quantity(number))


def _kind(item: Manifest) -> Kind:
    return group(item), item["kind"]


def _namespace(item: Manifest) -> str:
    return _at(item, "metadata").get("namespace") or ""


def _at(item: Manifest, *path: str) -> Manifest:
    """The mapping at a path; an empty one where nothing is."""
    found: Manifest = item
    for step in path:
        found = found.get(step) or {}
    return found


@contextmanager
def _blaming(item: Manifest) -> Iterator[None]:
    """Name the object in a refusal of what it holds."""
    try:
        yield
    except DeclarationError as error:
        name = _at(item, "metadata").get("name", "")
        place = "/".join(filter(None, (_namespace(item), name)))
        raise error.at(f"{item.get('kind')} {place}") from error
