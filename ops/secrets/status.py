"""The status of every parameter in SSM and, optionally, in the cluster."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from catalogue.parameters import Parameters
from ops import rendered, terminal
from ops.aws import SECURE, ParameterStore, Stored
from ops.cluster import Cluster
from ops.secrets.readers import Readers, ValueInCluster, readers, update_mode


class State(StrEnum):
    """The state of a parameter in SSM."""

    SET = "set"
    PLACEHOLDER = "placeholder"
    MISSING = "missing"
    NOT_SECURE = "not a SecureString"


def state_of(parameter: Parameters, stored: Stored | None) -> State:
    if stored is None:
        return State.MISSING
    if stored.type != SECURE:
        return State.NOT_SECURE
    return State.PLACEHOLDER if stored.value.text == parameter.placeholder else State.SET


@dataclass(frozen=True)
class ParameterStatus:
    """The status of one parameter."""

    parameter: Parameters
    readers: Readers
    awaited_by: list[str]
    """The workloads that will read it once they are rendered."""
    stored: Stored | None
    changed_by: str
    outdated: list[str] | None
    """What does not have the value in the cluster; None if it was not checked."""

    @property
    def state(self) -> State:
        return state_of(self.parameter, self.stored)

    @property
    def ok(self) -> bool:
        """Whether it needs no action; an unread parameter needs no value."""
        unread = not self.readers.secrets
        return (self.state is State.SET or unread) and not self.outdated

    @property
    def summary(self) -> str:
        """`version 2, set an hour ago by alice`."""
        if self.state is not State.SET or not self.stored:
            return self.state
        by = f" by {self.changed_by}" if self.changed_by else ""
        rolled_out = ", rolled out" if self.outdated == [] and self.readers.secrets else ""
        changed = terminal.when(self.stored.changed)
        return f"version {self.stored.version}, set {changed}{by}{rolled_out}"

    def show(self) -> None:
        style = "bold" if self.state is State.SET else "yellow"
        terminal.show(f"{self.parameter.path}  {self.summary}", style)
        names: dict[str, list[str]] = {}
        for workload in self.readers.workloads:
            for variable in self.readers.variables(workload):
                names.setdefault(variable, []).append(str(workload))
        if not names:
            names = {
                "to pull images": [str(synced) for synced in self.readers.secrets],
                "once rendered": self.awaited_by,
            }
        terminal.show_pairs({name: ", ".join(by) for name, by in names.items() if by})
        for line in self.outdated or ():
            terminal.show(f"    {line}", "yellow")

    def as_json(self) -> dict[str, Any]:
        return {
            "parameter": self.parameter.path,
            "description": self.parameter.description,
            "state": self.state,
            "version": self.stored.version if self.stored else None,
            "changed": self.stored.changed if self.stored else None,
            "changedBy": self.changed_by or None,
            "readBy": [
                {
                    "kind": workload.kind,
                    "namespace": workload.namespace,
                    "name": workload.name,
                    "variables": self.readers.variables(workload),
                    "takes": update_mode(workload).restart,
                }
                for workload in self.readers.workloads
            ],
            "awaitedBy": self.awaited_by,
            "behind": self.outdated,
            "fine": self.ok,
        }


def statuses(store: ParameterStore, cluster: Cluster | None) -> list[ParameterStatus]:
    """Return the status of every parameter. Raises OpsError if AWS or the cluster fails."""
    paths = [parameter.path for parameter in Parameters]
    stored, described = store.read(paths), store.describe(paths)
    objects, pending = rendered.objects(), rendered.pending()
    lookups = (cache(cluster.secret), cache(cluster.pods)) if cluster else None
    """Cached, because parameters share Secrets and pods."""
    found = []
    for parameter in Parameters:
        now, affected = stored.get(parameter.path), readers(parameter.path, objects)
        found.append(
            ParameterStatus(
                parameter,
                affected,
                [workload.name for workload in pending if parameter in workload.parameters],
                now,
                described[parameter.path].changed_by if parameter.path in described else "",
                _outdated(ValueInCluster(affected, now.value, *lookups))
                if now and lookups
                else None,
            )
        )
    return found


def _outdated(value: ValueInCluster) -> list[str]:
    secrets = [
        f"Secret {synced.namespace}/{synced.secret}: {problem}"
        for synced in value.readers.secrets
        if (problem := value.problem(synced))
    ]
    pods = [
        f"{len(outdated)} pods of {workload} started before the last change"
        for workload in value.readers.restarted()
        if (outdated := value.pods(workload).outdated)
    ]
    return secrets + pods


def show(found: list[ParameterStatus]) -> None:
    for status in found:
        status.show()
    states = Counter(status.state for status in found)
    parts = [f"{states[state]} {state}" for state in State if states[state]]
    if any(status.outdated is not None for status in found):
        outdated = sum(bool(status.outdated) for status in found)
        parts.append(f"{outdated} not rolled out" if outdated else "all rolled out")
    terminal.show()
    terminal.show(f"{len(found)} parameters: {', '.join(parts)}")
