"""Who reads a parameter, from the manifests, and who has its current value, from the cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from constructs_lib.manifests.objects import Object, Objects, once_per_objects
from constructs_lib.manifests.references import secret_keys, secret_of
from constructs_lib.manifests.workload import Update, Workload, workloads

if TYPE_CHECKING:
    from ops.cluster import PodState, Secret
    from ops.terminal import SecretValue


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

    @property
    def namespaces(self) -> list[str]:
        return sorted({synced.namespace for synced in self.secrets})


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


class PodsByValue(NamedTuple):
    """The pods of one workload, by the value that they started with."""

    outdated: list[PodState]
    """Pods that started before the Secret was last written."""
    new: list[PodState]
    """Pods that were created after it, started or not."""


@dataclass(frozen=True)
class ValueInCluster:
    """Which readers in the cluster have the current value. Methods raise ClusterError."""

    readers: Readers
    value: SecretValue
    find_secret: Callable[[str, str], Secret | None]
    """Returns the Secret with a namespace and name."""
    find_pods: Callable[[str, str], list[PodState]]
    """Returns the pods with a namespace and label selector."""

    def problem(self, synced: SyncedSecret) -> str | None:
        """Return why a Secret does not have the value; None if it has."""
        secret = self.find_secret(synced.namespace, synced.secret)
        if not secret:
            return "missing"
        current = all(
            secret.values.get(key) == self.value for key in synced.keys(self.readers.path)
        )
        return None if current else "another version"

    def pods(self, workload: Workload) -> PodsByValue:
        """Return the pods of a workload.

        Times are the cluster's, in whole seconds: a pod that started in the same second as its
        Secret was written may have either value, and counts as outdated.
        """
        secrets = [
            self.find_secret(synced.namespace, synced.secret)
            for synced in self.readers.secrets_of(workload)
        ]
        written = max((secret.changed for secret in secrets if secret), default=None)
        pods = self.find_pods(workload.namespace, workload.selector)
        if written is None:
            return PodsByValue(outdated=pods, new=[])
        return PodsByValue(
            outdated=[pod for pod in pods if (pod.started or pod.created) <= written],
            new=[pod for pod in pods if pod.created > written],
        )
