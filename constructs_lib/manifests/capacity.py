"""Peak resource usage of namespaces, computed from manifests, and their quotas.

Handles any valid object, not only ours. Omitted fields count with the API server's defaults.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Any

from constructs_lib.errors import DeclarationError
from constructs_lib.manifests.objects import POD_TEMPLATES, Kind, at, group
from constructs_lib.model import Manifest
from constructs_lib.model.quantity import amount

Amounts = dict[str, Fraction]
"""Amount of each resource, in cores, bytes or a count."""

_NONE = Fraction(0)
_ALIASES = {name: f"requests.{name}" for name in ("cpu", "memory", "ephemeral-storage")}
_STORAGE = "requests.storage"


@dataclass
class _Defaults:
    """Settings of a namespace that affect its workloads."""

    requests: Amounts = field(default_factory=dict)
    """Default requests of containers, from a LimitRange."""
    limits: Amounts = field(default_factory=dict)
    """Default limits of containers, from a LimitRange."""
    scaled_to: dict[tuple[str, str], int] = field(default_factory=dict)
    """The `maxReplicas` of autoscalers, by kind and name of their target."""
    bounds_storage: bool = False
    """Whether a ResourceQuota limits `requests.storage`."""


def peak(objects: Iterable[Manifest]) -> dict[str, Amounts]:
    """The peak requests and limits of all workloads, by namespace.

    Assumes that every web service is in a rolling update with the old pods still terminating,
    every job runs, and every autoscaler is at its maximum. A DaemonSet counts as one pod, because
    the number of nodes is unknown. A CronJob counts as one run, even if its policy allows more; as
    two runs with the policy `Replace`; as none if suspended. `requests.storage` is omitted unless a
    quota limits it.

    Raises DeclarationError for an invalid quantity.
    """
    everything = list(objects)
    defaults = _defaults(everything)
    sums: dict[str, Amounts] = {}
    for item in everything:
        namespace = _namespace(item)
        with _located(item):
            used = _used(item, defaults[namespace])
        sums[namespace] = _plus(sums.get(namespace, {}), used)
    return {namespace: used for namespace, used in sums.items() if used}


def total(sums: Mapping[str, Mapping[str, Fraction]]) -> Amounts:
    """The sum over all namespaces, by resource."""
    result: Amounts = {}
    for each in sums.values():
        result = _plus(result, each)
    return result


def is_bytes(resource: str) -> bool:
    """Whether a resource such as `requests.memory` is measured in bytes."""
    if resource.startswith("count/") or resource.endswith("persistentvolumeclaims"):
        return False
    return any(word in resource for word in ("memory", "storage", "hugepages"))


def quotas(objects: Iterable[Manifest]) -> dict[str, Amounts]:
    """The ResourceQuotas by namespace, with the smallest limit of each resource.

    `cpu` and `memory` are listed as `requests.cpu` and `requests.memory`, which they are aliases
    for. Quotas with scopes apply only to some pods and are ignored.
    """
    bounds: dict[str, Amounts] = {}
    for item in objects:
        if _kind(item) != ("", "ResourceQuota"):
            continue
        own = bounds.setdefault(_namespace(item), {})
        spec = at(item, "spec")
        if spec.get("scopes") or spec.get("scopeSelector"):
            continue
        with _located(item):
            for name, limit in _amounts(spec.get("hard")).items():
                resource = _ALIASES.get(name, name)
                own[resource] = min(limit, own.get(resource, limit))
    return bounds


def pod_template(item: Manifest) -> Manifest | None:
    """The pod template of an object, or the Pod itself.

    None for other kinds, and for a workload that references an external template.
    """
    path = POD_TEMPLATES.get(_kind(item))
    if path is None:
        return None
    template = at(item, *path)
    return template if template.get("spec") else None


def _defaults(objects: list[Manifest]) -> Mapping[str, _Defaults]:
    found: dict[str, _Defaults] = defaultdict(_Defaults)
    for namespace, bounds in quotas(objects).items():
        found[namespace].bounds_storage = _STORAGE in bounds
    for item in objects:
        of_namespace = found[_namespace(item)]
        with _located(item):
            match _kind(item):
                case ("", "LimitRange"):
                    _apply_limit_range(item, of_namespace)
                case ("autoscaling", "HorizontalPodAutoscaler"):
                    target = at(item, "spec", "scaleTargetRef")
                    one = (target.get("kind", ""), target.get("name", ""))
                    most = _whole(at(item, "spec").get("maxReplicas"), 1)
                    of_namespace.scaled_to[one] = max(most, of_namespace.scaled_to.get(one, 0))
    return found


def _apply_limit_range(limit_range: Manifest, into: _Defaults) -> None:
    """Add the defaults of a LimitRange. The first default of a resource takes precedence."""
    for item in at(limit_range, "spec").get("limits") or ():
        if item.get("type") == "Container":
            limits = _amounts(item.get("max")) | _amounts(item.get("default"))
            requests = _amounts(item.get("min")) | limits | _amounts(item.get("defaultRequest"))
            into.limits = limits | into.limits
            into.requests = requests | into.requests


def _used(item: Manifest, defaults: _Defaults) -> Amounts:
    """The peak usage of one object with all its pods."""
    template = pod_template(item)
    pods = _peak_pods(item, defaults) if template else 0
    used: Amounts = {}
    if template:
        pod = {f"requests.{name}": value for name, value in _requests(template, defaults).items()}
        pod |= {f"limits.{name}": value for name, value in _limits(template, defaults).items()}
        used = {"pods": Fraction(pods)} | {name: value * pods for name, value in pod.items()}
    for spec, count in _claims(item, template, pods):
        storage = _amounts(at(spec, "resources", "requests")).get("storage", _NONE)
        claimed = {"persistentvolumeclaims": Fraction(count)}
        if defaults.bounds_storage:
            claimed[_STORAGE] = storage * count
        used = _plus(used, claimed)
    return used


def _claims(item: Manifest, template: Manifest | None, pods: int) -> Iterator[tuple[Manifest, int]]:
    """The specs of the volume claims of an object, with their number."""
    kind = _kind(item)
    if kind == ("", "PersistentVolumeClaim"):
        yield at(item, "spec"), 1
    if kind == ("apps", "StatefulSet"):
        for claim in at(item, "spec").get("volumeClaimTemplates") or ():
            yield at(claim, "spec"), pods
    for volume in at(template or {}, "spec").get("volumes") or ():
        if claim := at(volume, "ephemeral", "volumeClaimTemplate"):
            yield at(claim, "spec"), pods


def _peak_pods(item: Manifest, defaults: _Defaults) -> int:
    """The peak number of pods of an object, as described in `peak`."""
    spec = at(item, "spec")
    match _kind(item):
        case ("apps", "Deployment") | ("argoproj.io", "Rollout"):
            return _during_update(item, _replicas(item, defaults))
        case ("apps", "StatefulSet" | "ReplicaSet") | ("", "ReplicationController"):
            return _replicas(item, defaults)
        case ("batch", "Job"):
            return _job_pods(spec)
        case ("batch", "CronJob") if spec.get("suspend"):
            return 0
        case ("batch", "CronJob"):
            runs = 2 if spec.get("concurrencyPolicy") == "Replace" else 1
            return runs * _job_pods(at(spec, "jobTemplate", "spec"))
    return 1


def _replicas(item: Manifest, defaults: _Defaults) -> int:
    """Replicas of the autoscaler, if any. It does not scale a workload with 0 replicas."""
    own = _whole(at(item, "spec").get("replicas"), 1)
    one = (item["kind"], at(item, "metadata").get("name", ""))
    return defaults.scaled_to.get(one, own) if own else 0


def _during_update(item: Manifest, replicas: int) -> int:
    strategy = at(item, "spec", "strategy")
    rolling = strategy.get("rollingUpdate") or strategy.get("canary") or {}
    if not replicas or strategy.get("type") == "Recreate":
        return replicas
    if "blueGreen" in strategy:
        return 2 * replicas
    stated = rolling.get("maxSurge")
    surge = "25%" if stated is None else str(stated)
    number = amount(surge.removesuffix("%"))
    return 2 * replicas + ceil(number * replicas / 100 if surge.endswith("%") else number)


def _job_pods(spec: Manifest) -> int:
    """The pods of one run. `completions` may be lower than `parallelism`."""
    if spec.get("suspend"):
        return 0
    parallelism = _whole(spec.get("parallelism"), 1)
    return min(parallelism, _whole(spec.get("completions"), parallelism))


def _requests(template: Manifest, defaults: _Defaults) -> Amounts:
    """The effective requests of a pod."""
    pod = at(template, "spec")
    of_containers = _effective(pod, defaults, "requests")
    of_pod = _amounts(at(pod, "resources", "requests"))
    fallback = _amounts(at(pod, "resources", "limits"))
    return _plus(fallback | of_containers | of_pod, _amounts(pod.get("overhead")))


def _limits(template: Manifest, defaults: _Defaults) -> Amounts:
    """The effective limits of a pod. Overhead is added only to resources with a limit."""
    pod = at(template, "spec")
    limits = _effective(pod, defaults, "limits") | _amounts(at(pod, "resources", "limits"))
    overhead = _amounts(pod.get("overhead"))
    return _plus(limits, {name: value for name, value in overhead.items() if limits.get(name)})


def _effective(pod: Manifest, defaults: _Defaults, bound: str) -> Amounts:
    """The sum of the containers, or the largest init container if that is more.

    Sidecars (init containers with `restartPolicy: Always`) add to the containers after them.
    """
    running: Amounts = {}
    for container in pod.get("containers") or ():
        running = _plus(running, _bounds(container, defaults)[bound])
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in pod.get("initContainers") or ():
        total = _plus(sidecars, _bounds(container, defaults)[bound])
        starting = _most(starting, total)
        if container.get("restartPolicy") == "Always":
            sidecars = total
    return _most(_plus(running, sidecars), starting)


def _bounds(container: Manifest, defaults: _Defaults) -> dict[str, Amounts]:
    """Requests and limits with defaults. A missing request equals the limit, if one is set."""
    limits = _amounts(at(container, "resources", "limits"))
    requests = limits | _amounts(at(container, "resources", "requests"))
    return {"requests": defaults.requests | requests, "limits": defaults.limits | limits}


def _plus(one: Mapping[str, Fraction], other: Mapping[str, Fraction]) -> Amounts:
    return {name: one.get(name, _NONE) + other.get(name, _NONE) for name in [*one, *other]}


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, _NONE), other.get(name, _NONE)) for name in [*one, *other]}


def _amounts(quantities: Mapping[str, Any] | None) -> Amounts:
    stated = (quantities or {}).items()
    return {name: amount(text) for name, text in stated if text is not None}


def _whole(number: Any, default: int) -> int:
    return default if number is None else int(amount(number))


def _kind(item: Manifest) -> Kind:
    return group(item), item["kind"]


def _namespace(item: Manifest) -> str:
    return at(item, "metadata").get("namespace") or ""


@contextmanager
def _located(item: Manifest) -> Iterator[None]:
    """Add the object to the errors raised inside."""
    try:
        yield
    except DeclarationError as error:
        name = at(item, "metadata").get("name", "")
        place = "/".join(filter(None, (_namespace(item), name)))
        raise error.at(f"{item.get('kind')} {place}") from error
