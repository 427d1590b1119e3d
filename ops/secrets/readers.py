"""The readers of each parameter, from the manifests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from constructs_lib.manifests.references import secret_keys, secret_of
from constructs_lib.manifests.workload import Update, Workload, workloads

if TYPE_CHECKING:
    from constructs_lib.model import Manifest


class UpdateMode(StrEnum):
    """How a workload gets a new value."""

    ROLLING = "rolling restart"
    REPLACED = "restart with brief downtime"
    """The old pod ends before the new one starts."""
    NEXT_RUN = "next run"
    NEXT_SYNC = "next sync of Argo CD"
    BY_HAND = "restart by hand"
    """For kinds that the commands do not restart."""


@dataclass(frozen=True)
class Source:
    """An ExternalSecret and its Secret."""

    namespace: str
    name: str
    secret: str
    paths: Mapping[str, str] = field(hash=False)
    """The parameter of each key of the Secret."""

    @classmethod
    def of(cls, item: Manifest) -> Source:
        metadata = item["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        return cls(namespace, name, secret_of(item), secret_keys(item))

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Readers:
    """The ExternalSecrets and workloads that read one parameter."""

    path: str
    sources: tuple[Source, ...]
    workloads: tuple[Workload, ...]

    def with_mode(self, *modes: UpdateMode) -> list[Workload]:
        return [workload for workload in self.workloads if update_mode(workload) in modes]

    def restarted(self) -> list[Workload]:
        """Return the workloads that need a restart, those without downtime first."""
        return [*self.with_mode(UpdateMode.ROLLING), *self.with_mode(UpdateMode.REPLACED)]

    def sources_of(self, workload: Workload) -> list[Source]:
        """Return the ExternalSecrets that give a workload the parameter."""
        return [
            source
            for source in self.sources
            if source.namespace == workload.namespace and source.secret in workload.secrets
        ]

    def variables(self, workload: Workload) -> list[str]:
        """Return a workload's names for the parameter."""
        return [
            key
            for source in self.sources_of(workload)
            for key, path in source.paths.items()
            if path == self.path
        ]

    @property
    def namespaces(self) -> list[str]:
        return sorted({source.namespace for source in self.sources})


def readers(path: str, objects: Iterable[Manifest]) -> Readers:
    """Return the readers of the parameter at `path`, among these objects."""
    every = list(objects)
    sources = [Source.of(item) for item in every if item["kind"] == "ExternalSecret"]
    sources = [source for source in sources if path in source.paths.values()]
    secrets = {(source.namespace, source.secret) for source in sources}
    return Readers(
        path,
        tuple(sources),
        tuple(
            one
            for one in workloads(every)
            if any((one.namespace, secret) in secrets for secret in one.secrets)
        ),
    )


def update_mode(workload: Workload) -> UpdateMode:
    match workload.update:
        case Update.NEXT_RUN:
            return UpdateMode.NEXT_RUN
        case Update.NEXT_SYNC:
            return UpdateMode.NEXT_SYNC
    if workload.kind != "Deployment":
        return UpdateMode.BY_HAND
    return UpdateMode.ROLLING if workload.update is Update.ROLLING else UpdateMode.REPLACED
