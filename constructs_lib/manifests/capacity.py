"""Peak resource usage of namespaces, computed from manifests, and their quotas.

Handles any valid object, not only ours. Omitted fields count with the API server's defaults.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import chain
from math import ceil
from typing import Any

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
    """
    limited = quotas(objects)
    used: dict[str, list[Amounts]] = {item.namespace: [] for item in objects}
    for item, amounts in _uses(objects):
        used[item.namespace].append(amounts)
    sums = {namespace: _sum(*amounts) for namespace, amounts in used.items() if amounts}
    for namespace, amounts in sums.items():
        if _STORAGE not in limited.get(namespace, ()):
            amounts.pop(_STORAGE, None)
    return sums


def largest(objects: Objects, namespace: str, resource: str) -> Object:
    """The workload or claim that uses the largest part of a resource of a namespace at peak."""
    uses = [use for use in _uses(objects) if use[0].namespace == namespace]
    return max(uses, key=lambda use: use[1].get(resource, _NONE))[0]


def _uses(objects: Objects) -> Iterator[tuple[Object, Amounts]]:
    """The peak usage of each workload and claim."""
    defaults = _defaults(objects)
    for workload in workloads(objects):
        yield workload, _used(workload, defaults[workload.namespace])
    for claim in objects.of_kinds("PersistentVolumeClaim"):
        yield claim, _claimed(claim.spec, 1)


def total(sums: Mapping[str, Amounts]) -> Amounts:
    """The sum over all namespaces, by resource."""
    return _sum(*sums.values())


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
        for name, limit in _amounts(item.spec.get("hard")).items():
            resource = _ALIASES.get(name, name)
            own[resource] = min(limit, own.get(resource, limit))
    return bounds


def _defaults(objects: Objects) -> Mapping[str, Bounds]:
    """The default requests and limits of containers in each namespace, from its LimitRanges.

    The first default of a resource takes precedence.
    """
    found: dict[str, Bounds] = defaultdict(lambda: {"requests": {}, "limits": {}})
    for namespace, limit in container_limits(objects):
        defaults = found[namespace]
        limits = _amounts(limit.get("max")) | _amounts(limit.get("default"))
        requests = _amounts(limit.get("min")) | limits | _amounts(limit.get("defaultRequest"))
        defaults["limits"] = limits | defaults["limits"]
        defaults["requests"] = requests | defaults["requests"]
    return found


def container_limits(objects: Objects) -> Iterator[tuple[str, Manifest]]:
    """What the LimitRanges state for containers, with the namespace."""
    for item in objects.of_kinds("LimitRange"):
        for limit in item.spec.get("limits") or ():
            if limit.get("type") == "Container":
                yield item.namespace, limit


def _used(workload: Workload, defaults: Bounds) -> Amounts:
    """The peak usage of a workload with all its pods."""
    pod, pods = workload.pod, _peak_pods(workload)
    of_pod = {bound: _amounts(at(pod, "resources", bound)) for bound in defaults}
    effective = {bound: _effective(pod, defaults, bound) for bound in defaults}
    overhead = _amounts(pod.get("overhead"))
    limits = effective["limits"] | of_pod["limits"]
    bounds = {
        "requests": _sum(of_pod["limits"] | effective["requests"] | of_pod["requests"], overhead),
        # overhead is added only to resources with a limit
        "limits": _sum(limits, {name: n for name, n in overhead.items() if limits.get(name)}),
    }
    used = {"pods": Fraction(pods)}
    for bound, amounts in bounds.items():
        used |= {f"{bound}.{name}": value * pods for name, value in amounts.items()}
    ephemeral = (at(volume, "ephemeral", "volumeClaimTemplate") for volume in workload.volumes)
    claims = list(filter(None, ephemeral))
    if workload.kind == "StatefulSet":
        claims += workload.spec.get("volumeClaimTemplates") or ()
    return _sum(used, *(_claimed(at(claim, "spec"), pods) for claim in claims))


def _claimed(spec: Manifest, count: int) -> Amounts:
    """The usage of a number of claims with the same spec."""
    storage = _amounts(at(spec, "resources", "requests")).get("storage", _NONE)
    return {"persistentvolumeclaims": Fraction(count), _STORAGE: storage * count}


def _peak_pods(workload: Workload) -> int:
    """The peak number of pods of a workload, as described in `peak`."""
    spec = workload.spec
    match workload.kind:
        case "Job":
            return _job_pods(spec)
        case "CronJob":
            runs = 2 if spec.get("concurrencyPolicy") == "Replace" else 1
            return 0 if spec.get("suspend") else runs * _job_pods(at(spec, "jobTemplate", "spec"))
    replicas = workload.replicas[1] if workload.replicas else 1
    strategy = at(spec, "strategy")
    if workload.kind not in ("Deployment", "Rollout") or strategy.get("type") == "Recreate":
        return replicas
    if not replicas or "blueGreen" in strategy:
        return 2 * replicas
    rolling = strategy.get("rollingUpdate") or strategy.get("canary") or {}
    return 2 * replicas + share(rolling.get("maxSurge"), replicas, ceil)


def _job_pods(spec: Manifest) -> int:
    """The pods of one run. `completions` may be lower than `parallelism`."""
    if spec.get("suspend"):
        return 0
    parallelism = _whole(spec.get("parallelism"), 1)
    return min(parallelism, _whole(spec.get("completions"), parallelism))


def _effective(pod: Manifest, defaults: Bounds, bound: str) -> Amounts:
    """The sum of the containers, or the largest init container if that is more.

    Sidecars (init containers with `restartPolicy: Always`) add to the containers after them.
    """
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in pod.get("initContainers") or ():
        running = _sum(sidecars, _of_container(container, defaults, bound))
        starting = _most(starting, running)
        if container.get("restartPolicy") == "Always":
            sidecars = running
    containers = pod.get("containers") or ()
    running = _sum(*(_of_container(container, defaults, bound) for container in containers))
    return _most(_sum(running, sidecars), starting)


def _of_container(container: Manifest, defaults: Bounds, bound: str) -> Amounts:
    """Its requests or limits with defaults. A missing request equals the limit, if one is set."""
    stated = _amounts(at(container, "resources", "limits"))
    if bound == "requests":
        stated |= _amounts(at(container, "resources", "requests"))
    return defaults[bound] | stated


def _sum(*amounts: Amounts) -> Amounts:
    result: Amounts = {}
    for name, value in chain.from_iterable(map(dict.items, amounts)):
        result[name] = result.get(name, _NONE) + value
    return result


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, _NONE), other.get(name, _NONE)) for name in [*one, *other]}


def _amounts(quantities: Mapping[str, Any] | None) -> Amounts:
    return {name: amount(text) for name, text in (quantities or {}).items()}


def _whole(number: Any, default: int) -> int:
    return default if number is None else int(amount(number))
