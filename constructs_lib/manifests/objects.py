"""Objects and collections of them, wherever they come from: an App, files, a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from constructs_lib.manifests.kinds import group
from constructs_lib.model import Manifest


class Key(NamedTuple):
    """What makes two manifests the same object. The API version is not part of it."""

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
    """One object, and where it is written."""

    key: Key
    manifest: Manifest
    file: str = ""
    """The file that it is in; empty if it is in none."""
    line: int = 0
    """Where it begins there; 0 if that is not known."""
    text: str = ""
    """As it is written there; empty if that is not known."""

    @classmethod
    def of(cls, manifest: Manifest, file: str = "", line: int = 0, text: str = "") -> Object:
        """Take the key from the manifest."""
        metadata = manifest["metadata"]
        namespace = metadata.get("namespace") or ""
        key = Key(group(manifest), manifest["kind"], namespace, metadata["name"])
        return cls(key, manifest, file, line, text)

    @property
    def kind(self) -> str:
        """As `Deployment`."""
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
        """Its `spec`; empty where it has none."""
        return self.manifest.get("spec") or {}

    @property
    def annotations(self) -> dict[str, str]:
        """Its annotations."""
        return self.manifest["metadata"].get("annotations") or {}

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return self.manifest["metadata"].get("labels") or {}


class Objects:
    """Some objects, found by kind and by key."""

    def __init__(self, objects: Iterable[Object]) -> None:
        """Of several objects with one key, `get` finds the last."""
        self.every = tuple(objects)

    @classmethod
    def of(cls, manifests: Iterable[Manifest]) -> Objects:
        """Those of plain manifests, which are in no file."""
        return cls(map(Object.of, manifests))

    def __iter__(self) -> Iterator[Object]:
        return iter(self.every)

    @cached_property
    def objects(self) -> dict[Key, Object]:
        """By key."""
        return {item.key: item for item in self.every}

    def get(self, key: Key) -> Object | None:
        """The object with this key."""
        return self.objects.get(key)

    def of_kinds(self, *kinds: str) -> Iterator[Object]:
        """The objects of some kinds, kind by kind."""
        for kind in kinds:
            yield from self._by_kind.get(kind, ())

    @cached_property
    def namespaces(self) -> frozenset[str]:
        """Those that some object is in."""
        return frozenset(item.key.namespace for item in self.every)

    @cached_property
    def _by_kind(self) -> dict[str, list[Object]]:
        kinds: dict[str, list[Object]] = {}
        for item in self.every:
            kinds.setdefault(item.key.kind, []).append(item)
        return kinds
