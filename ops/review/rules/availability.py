"""`restart` and `downtime`: which pods start again, how, and what stops or loses its support."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from constructs_lib.manifests.objects import Objects
from constructs_lib.manifests.routes import scheme
from constructs_lib.manifests.workload import Update, Workload, behind, workloads
from constructs_lib.wording import plural
from ops.review.diff import Comparison
from ops.review.fallback import is_known_field
from ops.review.model import TEMPLATE, Difference, Finding, Risk, Severity, spell
from ops.review.rules.exposure import hosts_of, services_behind
from ops.review.rules.secrets import changed_secrets
from ops.review.wording import listed


@dataclass(frozen=True, eq=False)
class Restart:
    """Why the pods of a workload start anew."""

    workload: Workload
    template: tuple[Difference, ...]
    """Where its pod template differs."""
    secrets: tuple[str, ...]
    """Secrets that change, and for which Reloader restarts it."""

    @cached_property
    def causes(self) -> dict[str, str]:
        """What differs in the template, in brief, by a text that is alike in other workloads."""
        causes = {}
        for each in self.template:
            path = each.path[len(TEMPLATE[self.workload.key.kind]) :]
            if path[:1] == ("spec",):
                path = path[1:]
            if path[0] in ("containers", "initContainers"):
                path = path[2:]  # the same in another container is the same
            alike = json.dumps([path, each.before, each.after], default=str, sort_keys=True)
            listed_item = len(path) > 1 and path[1].startswith("[")
            causes[alike] = spell(path[: 2 if listed_item else _STEPS.get(path[0], 1)])
        return causes


_STEPS = {"metadata": 3, "nodeSelector": 2, "resources": 3, "securityContext": 2}
"""How much of a path says what it is about, where one step does not."""


def restarts(comparison: Comparison) -> Iterator[Finding]:
    """Pods that start anew, those that only do because of what is shared, and those that are
    missing meanwhile.
    """
    found = list(_restarts(comparison))
    files: dict[str, set[str]] = defaultdict(set)
    for restart in found:
        for alike in restart.causes:
            files[alike].add(restart.workload.object.file)
    for restart in found:
        shared = bool(restart.causes) and all(len(files[alike]) > 1 for alike in restart.causes)
        yield Finding(
            Risk.RESTART,
            Severity.LOW,
            restart.workload.key,
            _why(restart, shared=shared),
            tuple(each for each in restart.template if _is_known(restart.workload, each)),
            restart.workload.running,
        )
        yield from _interruption(restart.workload)


def _is_known(workload: Workload, each: Difference) -> bool:
    return is_known_field(each.path[len(TEMPLATE[workload.key.kind]) :])


def _why(restart: Restart, *, shared: bool) -> str:
    causes = listed(list(dict.fromkeys(restart.causes.values())), 4)
    if shared:
        return f"restarts, only because a shared thing changes: {causes}"
    if causes:
        return f"restarts: {causes}"
    return f"restarts by Reloader: Secret {listed(restart.secrets)} changes"


def _interruption(workload: Workload) -> Iterator[Finding]:
    """Whether pods are missing while they start anew."""
    if workload.update is Update.RECREATE:
        text = "stops, and starts again (Recreate): no pod runs in between"
        yield Finding(Risk.DOWNTIME, Severity.MEDIUM, workload.key, text)
    elif missing := workload.may_be_missing:
        pods = plural(workload.running, "pod")
        text = f"while it rolls, {missing} of {pods} may be missing (maxUnavailable)"
        yield Finding(Risk.DOWNTIME, Severity.MEDIUM, workload.key, text)


def _restarts(comparison: Comparison) -> Iterator[Restart]:
    secrets = changed_secrets(comparison)
    for workload in workloads(comparison.after):
        if (
            workload.kind not in TEMPLATE
            or workload.key not in comparison.before.objects
            or not workload.running
        ):
            continue
        template = comparison.differences(workload.key, TEMPLATE[workload.key.kind])
        reloaded = tuple(
            name
            for namespace, name in secrets
            if namespace == workload.key.namespace and workload.reloads(name)
        )
        if (template or reloaded) and workload.update in (Update.ROLLING, Update.RECREATE):
            yield Restart(workload, template, reloaded)


def stopped(comparison: Comparison) -> Iterator[Finding]:
    """Replicas to zero."""
    for change, before, after in comparison.workloads("Deployment", "StatefulSet"):
        if before.running and not after.running:
            text = f"stops: 0 pods instead of {before.running}"
            differences = change.at("spec", "replicas")
            yield Finding(Risk.DOWNTIME, Severity.HIGH, change.key, text, differences)


def strategies(comparison: Comparison) -> Iterator[Finding]:
    """A way of updating that later lets pods be missing."""
    for change, before, after in comparison.workloads("Deployment", "StatefulSet", "DaemonSet"):
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
    for change, before, after in comparison.workloads("Deployment", "StatefulSet", "DaemonSet"):
        former = before.named_containers
        for name, container in after.named_containers.items():
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


RULES = (restarts, stopped, strategies, startup_probes, single_replicas)
