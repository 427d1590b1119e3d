"""Functions that break one field of an object."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from constructs_lib.manifests.capacity import pod_template
from constructs_lib.model import Manifest

Broken = Iterator[tuple[str, Manifest | None]]
"""A label and the broken object, or None if the object is removed."""
ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class Edit:
    """An edit of objects of some kinds; empty for all kinds."""

    kinds: tuple[str, ...]
    apply: Callable[[Manifest], Broken]


def _find(item: Any, path: str) -> Iterator[tuple[Any, Any]]:
    """Each container and key at a path; `*` matches every item of a list."""
    first, _, rest = path.partition("/")
    keys: list[Any]
    if isinstance(item, list):
        keys = list(range(len(item))) if first == "*" else []
    else:
        keys = [first.replace("~", "/")] if isinstance(item, dict) else []
    for key in keys:
        if not rest:
            yield item, key
        elif isinstance(item, list) or item.get(key) is not None:
            yield from _find(item[key], rest)


def _changes(path: str, change: Callable[[Any, Any], None], what: str) -> Callable[[Any], Broken]:
    """Change each match of a path, each in a separate copy."""

    def apply(item: Manifest) -> Broken:
        for index, _ in enumerate(list(_find(item, path))):
            broken = copy.deepcopy(item)
            container, key = list(_find(broken, path))[index]
            try:
                change(container, key)
            except (KeyError, IndexError):
                continue
            yield f"{path.replace('*', str(index))} {what}", broken

    return apply


def put(path: str, value: Any) -> Callable[[Manifest], Broken]:
    """Set a field, whether it exists or not."""

    def change(container: Any, key: Any) -> None:
        container[key] = copy.deepcopy(value)

    return _changes(path, change, f"= {value!r}")


def become(path: str, value: Any) -> Callable[[Manifest], Broken]:
    """Change an existing field."""

    def change(container: Any, key: Any) -> None:
        container[key]
        container[key] = copy.deepcopy(value)

    return _changes(path, change, f"= {value!r}")


def cut(path: str) -> Callable[[Manifest], Broken]:
    """Remove an existing field or item."""

    def change(container: Any, key: Any) -> None:
        del container[key]

    return _changes(path, change, "removed")


def append(path: str, value: Any) -> Callable[[Manifest], Broken]:
    """Add an item to a list, which is created if needed."""

    def change(container: Any, key: Any) -> None:
        items = [*(container.get(key) or ()), copy.deepcopy(value)]
        container[key] = items

    return _changes(path, change, f"+ {value!r}")


def removed(_: Manifest) -> Broken:
    """Remove the object."""
    yield "removed", None


def in_pods(edit: Callable[[Manifest], Broken]) -> Callable[[Manifest], Broken]:
    """Apply an edit to the pod template of a workload."""

    def apply(item: Manifest) -> Broken:
        template = pod_template(item)
        if template is None:
            return
        for label, broken in edit(template):
            whole = copy.deepcopy(item)
            inner = pod_template(whole)
            if inner is not None and broken is not None:
                inner.clear()
                inner.update(broken)
                yield label, whole

    return apply


def twice(path: str) -> Callable[[Manifest], Broken]:
    """Duplicate the first item of a list."""

    def change(container: Any, key: Any) -> None:
        container[key] = [*container[key], copy.deepcopy(container[key][0])]

    return _changes(path, change, "twice")
