"""`restart` and `downtime`: which pods restart, what stops, and what a release job holds up."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from constructs_lib.manifests.argocd import FINGERPRINT, needs, release_phases, releases, waiting
from constructs_lib.manifests.network import backends, scheme
from constructs_lib.manifests.objects import Key, Objects
from constructs_lib.manifests.references import secret_of
from constructs_lib.manifests.workload import Update, Workload, behind, workloads
from constructs_lib.model.text import plural
from ops.review.diff import Comparison
from ops.review.effects.exposure import hosts_of
from ops.review.effects.removal import CONTROLLERS
from ops.review.effects.secrets import changed_secrets
from ops.review.fallback import is_known_field
from ops.review.model import HIGH, LOW, MEDIUM, TEMPLATE, Difference, Finding, Risk, effect, spell
from ops.review.wording import listed

_STEPS = {"metadata": 3, "nodeSelector": 2, "resources": 3, "securityContext": 2}
"""How many steps of a path name a cause, if more than one."""


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
        for difference in self.template:
            path = difference.path[len(TEMPLATE[self.workload.kind]) :]
            if path[:1] == ("spec",):
                path = path[1:]
            if path[0] in ("containers", "initContainers"):
                path = path[2:]  # the container does not matter
            values = [path, difference.before, difference.after]
            is_item = len(path) > 1 and path[1].startswith("[")
            name = spell(path[: 2 if is_item else _STEPS.get(path[0], 1)])
            causes[json.dumps(values, default=str, sort_keys=True)] = name
        return causes


def _restarts(comparison: Comparison) -> Iterator[Restart]:
    secrets = changed_secrets(comparison)
    for workload in workloads(comparison.after):
        if (
            workload.update in (Update.ROLLING, Update.RECREATE)
            and workload.running
            and workload.key in comparison.before.objects
        ):
            template = comparison.differences(workload.key, TEMPLATE[workload.kind])
            reloaded = [
                secret
                for namespace, secret in secrets
                if namespace == workload.namespace and workload.reloads(secret)
            ]
            if template or reloaded:
                yield Restart(workload, template, tuple(reloaded))


@effect
def pods_restart(comparison: Comparison) -> Iterator[Finding]:
    """Pods are replaced: their template changes, or Reloader restarts them for a new Secret."""
    restarts = list(_restarts(comparison))
    files: dict[str, set[str]] = defaultdict(set)
    for restart in restarts:
        for cause in restart.causes:
            files[cause].add(restart.workload.file)
    for restart in restarts:
        workload, causes = restart.workload, restart.causes
        named = listed(list(dict.fromkeys(causes.values())), 4)
        if causes and all(len(files[cause]) > 1 for cause in causes):
            text = f"restarts only because of a shared change: {named}"
        elif causes:
            text = f"restarts, because its pod template changes: {named}"
        else:
            text = f"Reloader restarts it, because Secret {listed(restart.secrets)} changes"
        start = len(TEMPLATE[workload.kind])
        known = tuple(d for d in restart.template if is_known_field(d.path[start:]))
        yield Finding(Risk.RESTART, LOW, workload.key, text, known, workload.running)


@effect
def pods_unavailable(comparison: Comparison) -> Iterator[Finding]:
    """While its pods restart, a workload has fewer of them, or none."""
    for workload in (restart.workload for restart in _restarts(comparison)):
        if workload.update is Update.RECREATE:
            text = "all pods stop before new ones start (Recreate): brief downtime"
            yield Finding(Risk.DOWNTIME, MEDIUM, workload.key, text)
        elif missing := workload.may_be_missing:
            pods = plural(workload.running, "pod")
            text = f"up to {missing} of {pods} are unavailable during the update (maxUnavailable)"
            yield Finding(Risk.DOWNTIME, MEDIUM, workload.key, text)


@effect
def workload_stopped(comparison: Comparison) -> Iterator[Finding]:
    """A workload that is scaled to zero does nothing."""
    for change, before, after in comparison.workloads("Deployment", "StatefulSet"):
        if before.running and not after.running:
            text = f"stops: scaled from {before.running} to 0 pods"
            differences = change.at("spec", "replicas")
            yield Finding(Risk.DOWNTIME, HIGH, change.key, text, differences)


@effect
def updates_interrupt(comparison: Comparison) -> Iterator[Finding]:
    """With another update strategy, later updates make more pods unavailable."""
    for change, before, after in comparison.workloads(*CONTROLLERS):
        strategy = (*change.at("spec", "strategy"), *change.at("spec", "updateStrategy"))
        if strategy and after.may_be_missing > before.may_be_missing:
            recreated = " (Recreate)" if after.update is Update.RECREATE else ""
            text = (
                f"future updates make up to {after.may_be_missing} of "
                f"{plural(after.running, 'pod')} unavailable{recreated} "
                f"(before: {before.may_be_missing})"
            )
            yield Finding(Risk.DOWNTIME, MEDIUM, change.key, text, strategy)


@effect
def startup_probe_removed(comparison: Comparison) -> Iterator[Finding]:
    """The liveness probe can restart a container before it has started."""
    for change, before, after in comparison.workloads(*CONTROLLERS):
        for name, container in after.named_containers.items():
            former = before.named_containers.get(name, {})
            if former.get("startupProbe") and not container.get("startupProbe"):
                text = (
                    f"container {name} loses its startupProbe: the kubelet may restart it while "
                    "it is still starting"
                )
                yield Finding(Risk.DOWNTIME, MEDIUM, change.key, text)


@effect
def single_pod_serves_host(comparison: Comparison) -> Iterator[Finding]:
    """An internet-facing host that depends on one pod is unreachable without it."""
    was, now = (_hosts_of_one_pod(side) for side in (comparison.before, comparison.after))
    for key, hosts in now.items():
        if hosts != was.get(key):
            text = f"only one pod serves {listed(hosts)}: a node drain causes an outage"
            yield Finding(Risk.DOWNTIME, MEDIUM, key, text)


def _hosts_of_one_pod(objects: Objects) -> dict[Key, list[str]]:
    """The internet-facing hosts of each workload with one pod."""
    hosts: dict[Key, list[str]] = defaultdict(list)
    for ingress in objects.of_kinds("Ingress"):
        services = {key for key, _ in backends(ingress)}
        pods = [
            workload.key
            for service in objects.of_kinds("Service")
            if service.key in services
            for workload in behind(objects, service)
            if workload.serves and workload.running == 1
        ]
        for key in dict.fromkeys(pods) if scheme(ingress) == "internet-facing" else ():
            hosts[key] += hosts_of(ingress)
    return hosts


@effect
def release_job_runs(comparison: Comparison) -> Iterator[Finding]:
    """A sync of its file runs a release job; if it fails, what waits for it stays unchanged."""
    synced = {pair.item.file for pair in comparison.pairs()}
    changed = {pair.item.key for pair in comparison.pairs() if pair.after}
    for release in releases(comparison.after):
        if release.file not in synced:
            continue
        others = [w.name for w in waiting(comparison.after, release) if w.key in changed]
        if "PostSync" in release_phases(release):
            text = "runs last, after everything else is synced and healthy"
        elif others:
            text = f"runs first; if it fails, these stay unchanged: {listed(others)}"
        else:
            text = "runs with this release"
        secrets = [
            secret_of(item.manifest)
            for item in needs(comparison.after, release)
            if item.kind == "ExternalSecret" and item.key in changed
        ]
        if secrets:
            text += (
                f"; before that, Secret {listed(secrets)} is refreshed from SSM; if a parameter "
                "cannot be read, the first attempt fails"
            )
        explains = tuple(
            difference
            for change in comparison.changes.values()
            if change.after.file == release.file
            for difference in change.at("metadata", "annotations", FINGERPRINT)
        )
        yield Finding(Risk.UPDATE, LOW, release.key, text, explains)
