"""Who reads which parameter, as the manifests say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from constructs_lib.manifests.external_secret import remote_keys, secret_of
from constructs_lib.manifests.workload import Update, Workload, workloads

if TYPE_CHECKING:
    from constructs_lib.model import Manifest

_COPIED = re.compile(r"\{\{ \.(\S+) \}\}")


class UpdateMode(StrEnum):
    """How a workload comes to a new value."""

    ROLLING = "rolling restart"
    REPLACED = "restart with a gap"
    """One pod ends before the next begins."""
    NEXT_RUN = "next run"
    NEXT_SYNC = "next sync of Argo CD"
    BY_HAND = "restart by hand"
    """Of a kind that no command here restarts."""


@dataclass(frozen=True)
class Source:
    """An ExternalSecret, and the Secret that External Secrets makes of it."""

    namespace: str
    name: str
    secret: str
    paths: Mapping[str, str] = field(hash=False)
    """The parameter under each key of the Secret."""

    @classmethod
    def of(cls, item: Manifest) -> Source:
        """Read it from an ExternalSecret."""
        read = dict(remote_keys(item))
        target = (item.get("spec") or {}).get("target") or {}
        template = (target.get("template") or {}).get("data")
        if template is not None:
            copied = {key: _COPIED.fullmatch(text) for key, text in template.items()}
            read = {key: read[match[1]] for key, match in copied.items() if match}
        metadata = item["metadata"]
        return cls(metadata.get("namespace", ""), metadata["name"], secret_of(item), read)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Readers:
    """All ways of one parameter into the cluster."""

    path: str
    sources: tuple[Source, ...]
    workloads: tuple[Workload, ...]

    def taking(self, *ways: UpdateMode) -> list[Workload]:
        """The workloads that come to a new value in one of these ways."""
        return [workload for workload in self.workloads if update_mode(workload) in ways]

    def restarted(self) -> list[Workload]:
        """The workloads that run on with an old value until they are restarted; those that lose
        no request by it come first.
        """
        return [*self.taking(UpdateMode.ROLLING), *self.taking(UpdateMode.REPLACED)]

    def sources_of(self, workload: Workload) -> list[Source]:
        """Where a workload has the parameter from."""
        return [
            source
            for source in self.sources
            if source.namespace == workload.namespace and source.secret in workload.secrets
        ]

    def variables(self, workload: Workload) -> list[str]:
        """What a workload calls the parameter."""
        return [
            key
            for source in self.sources_of(workload)
            for key, path in source.paths.items()
            if path == self.path
        ]

    @property
    def namespaces(self) -> list[str]:
        """Where it is read."""
        return sorted({source.namespace for source in self.sources})


def readers(path: str, objects: Iterable[Manifest]) -> Readers:
    """Who reads the parameter at `path`, among these objects."""
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
    """How it comes to a new value."""
    match workload.update:
        case Update.NEXT_RUN:
            return UpdateMode.NEXT_RUN
        case Update.NEXT_SYNC:
            return UpdateMode.NEXT_SYNC
    if workload.kind != "Deployment":
        return UpdateMode.BY_HAND
    return UpdateMode.ROLLING if workload.update is Update.ROLLING else UpdateMode.REPLACED
