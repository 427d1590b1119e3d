"""How many pods of a workload updates and node drains stop at once.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#strategy and
https://kubernetes.io/docs/tasks/run-application/configure-pdb/ document the fields.
"""

from collections import defaultdict
from collections.abc import Mapping
from math import ceil, inf

from constructs_lib.manifests.facts import Reading, Readings, fact
from constructs_lib.manifests.objects import Key, Object, Objects, once_per_objects
from constructs_lib.manifests.workload import WORKLOADS, Update, Workload, selected, share
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
def _budgets(objects: Objects) -> Mapping[Key, dict[Key, Object]]:
    """The disruption budgets of each workload. Without a selector, a budget selects no pods."""
    found: dict[Key, dict[Key, Object]] = defaultdict(dict)
    for budget in objects.of_kinds("PodDisruptionBudget"):
        if (selector := budget.spec.get("selector")) is not None:
            for workload in selected(objects, budget.namespace, selector):
                found[workload.key][budget.key] = budget
    return found


def _evictable(budget: Object, pods: int) -> int:
    """The number of pods that a budget allows to be evicted at once."""
    if (most := budget.spec.get("maxUnavailable")) is not None:
        return share(most, pods, ceil)
    return pods - share(budget.spec.get("minAvailable"), pods, ceil, default=1)


@fact(*WORKLOADS, risk="downtime", source="PodDisruptionBudget")
def pods_evicted_together(workload: Workload, objects: Objects) -> Readings:
    """Node drains stop as many pods of a workload at once as its disruption budgets allow."""
    own, pods = tuple(_budgets(objects).get(workload.key, {}).values()), workload.running
    if not workload.serves or not workload.replicas or not pods:  # drains ignore DaemonSets
        return
    part, nodes = ("", "the nodes of its pods") if pods > 1 else ("its only pod", "its node")
    allowed = min((_evictable(budget, pods) for budget in own), default=pods)
    if len(own) > 1 or allowed < 1:
        why = ": the API server evicts no pod with two budgets" if len(own) > 1 else ""
        yield Reading(f"blocks drains of {nodes}{why}", "", inf, "high", part, own)
    elif pods == 1:
        yield Reading("node drains may stop it", part=part, about=own)
    else:
        level = "high" if allowed >= pods else "medium"
        number = _of(allowed, pods)
        yield Reading("node drains may stop {} at once", number, allowed / pods, level, part, own)


def _of(number: int, pods: int) -> str:
    return "all of its pods" if number >= pods else plural(number, "pod")
