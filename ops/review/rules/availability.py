"""`downtime` that no restart brings: workloads that stop, or that nothing holds up any more."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.manifests.objects import Objects
from constructs_lib.manifests.routes import scheme
from constructs_lib.manifests.workload import Update, Workload, behind, workloads
from constructs_lib.wording import plural
from ops.review.comparison import Comparison
from ops.review.model import Finding, Risk, Severity
from ops.review.routes import hosts_of, services_behind
from ops.review.wording import listed


def stopped(comparison: Comparison) -> Iterator[Finding]:
    """Replicas to zero."""
    for change in comparison.changed("Deployment", "StatefulSet"):
        before, after = Workload(change.before), Workload(change.after)
        if before.running and not after.running:
            text = f"stops: 0 pods instead of {before.running}"
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
            recreated = " (Recreate)" if after.update is Update.RECREATE else ""
            text = (
                f"from now on an update leaves {after.may_be_missing} of "
                f"{plural(after.running, 'pod')} missing{recreated}; before, "
                f"{before.may_be_missing or 'none'}"
            )
            yield Finding(Risk.DOWNTIME, Severity.MEDIUM, change.key, text, strategy)


def startup_probes(comparison: Comparison) -> Iterator[Finding]:
    """Time to start that is taken away. The other probes are rules of every synth."""
    for change in comparison.changed("Deployment", "StatefulSet", "DaemonSet"):
        former = Workload(change.before).named_containers
        for name, container in Workload(change.after).named_containers.items():
            if former.get(name, {}).get("startupProbe") and not container.get("startupProbe"):
                text = (
                    f"the startupProbe of container {name} is removed: a pod that is slow to start "
                    "is ended for it"
                )
                yield Finding(Risk.DOWNTIME, Severity.MEDIUM, change.key, text)


def single_replicas(comparison: Comparison) -> Iterator[Finding]:
    """One pod alone behind a host that the internet reaches."""
    for workload in workloads(comparison.after):
        hosts = _public_hosts(comparison.after, workload)
        former = comparison.before.objects.get(workload.key)
        stood = former and Workload(former).running == 1
        known = _public_hosts(comparison.before, Workload(former)) if former and stood else []
        if workload.running == 1 and hosts and hosts != known:
            text = f"one pod alone answers for {listed(hosts)}: whatever moves it is an outage"
            yield Finding(Risk.DOWNTIME, Severity.MEDIUM, workload.key, text)


def _public_hosts(snapshot: Objects, workload: Workload) -> list[str]:
    if not workload.serves:
        return []
    names = {
        service.name
        for service in snapshot.of_kinds("Service")
        if service.namespace == workload.namespace
        and any(one.key == workload.key for one in behind(snapshot, service))
    }
    return [
        host
        for ingress in snapshot.of_kinds("Ingress")
        if ingress.key.namespace == workload.key.namespace
        and scheme(ingress) == "internet-facing"
        and names & services_behind(ingress)
        for host in hosts_of(ingress)
    ]


RULES = (stopped, strategies, startup_probes, single_replicas)
