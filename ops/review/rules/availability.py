"""`downtime` that no restart brings: workloads that stop, or that nothing holds up any more."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from constructs_lib.wording import plural
from ops.review.comparison import Comparison
from ops.review.model import Finding, Object, Risk, Severity
from ops.review.objects import Snapshot
from ops.review.routes import hosts_of, scheme, services_behind
from ops.review.wording import listed
from ops.review.workloads import Rollout, Workload, selects, share, workloads

_PROBES = {
    "readinessProbe": "requests reach its pods before they can answer",
    "livenessProbe": "a pod that hangs is left hanging",
    "startupProbe": "a pod that is slow to start is ended for it",
}


def stopped(comparison: Comparison) -> Iterator[Finding]:
    """Replicas to zero."""
    for change in comparison.changed("Deployment", "StatefulSet"):
        before, after = Workload(change.before), Workload(change.after)
        if before.replicas and not after.replicas:
            text = f"stops: 0 pods instead of {before.replicas}"
            differences = change.at("spec", "replicas")
            yield Finding(Risk.DOWNTIME, Severity.HIGH, change.key, text, differences)


def strategies(comparison: Comparison) -> Iterator[Finding]:
    """A way of updating that later lets pods be missing."""
    for change in comparison.changed("Deployment", "StatefulSet", "DaemonSet"):
        before, after = Workload(change.before), Workload(change.after)
        strategy = comparison.differences(
            change.key, ("spec", "strategy"), ("spec", "updateStrategy")
        )
        if strategy and after.may_be_missing > before.may_be_missing:
            recreated = " (Recreate)" if after.rollout is Rollout.RECREATE else ""
            text = (
                f"from now on an update leaves {after.may_be_missing} of "
                f"{plural(after.replicas, 'pod')} missing{recreated}; before, "
                f"{before.may_be_missing or 'none'}"
            )
            yield Finding(Risk.DOWNTIME, Severity.MEDIUM, change.key, text, strategy)


def probes(comparison: Comparison) -> Iterator[Finding]:
    """Health checks that are removed."""
    for change in comparison.changed("Deployment", "StatefulSet", "DaemonSet"):
        former = Workload(change.before).containers
        for name, container in Workload(change.after).containers.items():
            for probe, consequence in _PROBES.items():
                if former.get(name, {}).get(probe) and not container.get(probe):
                    text = f"the {probe} of container {name} is removed: {consequence}"
                    yield Finding(Risk.DOWNTIME, Severity.MEDIUM, change.key, text)


def single_replicas(comparison: Comparison) -> Iterator[Finding]:
    """One pod alone behind a host that the internet reaches."""
    for workload in workloads(comparison.after):
        hosts = _public_hosts(comparison.after, workload)
        former = comparison.before.objects.get(workload.key)
        stood = former and Workload(former).replicas == 1
        known = _public_hosts(comparison.before, Workload(former)) if former and stood else []
        if workload.replicas == 1 and hosts and hosts != known:
            text = f"one pod alone answers for {listed(hosts)}: whatever moves it is an outage"
            yield Finding(Risk.DOWNTIME, Severity.MEDIUM, workload.key, text)


def _public_hosts(snapshot: Snapshot, workload: Workload) -> list[str]:
    if not workload.serves:
        return []
    names = {
        service.key.name
        for service in snapshot.of("Service")
        if service.key.namespace == workload.key.namespace and _answers(workload, service)
    }
    return [
        host
        for ingress in snapshot.of("Ingress")
        if ingress.key.namespace == workload.key.namespace
        and scheme(ingress) == "internet-facing"
        and names & services_behind(ingress)
        for host in hosts_of(ingress)
    ]


def _answers(workload: Workload, service: Object) -> bool:
    selector = service.spec.get("selector")
    return bool(selector) and selects({"matchLabels": selector}, workload.labels)


def _pods_behind(snapshot: Snapshot, service: Object) -> list[Workload]:
    return [
        workload
        for workload in workloads(snapshot)
        if workload.key.namespace == service.key.namespace and _answers(workload, service)
    ]


def empty_services(comparison: Comparison) -> Iterator[Finding]:
    """A Service that no pod answers for any more."""
    for service in comparison.after.of("Service"):
        former = comparison.before.objects.get(service.key)
        answered = former is None or _pods_behind(comparison.before, former)
        if (
            service.spec.get("selector")
            and answered
            and not _pods_behind(comparison.after, service)
        ):
            text = "no pod has the labels it selects: nobody answers"
            yield Finding(Risk.DOWNTIME, Severity.HIGH, service.key, text)


def disruption_budgets(comparison: Comparison) -> Iterator[Finding]:
    """A budget that now lets all pods be evicted at once."""
    for change in comparison.changed("PodDisruptionBudget"):
        for workload in workloads(comparison.after):
            own = workload.key.namespace == change.key.namespace and workload.serves
            if own and selects(change.after.spec.get("selector"), workload.labels):
                was, now = (_evictable(side, workload) for side in (change.before, change.after))
                if was < workload.replicas <= now:
                    pods = f"{plural(workload.replicas, 'pod')} of {workload.key.name}"
                    text = f"all {pods} may be evicted at once"
                    differences = change.at("spec")
                    yield Finding(Risk.DOWNTIME, Severity.MEDIUM, change.key, text, differences)


def _evictable(budget: Object, workload: Workload) -> int:
    if (most := budget.spec.get("maxUnavailable")) is not None:
        return share(most, workload.replicas, ceil)
    return workload.replicas - share(budget.spec.get("minAvailable", 1), workload.replicas, ceil)


RULES = (stopped, strategies, probes, single_replicas, empty_services, disruption_budgets)
