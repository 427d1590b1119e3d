"""`restart` and `downtime`: which pods restart, what stops, and what a release job holds up."""

import json
from collections import defaultdict
from functools import lru_cache

from constructs_lib.manifests.argocd import FINGERPRINT, needs, release_phases, waiting
from constructs_lib.manifests.network import INTERNET, audience, backends, hosts
from constructs_lib.manifests.objects import Key, Objects, stated
from constructs_lib.manifests.references import secret_of
from constructs_lib.manifests.workload import Update, Workload, behind, pods_in_words, workloads
from constructs_lib.model.text import plural
from ops.review.diff import TEMPLATE, Change, Comparison, Difference, spell
from ops.review.effects.fields import is_only_restart, subject
from ops.review.effects.secrets import changed_sources
from ops.review.model import LOW, MEDIUM, Finding, Findings, effect, listed

_STEPS = {"metadata": 3, "nodeSelector": 2, "resources": 3, "securityContext": 2}
"""How many steps of a path name a cause, if more than one."""
Restart = tuple[Workload, tuple[Difference, ...], list[str]]
"""A workload, the differences of its pod template, and what changes and makes Reloader act."""


@lru_cache(maxsize=1)
def _restarts(comparison: Comparison) -> list[Restart]:
    restarts = []
    changed, objects = changed_sources(comparison), comparison.after
    for workload in workloads(comparison.after):
        replaces_pods = workload.update in (Update.ROLLING, Update.RECREATE)
        if replaces_pods and workload.running and comparison.before.get(workload.key):
            template = comparison.of_template(workload)
            reloaded = [
                f"{kind} {name}"
                for _, kind, namespace, name in changed
                if namespace == workload.namespace and workload.reloads(kind, name, objects)
            ]
            if template or reloaded:
                restarts.append((workload, template, reloaded))
    return restarts


def _causes(workload: Workload, template: tuple[Difference, ...]) -> dict[str, str]:
    """Short names of the template's differences, by a key that is the same in all workloads."""
    causes = {}
    for difference in template:
        path = difference.path[len(TEMPLATE[workload.kind]) :]
        if path[0] == "spec":
            path = path[1:]
        if path[0] in ("containers", "initContainers") and path[2:]:
            path = path[2:]  # the container does not matter
        is_item = len(path) > 1 and path[1].startswith("[")
        values = [path, difference.before, difference.after]
        cause = json.dumps(values, default=str, sort_keys=True)
        causes[cause] = spell(path[: 2 if is_item else _STEPS.get(path[0], 1)])
    return causes


@effect(risk="restart")
def pods_restart(comparison: Comparison) -> Findings:
    """Pods are replaced: their template changes, or Reloader restarts them for a new value."""
    restarts = _restarts(comparison)
    files: dict[str, set[str]] = defaultdict(set)
    for workload, template, _ in restarts:
        for cause in _causes(workload, template):
            files[cause].add(workload.file)
    for workload, template, sources in restarts:
        causes = _causes(workload, template)
        named = listed(list(dict.fromkeys(causes.values())), 4)
        if causes and all(len(files[cause]) > 1 for cause in causes):
            text = f"restarts only because of a shared change: {named}"
        elif causes:
            text = f"restarts, because its pod template changes: {named}"
        else:
            text = f"Reloader restarts it, because {listed(sources)} changes"
        change = comparison.change_of(workload.key)
        known = tuple(field for field in template if is_only_restart(change, field))
        brief = "restarts, because its pod template changes"
        yield Finding(LOW, text, known, key=workload.key, pods=workload.running, brief=brief)


@effect(risk="downtime")
def pods_unavailable(comparison: Comparison) -> Findings:
    """While its pods restart, a workload has fewer of them, or none."""
    for workload, *_ in _restarts(comparison):
        if workload.update is Update.RECREATE:
            text = "all pods stop before new ones start (Recreate): brief downtime"
            yield Finding(MEDIUM, text, key=workload.key)
        elif missing := workload.may_be_missing:
            pods = plural(workload.running, "pod")
            text = f"loses up to {missing} of {pods} during the update (maxUnavailable)"
            yield Finding(MEDIUM, text, key=workload.key)


@effect("Deployment", "StatefulSet", risk="downtime")
def replicas_handed_over(change: Change, comparison: Comparison) -> Findings:
    """An autoscaler takes over the number of pods, at first of one, or no longer sets it."""
    was, now = subject(change.before, comparison.before), subject(change.after, comparison.after)
    fields, before = change.at("spec", "replicas"), stated(was.spec, "replicas", 1)
    if now.autoscaler and before > 1 == stated(now.spec, "replicas", 1):
        text = (
            f"runs one pod until {now.autoscaler.key} starts more (before: {before} pods), because "
            "a removed spec.replicas becomes 1; to keep them, first apply only spec.replicas: "
            f"{before} by kubectl apply --server-side --field-manager=handover-to-hpa"
        )
        yield Finding(MEDIUM, text, fields)
    elif was.autoscaler and fields and now.running:
        text = f"runs {pods_in_words(now.replicas)} (before: {pods_in_words(was.replicas)})"
        yield Finding(MEDIUM, text, fields)


@effect(risk="downtime")
def single_pod_serves_host(comparison: Comparison) -> Findings:
    """An internet-facing host that depends on one pod is unreachable without it."""
    was, now = map(_hosts_of_one_pod, (comparison.before, comparison.after))
    for key, of_pod in now.items():
        if of_pod != was.get(key):
            text = f"only one pod serves {listed(of_pod)}: a node drain causes an outage"
            yield Finding(MEDIUM, text, key=key)


def _hosts_of_one_pod(objects: Objects) -> dict[Key, list[str]]:
    """The internet-facing hosts of each workload with one pod."""
    served: dict[Key, list[str]] = defaultdict(list)
    for ingress in objects.of_kinds("Ingress"):
        if audience(ingress) != INTERNET:
            continue
        services = dict.fromkeys(objects.get(key) for key, _ in backends(ingress))
        pods = [
            workload.key
            for service in services
            if service
            for workload in behind(objects, service)
            if workload.serves and workload.running == 1
        ]
        for key in dict.fromkeys(pods):
            served[key] += hosts(ingress)
    return served


@effect(risk="update")
def release_job_runs(comparison: Comparison) -> Findings:
    """A sync of its file runs a release job; if it fails, what waits for it stays unchanged."""
    changes = comparison.changes.values()
    synced = {change.object.file for change in changes}
    changed = {change.key for change in changes if change.state != "removed"}
    for release in filter(release_phases, workloads(comparison.after)):
        file = release.file
        if file not in synced:
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
            for change in changes
            if change.after.file == file
            for difference in change.at("metadata", "annotations", FINGERPRINT)
        )
        yield Finding(LOW, text, explains, key=release.key)
