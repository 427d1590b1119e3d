"""How far a value is rolled out in the cluster: to which Secrets and pods."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from constructs_lib.manifests.workload import Workload
from ops.cluster import PodState, Secret
from ops.secrets.readers import Readers, Source
from ops.terminal import SecretValue


class ClusterReader(Protocol):
    """The methods of a cluster that are used here."""

    def secret(self, namespace: str, name: str, /) -> Secret | None: ...

    def pods(self, namespace: str, selector: str, /) -> list[PodState]: ...


class SecretState(StrEnum):
    """The state of a parameter in a Secret."""

    CURRENT = "current"
    OTHER = "another version"
    NOTHING = "missing"


@dataclass(frozen=True)
class Reach:
    """The rollout of a parameter's current value in a cluster. Raises ClusterError."""

    cluster: ClusterReader
    readers: Readers
    value: SecretValue

    def secret_state(self, source: Source) -> SecretState:
        secret = self._secret(source)
        if not secret:
            return SecretState.NOTHING
        current = all(
            secret.values.get(key) == self.value
            for key, path in source.paths.items()
            if path == self.readers.path
        )
        return SecretState.CURRENT if current else SecretState.OTHER

    def pods(self, workload: Workload) -> Pods:
        """Return the pods of a workload, by which value they started with.

        Times are the cluster's, in whole seconds: a pod that started in the same second as its
        Secret was written may have either value, and counts as outdated.
        """
        secrets = [self._secret(source) for source in self.readers.sources_of(workload)]
        written = max((secret.changed for secret in secrets if secret), default=None)
        pods = self.cluster.pods(workload.namespace, workload.selector)
        if written is None:
            return Pods(outdated=pods, new=[])
        return Pods(
            outdated=[pod for pod in pods if (pod.started or pod.created) <= written],
            new=[pod for pod in pods if pod.created > written],
        )

    def _secret(self, source: Source) -> Secret | None:
        return self.cluster.secret(source.namespace, source.secret)


@dataclass(frozen=True)
class Pods:
    """The pods of one workload."""

    outdated: list[PodState]
    """Pods that started before the Secret was last written."""
    new: list[PodState]
    """Pods that were created after it, started or not."""
