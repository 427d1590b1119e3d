"""How far a value has come in the cluster: into which Secrets, and to which pods."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from constructs_lib.manifests.workload import Workload
from ops.asking import SecretValue
from ops.cluster import Pod, Secret
from ops.secrets.readers import Readers, Source


class Looking(Protocol):
    """What of a cluster is looked at."""

    def secret(self, namespace: str, name: str, /) -> Secret | None:
        """A Secret; None if there is none."""

    def pods(self, namespace: str, selector: str, /) -> list[Pod]:
        """The pods that a label selector picks."""


class SecretState(StrEnum):
    """What a Secret has of a parameter."""

    CURRENT = "current"
    OTHER = "another version"
    NOTHING = "missing"


@dataclass(frozen=True)
class Reach:
    """A parameter's current value, followed through a cluster. Raises ClusterError."""

    cluster: Looking
    readers: Readers
    value: SecretValue

    def of(self, source: Source) -> SecretState:
        """What the Secret of an ExternalSecret has."""
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
        """The pods of a workload, by which value they started with.

        The times are the cluster's, in whole seconds: a pod that started in the second in which
        its Secret was written may have read either, and counts as behind.
        """
        secrets = [self._secret(source) for source in self.readers.sources_of(workload)]
        written = max((secret.changed for secret in secrets if secret), default=None)
        pods = self.cluster.pods(workload.namespace, workload.selector)
        if written is None:
            return Pods(behind=pods, fresh=[])
        return Pods(
            behind=[pod for pod in pods if (pod.started or pod.created) <= written],
            fresh=[pod for pod in pods if pod.created > written],
        )

    def _secret(self, source: Source) -> Secret | None:
        return self.cluster.secret(source.namespace, source.secret)


@dataclass(frozen=True)
class Pods:
    """The pods of one workload."""

    behind: list[Pod]
    """Those that started before the Secret was last written."""
    fresh: list[Pod]
    """Those that were made after it, started or not."""
