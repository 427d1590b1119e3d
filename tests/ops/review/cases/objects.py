"""Edits of `dist/`. Objects and fields are named as in a report.

For example `Deployment cerebro/cerebro-api` and `spec.template.spec.containers[cerebro-api].image`.
`[0]` is the first item of a list, `[cerebro-api]` the item with this value in one of its fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import yaml

from tests.ops.review.edits import Edit, Files

_SEPARATOR = "---\n"


def set_field(name: str, path: str, value: Any) -> Edit:
    """Set a field to another value, or add it to an existing object."""

    def change(manifest: Any) -> None:
        parent, last = _find(manifest, path)
        unchanged = isinstance(parent, dict) and last in parent and parent[last] == value
        assert not unchanged, f"{name} already has {path}: {value}"
        parent[last] = value

    return _change(name, change)


def remove_field(name: str, path: str) -> Edit:
    """Remove a field, or an item of a list."""

    def change(manifest: Any) -> None:
        parent, last = _find(manifest, path)
        del parent[last]

    return _change(name, change)


def append(name: str, path: str, item: Any) -> Edit:
    """Add an item to a list."""

    def change(manifest: Any) -> None:
        parent, last = _find(manifest, path)
        parent[last].append(item)

    return _change(name, change)


def reverse(name: str, path: str) -> Edit:
    """Reverse a list."""

    def change(manifest: Any) -> None:
        parent, last = _find(manifest, path)
        parent[last].reverse()

    return _change(name, change)


def delete(*names: str) -> Edit:
    """Delete objects; their files remain."""

    def edit(files: Files) -> Files:
        for name in names:
            file, place = _locate(files, name)
            documents = files[file].split(_SEPARATOR)
            files = {**files, file: _SEPARATOR.join(documents[:place] + documents[place + 1 :])}
        return files

    return edit


def create(
    file: str, name: str, api_version: str, annotations: dict[str, str] | None = None, **fields: Any
) -> Edit:
    """Append an object to a file."""
    kind, *namespace, object_name = re.split("[ /]", name)
    metadata: dict[str, Any] = {"name": object_name}
    metadata |= {"namespace": namespace[0]} if namespace else {}
    metadata |= {"annotations": annotations} if annotations else {}
    manifest = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}
    text = _SEPARATOR + yaml.safe_dump(manifest, sort_keys=False)
    return lambda files: {**files, file: files[file] + text}


def reverse_objects(file: str) -> Edit:
    """Reverse the order of the objects in a file."""
    return lambda files: {**files, file: _SEPARATOR.join(reversed(files[file].split(_SEPARATOR)))}


def _change(name: str, change: Callable[[Any], None]) -> Edit:
    """Edit one object; the text of all others remains as it is."""

    def edit(files: Files) -> Files:
        file, place = _locate(files, name)
        documents = files[file].split(_SEPARATOR)
        manifest = yaml.safe_load(documents[place])
        change(manifest)
        documents[place] = yaml.safe_dump(manifest, sort_keys=False)
        return {**files, file: _SEPARATOR.join(documents)}

    return edit


def _locate(files: Files, name: str) -> tuple[str, int]:
    """The file of an object, and its place in it."""
    for file, text in files.items():
        if file.endswith(".yaml"):
            for place, document in enumerate(text.split(_SEPARATOR)):
                if _name(document) == name:
                    return file, place
    raise AssertionError(f"dist/ has no {name}")


@cache
def _name(document: str) -> str:
    manifest = yaml.safe_load(document)
    metadata = manifest["metadata"]
    namespace = f"{metadata['namespace']}/" if "namespace" in metadata else ""
    return f"{manifest['kind']} {namespace}{metadata['name']}"


def _find(manifest: Any, path: str) -> tuple[Any, str | int]:
    """The map or list that contains the field, and its key or index there."""
    *parents, last = (step.strip("[]") for step in re.findall(r"\[[^\]]+\]|[^.\[\]]+", path))
    found = manifest
    for step in parents:
        found = found[_key(found, step)]
    return found, _key(found, last)


def _key(parent: Any, step: str) -> str | int:
    if isinstance(parent, dict):
        return step
    if step.isdigit():
        return int(step)
    return next(
        place
        for place, item in enumerate(parent)
        if item == step or (isinstance(item, dict) and step in item.values())
    )
