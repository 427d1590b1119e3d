"""Kubernetes objects from an App, files or a cluster, and collections of objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from constructs_lib.manifests.kinds import group
from constructs_lib.model import Manifest


class Key(NamedTuple):
    """The identity of an object, without the API version."""

    group: str
    kind: str
    namespace: str
    """Empty for a cluster-scoped object."""
    name: str

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {place}{self.name}"


@dataclass(frozen=True, eq=False)
class Object:
    """One object and its source."""

    key: Key
    manifest: Manifest
    file: str = ""
    """Its file; empty if none."""
    line: int = 0
    """Its first line in the file; 0 if unknown."""
    text: str = ""
    """Its text in the file; empty if unknown."""

    @classmethod
    def of(cls, manifest: Manifest, file: str = "", line: int = 0, text: str = "") -> Object:
        metadata = manifest["metadata"]
        namespace = metadata.get("namespace") or ""
        key = Key(group(manifest), manifest["kind"], namespace, metadata["name"])
        return cls(key, manifest, file, line, text)

    @property
    def kind(self) -> str:
        """Such as `Deployment`."""
        return self.key.kind

    @property
    def name(self) -> str:
        """`metadata.name`."""
        return self.key.name

    @property
    def namespace(self) -> str:
        """`metadata.namespace`; empty for a cluster-scoped object."""
        return self.key.namespace

    @property
    def spec(self) -> Manifest:
        return self.manifest.get("spec") or {}

    @property
    def annotations(self) -> dict[str, str]:
        return self.manifest["metadata"].get("annotations") or {}

    @property
    def labels(self) -> dict[str, str]:
        return self.manifest["metadata"].get("labels") or {}


class Objects:
    """A collection of objects, indexed by kind and key. `get` returns the last one of a key."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self.every = tuple(objects)

    @classmethod
    def of(cls, manifests: Iterable[Manifest]) -> Objects:
        """The objects of manifests without a file."""
        return cls(map(Object.of, manifests))

    def __iter__(self) -> Iterator[Object]:
        return iter(self.every)

    @cached_property
    def objects(self) -> dict[Key, Object]:
        """The objects by key."""
        return {item.key: item for item in self.every}

    def get(self, key: Key) -> Object | None:
        return self.objects.get(key)

    def of_kinds(self, *kinds: str) -> Iterator[Object]:
        """The objects of the given kinds, in the order of the kinds."""
        for kind in kinds:
            yield from self._by_kind.get(kind, ())

    @cached_property
    def namespaces(self) -> frozenset[str]:
        """The namespaces of all objects."""
        return frozenset(item.key.namespace for item in self.every)

    @cached_property
    def _by_kind(self) -> dict[str, list[Object]]:
        kinds: dict[str, list[Object]] = {}
        for item in self.every:
            kinds.setdefault(item.key.kind, []).append(item)
        return kinds
