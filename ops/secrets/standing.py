"""The state of every parameter: in SSM and, where asked for, in the cluster."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from catalogue.parameters import Parameters
from ops import rendered, terminal
from ops.aws import SECURE, Description, ParameterStore, Stored
from ops.cluster import Cluster
from ops.secrets.reach import Looking, Reach, SecretState
from ops.secrets.readers import Readers, readers, update_mode


class State(StrEnum):
    """What a parameter is in SSM."""

    SET = "set"
    PLACEHOLDER = "placeholder"
    MISSING = "missing"
    NOT_SECURE = "no SecureString"


@dataclass(frozen=True)
class Standing:
    """One parameter."""

    parameter: Parameters
    readers: Readers
    awaited_by: list[str]
    """The workloads that will read it once they are rendered."""
    state: State
    version: int | None = None
    changed: datetime | None = None
    changed_by: str = ""
    behind: list[str] | None = None
    """What in the cluster does not have it yet; None if that was not looked at."""

    @property
    def fine(self) -> bool:
        """Whether nothing is to be done; what nobody reads yet needs no value."""
        unread = not self.readers.sources
        return (self.state is State.SET or unread) and not self.behind


def standings(store: ParameterStore, cluster: Cluster | None) -> list[Standing]:
    """Every parameter of the catalogue. Raises OpsError where AWS or the cluster says no."""
    paths = [parameter.path for parameter in Parameters]
    stored, described = store.read(paths), store.describe(paths)
    objects = rendered.objects()
    look = _OneLook(cluster) if cluster else None
    return [
        _standing(
            parameter,
            readers(parameter.path, objects),
            stored.get(parameter.path),
            described.get(parameter.path),
            look,
        )
        for parameter in Parameters
    ]


class _OneLook:
    """A cluster as it is now: no Secret is asked for twice, and no workload's pods."""

    def __init__(self, cluster: Cluster) -> None:
        self.secret = cache(cluster.secret)
        self.pods = cache(cluster.pods)


def state_of(parameter: Parameters, stored: Stored | None) -> State:
    """What a parameter is, of what SSM holds."""
    if stored is None:
        return State.MISSING
    if stored.type != SECURE:
        return State.NOT_SECURE
    return State.PLACEHOLDER if stored.value.text == parameter.placeholder else State.SET


def _standing(
    parameter: Parameters,
    concerned: Readers,
    stored: Stored | None,
    description: Description | None,
    look: Looking | None,
) -> Standing:
    return Standing(
        parameter=parameter,
        readers=concerned,
        awaited_by=[job.name for job in rendered.pending() if parameter in job.parameters],
        state=state_of(parameter, stored),
        version=stored.version if stored else None,
        changed=stored.changed if stored else None,
        changed_by=description.changed_by if description else "",
        behind=_behind(Reach(look, concerned, stored.value)) if stored and look else None,
    )


def _behind(reach: Reach) -> list[str]:
    secrets = [
        f"Secret {source.namespace}/{source.secret} has {held}"
        for source in reach.readers.sources
        if (held := reach.of(source)) is not SecretState.CURRENT
    ]
    pods = [
        f"{len(behind)} pods of {workload} started before it"
        for workload in reach.readers.restarted()
        if (behind := reach.pods(workload).behind)
    ]
    return secrets + pods


def show(found: list[Standing]) -> None:
    """The list for people."""
    for one in found:
        fine = one.state is State.SET
        terminal.show(f"{one.parameter.path}  {_summary(one)}", "bold" if fine else "yellow")
        terminal.show_pairs(_reading(one))
        for line in one.behind or ():
            terminal.show(f"    {line}", "yellow")
    terminal.show()
    terminal.show(_in_total(found))


def _summary(one: Standing) -> str:
    if one.state is not State.SET:
        return one.state
    by = f" by {one.changed_by}" if one.changed_by else ""
    everywhere = ", everywhere" if one.behind == [] and one.readers.sources else ""
    return f"version {one.version}, set {terminal.when(one.changed)}{by}{everywhere}"


def _reading(one: Standing) -> dict[str, str]:
    """The readers, by what they call the parameter."""
    read: dict[str, list[str]] = {}
    for workload in one.readers.workloads:
        for variable in one.readers.variables(workload):
            read.setdefault(variable, []).append(str(workload))
    if not read:
        read = {
            "to pull images": [str(source) for source in one.readers.sources],
            "once rendered": one.awaited_by,
        }
    return {name: ", ".join(readers) for name, readers in read.items() if readers}


def _in_total(found: list[Standing]) -> str:
    states = Counter(one.state for one in found)
    parts = [f"{states[state]} {state}" for state in State if states[state]]
    if any(one.behind is not None for one in found):
        behind = sum(bool(one.behind) for one in found)
        parts.append(f"{behind} not everywhere in the cluster" if behind else "all everywhere")
    return f"{len(found)} parameters: {', '.join(parts)}"


def as_json(found: list[Standing]) -> list[dict[str, Any]]:
    """The same for a script."""
    return [
        {
            "parameter": one.parameter.path,
            "description": one.parameter.description,
            "state": one.state,
            "version": one.version,
            "changed": one.changed,
            "changedBy": one.changed_by or None,
            "readBy": [
                {
                    "kind": workload.kind,
                    "namespace": workload.namespace,
                    "name": workload.name,
                    "variables": one.readers.variables(workload),
                    "takes": update_mode(workload),
                }
                for workload in one.readers.workloads
            ],
            "awaitedBy": one.awaited_by,
            "behind": one.behind,
            "fine": one.fine,
        }
        for one in found
    ]
