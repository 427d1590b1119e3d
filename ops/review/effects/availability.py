"""`restart` and `downtime`: which pods restart, and what is interrupted or stops."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from constructs_lib.manifests.objects import Objects
from constructs_lib.manifests.routes import scheme
from constructs_lib.manifests.workload import Update, Workload, behind, workloads
from constructs_lib.model.text import plural
from ops.review.diff import Comparison
from ops.review.effects.exposure import services_behind
from ops.review.effects.paths import hosts_of
from ops.review.effects.secrets import changed_secrets
from ops.review.fallback import is_known_field
from ops.review.model import TEMPLATE, Difference, Finding, Risk, Severity, effect, spell
from ops.review.wording import listed


@dataclass(frozen=True, eq=False)
class Restart:
    """Why the pods of a workload restart."""

    workload: Workload
    template: tuple[Difference, ...]
    """Differences of its pod template."""
    secrets: tuple[str, ...]
    """Changed Secrets for which Reloader restarts it."""

    @cached_property
    def causes(self) -> dict[str, str]:
        """Short names of the template's differences, by a key that is the same in all workloads."""
        causes = {}
        for each in self.template:
            path = each.path[len(TEMPLATE[self.workload.key.kind]) :]
            if path[:1] == ("spec",):
                path = path[1:]
            if path[0] in ("containers", "initContainers"):
                path = path[2:]  # the container does not matter
            cause = json.dumps([path, each.before, each.after], default=str, sort_keys=True)
            is_item = len(path) > 1 and path[1].startswith("[")
            causes[cause] = spell(path[: 2 if is_item else _STEPS.get(path[0], 1)])
        return causes


_STEPS = {"metadata": 3, "nodeSelector": 2, "resources": 3, "securityContext": 2}
"""How many steps of a path name a cause, if more than one."""


@effect("pods-restart")
def pods_restart(comparison: Comparison) -> Iterator[Finding]:
    """Pods are replaced: their template changes, or Reloader restarts them for a new Secret."""
    found = list(_restarts(comparison))
    files: dict[str, set[str]] = defaultdict(set)
    for restart in found:
        for cause in restart.causes:
            files[cause].add(restart.workload.object.file)
    for restart in found:
        shared = bool(restart.causes) and all(len(files[cause]) > 1 for cause in restart.causes)
        yield Finding(
            Risk.RESTART,
            Severity.LOW,
            restart.workload.key,
            _why(restart, shared=shared),
            tuple(each for each in restart.template if _is_known(restart.workload, each)),
            restart.workload.running,
        )


def _is_known(workload: Workload, each: Difference) -> bool:
    return is_known_field(each.path[len(TEMPLATE[workload.key.kind]) :])


def _why(restart: Restart, *, shared: bool) -> str:
    causes = listed(list(dict.fromkeys(restart.causes.values())), 4)
    if shared:
        return f"restarts only because of a shared change: {causes}"
    if causes:
        return f"restarts, because its pod template changes: {causes}"
    return f"Reloader restarts it, because Secret {listed(restart.secrets)} changes"


@effect("pods-unavailable")
def pods_unavailable(comparison: Comparison) -> Iterator[Finding]:
    """While its pods restart, a workload has fewer of them, or none."""
    for workload in (restart.workload for restart in _restarts(comparison)):
        if workload.update is Update.RECREATE:
            text = "all pods stop before new ones start (Recreate): brief downtime"
            yield Finding(Risk.DOWNTIME, Severity.MEDIUM, workload.key, text)
        elif missing := workload.may_be_missing:
            pods = plural(workload.running, "pod")
            text = f"up to {missing} of {pods} are unavailable during the update (maxUnavailable)"
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


@effect("workload-stopped")
def workload_stopped(comparison: Comparison) -> Iterator[Finding]:
    """A workload that is scaled to zero does nothing."""
    for change, before, after in comparison.workloads("Deployment", "StatefulSet"):
        if before.running and not after.running:
            text = f"stops: scaled from {before.running} to 0 pods"
            differences = change.at("spec", "replicas")
            yield Finding(Risk.DOWNTIME, Severity.HIGH, change.key, text, differences)


@effect("updates-interrupt")
def updates_interrupt(comparison: Comparison) -> Iterator[Finding]:
    """With another update strategy, later updates make more pods unavailable."""
    for change, before, after in comparison.workloads("Deployment", "StatefulSet", "DaemonSet"):
        strategy = comparison.differences(
            change.key, ("spec", "strategy"), ("spec", "updateStrategy")
        )
        if strategy and after.may_be_missing > before.may_be_missing:
            recreated = " (Recreate)" if after.update is Update.RECREATE else ""
            text = (
                f"future updates make up to {after.may_be_missing} of "
                f"{plural(after.running, 'pod')} unavailable{recreated} "
                f"(before: {before.may_be_missing})"
            )
            yield Finding(Risk.DOWNTIME, Severity.MEDIUM, change.key, text, strategy)


@effect("startup-probe-removed")
def startup_probe_removed(comparison: Comparison) -> Iterator[Finding]:
    """The liveness probe can restart a container before it has started."""
    for change, before, after in comparison.workloads("Deployment", "StatefulSet", "DaemonSet"):
        former = before.named_containers
        for name, container in after.named_containers.items():
            if former.get(name, {}).get("startupProbe") and not container.get("startupProbe"):
                text = (
                    f"container {name} loses its startupProbe: the kubelet may restart it while "
                    "it is still starting"
                )
                yield Finding(Risk.DOWNTIME, Severity.MEDIUM, change.key, text)


@effect("single-pod-serves-host")
def single_pod_serves_host(comparison: Comparison) -> Iterator[Finding]:
    """An internet-facing host that depends on one pod is unreachable without it."""
    for workload in workloads(comparison.after):
        hosts = _public_hosts(comparison.after, workload)
        former = comparison.before.objects.get(workload.key)
        was_single = former and Workload(former).running == 1
        known = _public_hosts(comparison.before, Workload(former)) if former and was_single else []
        if workload.running == 1 and hosts and hosts != known:
            text = f"only one pod serves {listed(hosts)}: a node drain causes an outage"
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
