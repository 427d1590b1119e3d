"""How many pods of a workload updates and node drains stop at once.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#strategy and
https://kubernetes.io/docs/tasks/run-application/configure-pdb/ document the fields.
"""

from collections import defaultdict
from collections.abc import Mapping
from math import ceil, inf

from constructs_lib.manifests.facts import Reading, Readings, fact
from constructs_lib.manifests.objects import Key, Object, Objects, once_per_objects
from constructs_lib.manifests.workload import Update, Workload, selected, share, workloads
from constructs_lib.model.text import plural


@fact("Deployment", risk="downtime")
def updates_interrupt(workload: Workload, _: Objects) -> Readings:
    """With another update strategy, later updates make more pods unavailable."""
    missing, pods = workload.may_be_missing, workload.running
    if workload.update is Update.RECREATE:
        yield Reading("updates stop all of its pods before they start new ones", badness=None)
    elif missing:
        yield Reading("updates may stop {} at once", _of(missing, pods), missing / pods)
    elif pods:
        yield Reading("updates start {} before they stop others", plural(workload.surge, "pod"))


@once_per_objects
def budgets(objects: Objects) -> Mapping[Key, dict[Key, Object]]:
    """The disruption budgets of each workload."""
    found: dict[Key, dict[Key, Object]] = defaultdict(dict)
    for budget in objects.of_kinds("PodDisruptionBudget"):
        for workload in guarded(objects, budget):
            found[workload.key][budget.key] = budget
    return found


def guarded(objects: Objects, budget: Object) -> list[Workload]:
    """The workloads whose pods a budget selects. Without a selector, it selects none."""
    selector = budget.spec.get("selector")
    return [] if selector is None else selected(objects, budget.namespace, selector)


def evictable(budget: Object, pods: int) -> int:
    """The number of pods that a budget allows to be evicted at once."""
    if (most := budget.spec.get("maxUnavailable")) is not None:
        return share(most, pods, ceil)
    return pods - share(budget.spec.get("minAvailable"), pods, ceil, default=1)


@once_per_objects
def evictions(objects: Objects) -> Mapping[Key, Reading]:
    """How many pods node drains may stop at once, of each workload with several pods."""
    several = {one.key: one.running for one in workloads(objects) if one.running > 1}
    return {key: _eviction(budgets(objects).get(key, {}), pods) for key, pods in several.items()}


def _eviction(own: Mapping[Key, Object], pods: int) -> Reading:
    allowed = min((evictable(budget, pods) for budget in own.values()), default=pods)
    if len(own) > 1 or allowed < 1:  # the API server does not evict a pod with two budgets
        return Reading("blocks drains of the nodes of its pods", badness=inf, level="high")
    level = "high" if allowed >= pods else "medium"
    return Reading("node drains may stop {} at once", _of(allowed, pods), allowed / pods, level)


def _of(number: int, pods: int) -> str:
    return "all of its pods" if number >= pods else plural(number, "pod")
