"""How one field of an object is broken."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from constructs_lib.manifests.capacity import pod_template
from constructs_lib.model import Manifest

Broken = Iterator[tuple[str, Manifest | None]]
"""A label, and the broken object; None where it is removed."""
ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class Edit:
    """A way to break objects of some kinds; no kinds means all."""

    kinds: tuple[str, ...]
    apply: Callable[[Manifest], Broken]


def _find(item: Any, path: str) -> Iterator[tuple[Any, Any]]:
    """Each holder and key at a path; `*` stands for every item of a list."""
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
    """Change one place after another, each in a copy of its own."""

    def apply(item: Manifest) -> Broken:
        for place, _ in enumerate(list(_find(item, path))):
            broken = copy.deepcopy(item)
            holder, key = list(_find(broken, path))[place]
            try:
                change(holder, key)
            except (KeyError, IndexError):
                continue
            yield f"{path.replace('*', str(place))} {what}", broken

    return apply


def put(path: str, value: Any) -> Callable[[Manifest], Broken]:
    """Set a field, whether it is there or not."""

    def change(holder: Any, key: Any) -> None:
        holder[key] = copy.deepcopy(value)

    return _changes(path, change, f"= {value!r}")


def become(path: str, value: Any) -> Callable[[Manifest], Broken]:
    """Change a field that is there."""

    def change(holder: Any, key: Any) -> None:
        holder[key]
        holder[key] = copy.deepcopy(value)

    return _changes(path, change, f"= {value!r}")


def cut(path: str) -> Callable[[Manifest], Broken]:
    """Remove a field or an item that is there."""

    def change(holder: Any, key: Any) -> None:
        del holder[key]

    return _changes(path, change, "removed")


def append(path: str, value: Any) -> Callable[[Manifest], Broken]:
    """Add an item to a list, which is made if it is not there."""

    def change(holder: Any, key: Any) -> None:
        items = [*(holder.get(key) or ()), copy.deepcopy(value)]
        holder[key] = items

    return _changes(path, change, f"+ {value!r}")


def removed(_: Manifest) -> Broken:
    """The object itself."""
    yield "removed", None


def in_pods(edit: Callable[[Manifest], Broken]) -> Callable[[Manifest], Broken]:
    """Break the pod template of whatever makes pods."""

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
    """Add the first item of a list to it once more."""

    def change(holder: Any, key: Any) -> None:
        holder[key] = [*holder[key], copy.deepcopy(holder[key][0])]

    return _changes(path, change, "twice")
