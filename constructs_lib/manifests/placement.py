"""Facts about the nodes of pods: which of them fit, and when they stop.

The scheduler's rules: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/
The notice of two minutes:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
"""

from __future__ import annotations

from collections.abc import Iterable

from constructs_lib.manifests.facts import Reading, Readings, fact
from constructs_lib.manifests.objects import Objects, at
from constructs_lib.manifests.workload import WORKLOADS, Update, Workload
from constructs_lib.model import Manifest

_NAME = "metadata.name"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_CAPACITY = ("karpenter.sh/capacity-type", "eks.amazonaws.com/capacityType")
"""The labels of nodes that Karpenter or EKS sets to the kind of capacity: spot, on-demand, …."""
_TOLERATION = ("key", "operator", "value", "effect", "tolerationSeconds")
_ANY_VALUE = frozenset("*")
"""In place of the values of a requirement that does not list them."""


class Requirements(dict[str, frozenset[str]]):
    """The values that the labels of a node must have; fewer nodes fit if it is greater."""

    @classmethod
    def of(cls, pod: Manifest) -> Requirements:
        """What a pod spec requires: node selector, required node affinity, name and system."""
        chosen = {
            _NAME: pod.get("nodeName"),
            "kubernetes.io/os": at(pod, "os").get("name"),
            **at(pod, "nodeSelector"),
        }
        stated = {label: frozenset([value]) for label, value in chosen.items() if value}
        found = cls(stated.items() - {("kubernetes.io/os", frozenset(["linux"]))})  # every node
        affinity = at(pod, "affinity", "nodeAffinity").get(_REQUIRED) or {}
        ways = [
            [*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ())]
            for term in affinity.get("nodeSelectorTerms") or ()
        ]
        if len(ways) == 1 and ways[0]:
            return found._and(ways[0])
        if ways:  # one without expressions matches no node
            either = " or ".join(sorted(str(cls()._and(way)) for way in ways if way))
            found[either or "the node affinity"] = _ANY_VALUE if either else frozenset()
        return found

    def _and(self, expressions: Iterable[Manifest]) -> Requirements:
        for expression in sorted(expressions, key=lambda each: each["operator"] != "In"):
            label, operator = expression["key"], expression["operator"]
            values = frozenset(map(str, expression.get("values") or ()))
            if operator == "In":
                self[label] = self.get(label, values) & values
            elif label in self and operator in ("NotIn", "DoesNotExist"):
                self[label] -= values or self[label]
            elif operator != "Exists" or label not in self:
                text = " ".join([label, operator, ", ".join(sorted(values))])
                self[text.rstrip()] = _ANY_VALUE
        return self

    def __le__(self, other: Requirements) -> bool:
        return all(label in other and other[label] <= self[label] for label in self)

    def __str__(self) -> str:
        texts = (
            label if values == _ANY_VALUE else f"{label}={' or '.join(sorted(values))}"
            for label, values in sorted(self.items())
        )
        return " and ".join(texts)


@fact(*WORKLOADS, risk="downtime")
def nodes_that_fit(workload: Workload, _: Objects) -> Readings:
    """Pods that fit on fewer nodes, or only on one, may stay Pending."""
    required = Requirements.of(workload.pod)
    if empty := [label for label, values in required.items() if not values]:
        says = "its pods fit on no node: no value of {} meets all requirements"
        yield Reading(says, ", ".join(empty), required, "high")
    else:
        where = f"only on nodes with {required}" if required else "on nodes with any labels"
        level = "high" if _NAME in required else "medium"
        yield Reading("its pods fit {}", where, required, level)


@fact(*WORKLOADS, risk="downtime")
def tolerated_taints(workload: Workload, _: Objects) -> Readings:
    """Taints keep pods off nodes, or end them there, unless they tolerate these taints."""
    found = [{"operator": "Equal"} | one for one in workload.pod.get("tolerations") or ()]
    for state in ("not-ready", "unreachable"):  # DefaultTolerationSeconds of the API server
        taint = {"key": f"node.kubernetes.io/{state}", "effect": "NoExecute"}
        if not any(taint.items() <= (taint | one).items() for one in found):
            found.append(taint | {"operator": "Exists", "tolerationSeconds": 300})
    taints = sorted(" ".join(str(one[of]) for of in _TOLERATION if of in one) for one in found)
    yield Reading("its pods can run on nodes with the taints {}", "; ".join(taints), None)


@fact(*WORKLOADS, risk="downtime")
def interruptible_nodes(workload: Workload, _: Objects) -> Readings:
    """AWS takes spot nodes back with a notice of two minutes, which stops their pods."""
    required = Requirements.of(workload.pod)
    values = {value.lower() for label in _CAPACITY for value in required.get(label, ())}
    stated = (text.partition(" NotIn ") for text in required if " or " not in text)
    excluded = any(label in _CAPACITY and "spot" in text.lower() for label, _, text in stated)
    if values == {"spot"}:
        says, badness = "runs only on spot nodes, which AWS stops with a notice of two minutes", 2
    elif excluded or (values and "spot" not in values):
        says, badness = "does not run on spot nodes", 0
    else:
        says, badness = "may run on spot nodes, if there are any", 1
    level = "high" if workload.update is Update.RECREATE else "medium"
    yield Reading(says, "", badness, level)
