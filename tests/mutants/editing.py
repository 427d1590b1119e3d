"""Functions that break one field of an object."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from constructs_lib.manifests.objects import pod_template
from constructs_lib.model import Manifest

Broken = Iterator[tuple[str, Manifest | None]]
"""A label and the broken object, or None if the object is removed."""
ELSEWHERE = "elsewhere"
_REMOVED = object()


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


def _changes(
    path: str, change: Callable[[Any], Any], what: str, *, creates: bool = False
) -> Callable[[Manifest], Broken]:
    """Change each value at a path, each in a separate copy.

    Args:
        path: The path.
        change: The new value, or _REMOVED, for a value; None for a missing one.
        what: The label of the change.
        creates: Whether it also sets a missing field.
    """

    def apply(item: Manifest) -> Broken:
        for index, (place, key) in enumerate(_find(item, path)):
            exists = isinstance(place, list) or key in place
            if exists or creates:
                broken = copy.deepcopy(item)
                container, _ = list(_find(broken, path))[index]
                value = change(container[key] if exists else None)
                if value is _REMOVED:
                    del container[key]
                else:
                    container[key] = copy.deepcopy(value)
                yield f"{path.replace('*', str(index))} {what}", broken

    return apply


def put(path: str, value: Any) -> Callable[[Manifest], Broken]:
    """Set a field, whether it exists or not."""
    return _changes(path, lambda _: value, f"= {value!r}", creates=True)


def become(path: str, value: Any) -> Callable[[Manifest], Broken]:
    """Change an existing field."""
    return _changes(path, lambda _: value, f"= {value!r}")


def cut(path: str) -> Callable[[Manifest], Broken]:
    """Remove an existing field or item."""
    return _changes(path, lambda _: _REMOVED, "removed")


def append(path: str, value: Any) -> Callable[[Manifest], Broken]:
    """Add an item to a list, which is created if needed."""
    return _changes(path, lambda items: [*(items or ()), value], f"+ {value!r}", creates=True)


def twice(path: str) -> Callable[[Manifest], Broken]:
    """Duplicate the first item of a list."""
    return _changes(path, lambda items: [*items, *items[:1]], "twice")


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
