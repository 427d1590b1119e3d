"""The parameters: their state in SSM, who reads them, and who has their current value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from catalogue.parameters import Parameters
from constructs_lib.manifests.objects import Object, Objects, once_per_objects
from constructs_lib.manifests.references import secret_keys, secret_of
from constructs_lib.manifests.workload import Update, Workload, workloads
from ops import aws, rendered, terminal

if TYPE_CHECKING:
    from ops.cluster import Cluster, PodState, Secret


@dataclass(frozen=True)
class SyncedSecret:
    """An ExternalSecret, and the Secret that it creates."""

    namespace: str
    name: str
    """The name of the ExternalSecret."""
    secret: str
    """The name of the Secret."""
    paths: Mapping[str, str] = field(hash=False)
    """The parameter of each key of the Secret."""

    @classmethod
    def of(cls, item: Object) -> SyncedSecret:
        manifest = item.manifest
        return cls(item.namespace, item.name, secret_of(manifest), secret_keys(manifest))

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def keys(self, path: str) -> list[str]:
        """Return the keys with the parameter at `path`."""
        return [key for key, of_key in self.paths.items() if of_key == path]


@dataclass(frozen=True)
class Readers:
    """The Secrets and workloads that read one parameter."""

    path: str
    secrets: tuple[SyncedSecret, ...]
    workloads: tuple[Workload, ...]

    def with_mode(self, *modes: Update) -> list[Workload]:
        return [workload for workload in self.workloads if update_mode(workload) in modes]

    def restarted(self) -> list[Workload]:
        """Return the workloads that need a restart, those without downtime first."""
        return [*self.with_mode(Update.ROLLING), *self.with_mode(Update.RECREATE)]

    def secrets_of(self, workload: Workload) -> list[SyncedSecret]:
        """Return the Secrets that give a workload the parameter."""
        return [
            synced
            for synced in self.secrets
            if synced.namespace == workload.namespace and synced.secret in workload.secrets
        ]

    def variables(self, workload: Workload) -> list[str]:
        """Return a workload's names for the parameter."""
        return [key for synced in self.secrets_of(workload) for key in synced.keys(self.path)]


@once_per_objects
def synced_secrets(objects: Objects) -> tuple[SyncedSecret, ...]:
    """Return the ExternalSecrets among these objects."""
    return tuple(SyncedSecret.of(item) for item in objects.of_kinds("ExternalSecret"))


def readers(path: str, objects: Objects) -> Readers:
    """Return the readers of the parameter at `path`, among these objects."""
    with_path = tuple(synced for synced in synced_secrets(objects) if synced.keys(path))
    read = Readers(path, with_path, workloads(objects))
    return Readers(path, read.secrets, tuple(filter(read.secrets_of, read.workloads)))


def update_mode(workload: Workload) -> Update:
    """Return how a workload gets a new value. The commands restart only Deployments."""
    if workload.kind == "Deployment" or workload.update in (Update.NEXT_RUN, Update.NEXT_SYNC):
        return workload.update
    return Update.BY_HAND


@dataclass(frozen=True)
class ValueInCluster:
    """Which readers in the cluster have the current value. Methods raise ClusterError."""

    readers: Readers
    value: terminal.SecretValue
    find_secret: Callable[[str, str], Secret | None]
    """Returns the Secret with a namespace and name."""
    find_pods: Callable[[str, str], list[PodState]]
    """Returns the pods with a namespace and label selector."""

    def problem(self, synced: SyncedSecret) -> str | None:
        """Return why a Secret does not have the value; None if it has."""
        secret = self.find_secret(synced.namespace, synced.secret)
        if not secret:
            return "missing"
        values = [secret.values.get(key) for key in synced.keys(self.readers.path)]
        return None if all(value == self.value for value in values) else "another version"

    def pods(self, workload: Workload) -> tuple[list[PodState], list[PodState]]:
        """Return a workload's outdated pods, and those that were created with the value.

        A pod is outdated if it started before its Secret was last written. Times are the cluster's,
        in whole seconds: a pod that started in the same second may have either value.
        """
        secrets = [
            self.find_secret(synced.namespace, synced.secret)
            for synced in self.readers.secrets_of(workload)
        ]
        written = max((secret.changed for secret in secrets if secret), default=None)
        pods = self.find_pods(workload.namespace, workload.selector)
        if written is None:
            return pods, []
        return (
            [pod for pod in pods if (pod.started or pod.created) <= written],
            [pod for pod in pods if pod.created > written],
        )

    def problems(self) -> list[str]:
        """Return what does not have the value."""
        secrets = [
            f"Secret {synced.namespace}/{synced.secret}: {problem}"
            for synced in self.readers.secrets
            if (problem := self.problem(synced))
        ]
        pods = [
            f"{len(outdated)} pods of {workload} started before the last change"
            for workload in self.readers.restarted()
            if (outdated := self.pods(workload)[0])
        ]
        return secrets + pods


class State(StrEnum):
    """The state of a parameter in SSM."""

    SET = "set"
    PLACEHOLDER = "placeholder"
    MISSING = "missing"
    NOT_SECURE = "not a SecureString"


REMEDIES = {
    State.MISSING: "`make deploy-secrets` creates it",
    State.PLACEHOLDER: "`ops secrets set` sets it",
    State.NOT_SECURE: "save its value, delete it, and run `make deploy-secrets`",
}


def state_of(parameter: Parameters, stored: aws.Version) -> State:
    if stored is aws.MISSING:
        return State.MISSING
    if stored.type != aws.SECURE:
        return State.NOT_SECURE
    return State.PLACEHOLDER if stored.value.text == parameter.placeholder else State.SET


@dataclass(frozen=True)
class ParameterStatus:
    """A parameter in SSM, its readers in dist/ and, if it was checked, its value in the cluster."""

    parameter: Parameters
    readers: Readers
    stored: aws.Version
    awaited_by: Sequence[str] = ()
    """The workloads that will read it once they are rendered."""
    outdated: Sequence[str] | None = None
    """What does not have the value in the cluster; None if it was not checked."""

    @property
    def path(self) -> str:
        return self.parameter.path

    @property
    def state(self) -> State:
        return state_of(self.parameter, self.stored)

    @property
    def last_change(self) -> str:
        """`set an hour ago by alice`."""
        by = f" by {self.stored.author}" if self.stored.author else ""
        return f"set {terminal.when(self.stored.changed)}{by}"

    @property
    def ok(self) -> bool:
        """Whether it needs no action; an unread parameter needs no value."""
        unread = not self.readers.secrets
        return (self.state is State.SET or unread) and not self.outdated

    def show(self) -> None:
        """Print `version 2, set an hour ago by alice, rolled out`, its readers and what to do."""
        summary, style = str(self.state), "yellow"
        if self.state is State.SET:
            rolled_out = ", rolled out" if self.outdated == [] and self.readers.secrets else ""
            summary = f"version {self.stored.number}, {self.last_change}{rolled_out}"
            style = "bold"
        terminal.show(f"{self.path}  {summary}", style)
        names: dict[str, list[str]] = {}
        for workload in self.readers.workloads:
            for variable in self.readers.variables(workload):
                names.setdefault(variable, []).append(str(workload))
        if not names:
            names = {
                "to pull images": list(map(str, self.readers.secrets)),
                "once rendered": list(self.awaited_by),
            }
        rows = [(name, ", ".join(by)) for name, by in names.items() if by]
        terminal.show_table("", "", rows=rows, indent=4)
        for line in self.outdated or ():
            terminal.show(f"    {line}", "yellow")

    def as_json(self) -> dict[str, Any]:
        return {
            "parameter": self.path,
            "description": self.parameter.description,
            "state": self.state,
            "version": self.stored.number or None,
            "changed": self.stored.changed,
            "changedBy": self.stored.author or None,
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


def statuses(cluster: Cluster | None) -> list[ParameterStatus]:
    """Return the status of every parameter. Raises OpsError if AWS or the cluster fails."""
    stored = aws.read([parameter.path for parameter in Parameters], described=True)
    objects, pending = rendered.objects(), rendered.pending()
    lookups = (cache(cluster.secret), cache(cluster.pods)) if cluster else None
    """Cached, because parameters share Secrets and pods."""

    def status(parameter: Parameters) -> ParameterStatus:
        now, read = stored.get(parameter.path, aws.MISSING), readers(parameter.path, objects)
        return ParameterStatus(
            parameter,
            read,
            now,
            [workload.name for workload in pending if parameter in workload.parameters],
            ValueInCluster(read, now.value, *lookups).problems()
            if lookups and now is not aws.MISSING
            else None,
        )

    return list(map(status, Parameters))


def show(found: list[ParameterStatus]) -> None:
    for status in found:
        status.show()
    parts = [tally(State, (status.state for status in found))]
    if any(status.outdated is not None for status in found):
        outdated = sum(bool(status.outdated) for status in found)
        parts.append(f"{outdated} not rolled out" if outdated else "all rolled out")
    terminal.show()
    terminal.show(f"{len(found)} parameters: {', '.join(parts)}")


def tally(kinds: Iterable[str], found: Iterable[str]) -> str:
    """`3 set, 1 missing`, in the order of `kinds`."""
    counts = Counter(found)
    return ", ".join(f"{counts[kind]} {kind}" for kind in kinds if counts[kind])
