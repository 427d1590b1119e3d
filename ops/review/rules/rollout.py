"""`restart`, and the part of `downtime` that comes of it: which pods start anew, and how."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from constructs_lib.manifests.workload import Update, Workload, workloads
from constructs_lib.wording import plural
from ops.review.comparison import Comparison
from ops.review.fields import is_known_field
from ops.review.model import TEMPLATE, Difference, Finding, Risk, Severity, spell
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


RULES = (restarts,)
