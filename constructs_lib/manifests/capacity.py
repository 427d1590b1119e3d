"""Peak resource usage of namespaces, computed from manifests, and their quotas.

Handles any valid object, not only ours. Omitted fields count with the API server's defaults.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from math import ceil
from typing import Any

from constructs_lib.errors import DeclarationError
from constructs_lib.manifests.objects import Object, Objects, at, once_per_objects
from constructs_lib.manifests.workload import Workload, share, workloads
from constructs_lib.model import Manifest
from constructs_lib.model.quantity import amount

Amounts = dict[str, Fraction]
"""Amount of each resource, in cores, bytes or a count."""
Bounds = dict[str, Amounts]
"""`requests` and `limits`."""

_NONE = Fraction(0)
_ALIASES = {name: f"requests.{name}" for name in ("cpu", "memory", "ephemeral-storage")}
_STORAGE = "requests.storage"


@once_per_objects
def peak(objects: Objects) -> dict[str, Amounts]:
    """The peak requests and limits of all workloads, by namespace.

    Assumes that every web service is in a rolling update with the old pods still terminating,
    every job runs, and every autoscaler is at its maximum. A DaemonSet counts as one pod, because
    the number of nodes is unknown. A CronJob counts as one run, even if its policy allows more; as
    two runs with the policy `Replace`; as none if suspended. `requests.storage` is omitted unless a
    quota limits it.

    Raises DeclarationError for an invalid quantity.
    """
    defaults, limited = _defaults(objects), quotas(objects)
    pods = {workload.object: workload for workload in workloads(objects)}
    sums: dict[str, Amounts] = {}
    for item in objects:
        with _located(item):
            used = _used(item, pods.get(item), defaults[item.namespace])
        if _STORAGE not in limited.get(item.namespace, ()):
            used.pop(_STORAGE, None)
        sums[item.namespace] = _plus(sums.get(item.namespace, {}), used)
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


@once_per_objects
def quotas(objects: Objects) -> dict[str, Amounts]:
    """The ResourceQuotas by namespace, with the smallest limit of each resource.

    `cpu` and `memory` are listed as `requests.cpu` and `requests.memory`, which they are aliases
    for. Quotas with scopes apply only to some pods and are ignored.
    """
    bounds: dict[str, Amounts] = {}
    for item in objects.of_kinds("ResourceQuota"):
        own = bounds.setdefault(item.namespace, {})
        if item.spec.get("scopes") or item.spec.get("scopeSelector"):
            continue
        with _located(item):
            for name, limit in _amounts(item.spec.get("hard")).items():
                resource = _ALIASES.get(name, name)
                own[resource] = min(limit, own.get(resource, limit))
    return bounds


def _defaults(objects: Objects) -> Mapping[str, Bounds]:
    """The default requests and limits of containers in each namespace, from its LimitRanges.

    The first default of a resource takes precedence.
    """
    found: dict[str, Bounds] = defaultdict(lambda: {"requests": {}, "limits": {}})
    for item in objects.of_kinds("LimitRange"):
        defaults = found[item.namespace]
        with _located(item):
            for limit in item.spec.get("limits") or ():
                if limit.get("type") == "Container":
                    limits = _amounts(limit.get("max")) | _amounts(limit.get("default"))
                    requests = _amounts(limit.get("min")) | limits
                    requests |= _amounts(limit.get("defaultRequest"))
                    defaults["limits"] = limits | defaults["limits"]
                    defaults["requests"] = requests | defaults["requests"]
    return found


def _used(item: Object, workload: Workload | None, defaults: Bounds) -> Amounts:
    """The peak usage of one object with all its pods."""
    pods = _peak_pods(workload) if workload else 0
    used: Amounts = {}
    if workload:
        pod = {f"requests.{name}": value for name, value in _requests(workload, defaults).items()}
        pod |= {f"limits.{name}": value for name, value in _limits(workload, defaults).items()}
        used = {"pods": Fraction(pods)} | {name: value * pods for name, value in pod.items()}
    for spec, count in _claims(item, workload, pods):
        storage = _amounts(at(spec, "resources", "requests")).get("storage", _NONE)
        claimed = {"persistentvolumeclaims": Fraction(count), _STORAGE: storage * count}
        used = _plus(used, claimed)
    return used


def _claims(item: Object, workload: Workload | None, pods: int) -> Iterator[tuple[Manifest, int]]:
    """The specs of the volume claims of an object, with their number."""
    if item.key.group == "" and item.kind == "PersistentVolumeClaim":
        yield item.spec, 1
    if workload and workload.kind == "StatefulSet":
        for claim in item.spec.get("volumeClaimTemplates") or ():
            yield at(claim, "spec"), pods
    for volume in workload.volumes if workload else ():
        if claim := at(volume, "ephemeral", "volumeClaimTemplate"):
            yield at(claim, "spec"), pods


def _peak_pods(workload: Workload) -> int:
    """The peak number of pods of a workload, as described in `peak`."""
    spec = workload.object.spec
    match workload.kind:
        case "Job":
            return _job_pods(spec)
        case "CronJob":
            runs = 2 if spec.get("concurrencyPolicy") == "Replace" else 1
            return 0 if spec.get("suspend") else runs * _job_pods(at(spec, "jobTemplate", "spec"))
        case "Deployment" | "Rollout":
            return _during_update(workload)
    return workload.replicas[1] if workload.replicas else 1


def _during_update(workload: Workload) -> int:
    _, replicas = workload.replicas or (0, 0)
    strategy = at(workload.object.spec, "strategy")
    rolling = strategy.get("rollingUpdate") or strategy.get("canary") or {}
    if not replicas or strategy.get("type") == "Recreate":
        return replicas
    if "blueGreen" in strategy:
        return 2 * replicas
    return 2 * replicas + share(rolling.get("maxSurge", "25%"), replicas, ceil)


def _job_pods(spec: Manifest) -> int:
    """The pods of one run. `completions` may be lower than `parallelism`."""
    if spec.get("suspend"):
        return 0
    parallelism = _whole(spec.get("parallelism"), 1)
    return min(parallelism, _whole(spec.get("completions"), parallelism))


def _requests(workload: Workload, defaults: Bounds) -> Amounts:
    """The effective requests of a pod."""
    pod = workload.pod
    of_containers = _effective(pod, defaults, "requests")
    of_pod = _amounts(at(pod, "resources", "requests"))
    fallback = _amounts(at(pod, "resources", "limits"))
    return _plus(fallback | of_containers | of_pod, _amounts(pod.get("overhead")))


def _limits(workload: Workload, defaults: Bounds) -> Amounts:
    """The effective limits of a pod. Overhead is added only to resources with a limit."""
    pod = workload.pod
    limits = _effective(pod, defaults, "limits") | _amounts(at(pod, "resources", "limits"))
    overhead = _amounts(pod.get("overhead"))
    return _plus(limits, {name: value for name, value in overhead.items() if limits.get(name)})


def _effective(pod: Manifest, defaults: Bounds, bound: str) -> Amounts:
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


def _bounds(container: Manifest, defaults: Bounds) -> Bounds:
    """Requests and limits with defaults. A missing request equals the limit, if one is set."""
    limits = _amounts(at(container, "resources", "limits"))
    requests = limits | _amounts(at(container, "resources", "requests"))
    return {"requests": defaults["requests"] | requests, "limits": defaults["limits"] | limits}


def _plus(one: Mapping[str, Fraction], other: Mapping[str, Fraction]) -> Amounts:
    return {name: one.get(name, _NONE) + other.get(name, _NONE) for name in [*one, *other]}


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, _NONE), other.get(name, _NONE)) for name in [*one, *other]}


def _amounts(quantities: Mapping[str, Any] | None) -> Amounts:
    stated = (quantities or {}).items()
    return {name: amount(text) for name, text in stated if text is not None}


def _whole(number: Any, default: int) -> int:
    return default if number is None else int(amount(number))


@contextmanager
def _located(item: Object) -> Iterator[None]:
    """Add the object to the errors raised inside."""
    try:
        yield
    except DeclarationError as error:
        raise error.at(item.key) from error
