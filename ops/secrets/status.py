"""The status of every parameter in SSM and, optionally, in the cluster."""

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
from ops.secrets.reach import ClusterReader, Reach, SecretState
from ops.secrets.readers import Readers, readers, update_mode


class State(StrEnum):
    """The state of a parameter in SSM."""

    SET = "set"
    PLACEHOLDER = "placeholder"
    MISSING = "missing"
    NOT_SECURE = "not a SecureString"


@dataclass(frozen=True)
class ParameterStatus:
    """The status of one parameter."""

    parameter: Parameters
    readers: Readers
    awaited_by: list[str]
    """The workloads that will read it once they are rendered."""
    state: State
    version: int | None = None
    changed: datetime | None = None
    changed_by: str = ""
    outdated: list[str] | None = None
    """What does not have the value in the cluster; None if it was not checked."""

    @property
    def ok(self) -> bool:
        """Whether it needs no action; an unread parameter needs no value."""
        unread = not self.readers.sources
        return (self.state is State.SET or unread) and not self.outdated


def statuses(store: ParameterStore, cluster: Cluster | None) -> list[ParameterStatus]:
    """Return the status of every parameter. Raises OpsError if AWS or the cluster fails."""
    paths = [parameter.path for parameter in Parameters]
    stored, described = store.read(paths), store.describe(paths)
    objects = rendered.objects()
    reader = _CachedCluster(cluster) if cluster else None
    return [
        _status(
            parameter,
            readers(parameter.path, objects),
            stored.get(parameter.path),
            described.get(parameter.path),
            reader,
        )
        for parameter in Parameters
    ]


class _CachedCluster:
    """A cluster whose Secrets and pods are read only once."""

    def __init__(self, cluster: Cluster) -> None:
        self.secret = cache(cluster.secret)
        self.pods = cache(cluster.pods)


def state_of(parameter: Parameters, stored: Stored | None) -> State:
    if stored is None:
        return State.MISSING
    if stored.type != SECURE:
        return State.NOT_SECURE
    return State.PLACEHOLDER if stored.value.text == parameter.placeholder else State.SET


def _status(
    parameter: Parameters,
    affected: Readers,
    stored: Stored | None,
    description: Description | None,
    reader: ClusterReader | None,
) -> ParameterStatus:
    return ParameterStatus(
        parameter=parameter,
        readers=affected,
        awaited_by=[job.name for job in rendered.pending() if parameter in job.parameters],
        state=state_of(parameter, stored),
        version=stored.version if stored else None,
        changed=stored.changed if stored else None,
        changed_by=description.changed_by if description else "",
        outdated=_outdated(Reach(reader, affected, stored.value)) if stored and reader else None,
    )


def _outdated(rollout: Reach) -> list[str]:
    secrets = [
        f"Secret {source.namespace}/{source.secret}: {state}"
        for source in rollout.readers.sources
        if (state := rollout.secret_state(source)) is not SecretState.CURRENT
    ]
    pods = [
        f"{len(outdated)} pods of {workload} started before the last change"
        for workload in rollout.readers.restarted()
        if (outdated := rollout.pods(workload).outdated)
    ]
    return secrets + pods


def show(found: list[ParameterStatus]) -> None:
    for one in found:
        is_set = one.state is State.SET
        terminal.show(f"{one.parameter.path}  {_summary(one)}", "bold" if is_set else "yellow")
        terminal.show_pairs(_reading(one))
        for line in one.outdated or ():
            terminal.show(f"    {line}", "yellow")
    terminal.show()
    terminal.show(_in_total(found))


def _summary(one: ParameterStatus) -> str:
    if one.state is not State.SET:
        return one.state
    by = f" by {one.changed_by}" if one.changed_by else ""
    rolled_out = ", rolled out" if one.outdated == [] and one.readers.sources else ""
    return f"version {one.version}, set {terminal.when(one.changed)}{by}{rolled_out}"


def _reading(one: ParameterStatus) -> dict[str, str]:
    """Return the readers, by their names for the parameter."""
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


def _in_total(found: list[ParameterStatus]) -> str:
    states = Counter(one.state for one in found)
    parts = [f"{states[state]} {state}" for state in State if states[state]]
    if any(one.outdated is not None for one in found):
        outdated = sum(bool(one.outdated) for one in found)
        parts.append(f"{outdated} not rolled out" if outdated else "all rolled out")
    return f"{len(found)} parameters: {', '.join(parts)}"


def as_json(found: list[ParameterStatus]) -> list[dict[str, Any]]:
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
            "behind": one.outdated,
            "fine": one.ok,
        }
        for one in found
    ]
