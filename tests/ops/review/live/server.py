"""A fake API server with the endpoints that a review uses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from ops.cluster import Answer, Object

_PLURALS = {"Ingress": "ingresses", "NetworkPolicy": "networkpolicies"}
_PATH = re.compile(
    r"/(?:api|apis)/(?P<version>v1|[^/]+/[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?(?:/(?P<plural>[^/]+))?(?:/(?P<name>[^/]+))?"
)


def plural(kind: str) -> str:
    """`ingresses` of `Ingress`."""
    return _PLURALS.get(kind, f"{kind.lower()}s")


def place(item: Object) -> str:
    """The URL path of an object."""
    metadata = item["metadata"]
    version = item["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    inside = f"/namespaces/{metadata['namespace']}" if metadata.get("namespace") else ""
    return f"{root}{inside}/{plural(item['kind'])}/{metadata['name']}"


class FakeServer:
    """Replaces a Connection. It sets no defaults; an apply overwrites fields."""

    context = "test"

    def __init__(self, kinds: Iterable[Object], stored: Iterable[Object] = ()) -> None:
        """Create a server.

        Args:
            kinds: Objects with the kinds to serve.
            stored: The objects in the cluster. Default: none.
        """
        self.kinds = {
            (one["apiVersion"], one["kind"], bool(one["metadata"].get("namespace")))
            for one in (
                *kinds,
                {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "x"}},
            )
        }
        self.stored = {place(item): deepcopy(item) for item in stored}
        self.answers: dict[str, Answer] = {}
        """Fixed answers, by method and path."""
        self.whole: set[str] = set()
        """Paths of objects and lists that were read in full."""
        self.changed: list[str] = []
        """Method and path of writes that were not dry runs."""
        self.tried: list[str] = []
        """Paths of dry runs."""

    def exchange(self, method: str, path: str, **options: Any) -> Answer:
        if f"{method} {path}" in self.answers:
            return self.answers[f"{method} {path}"]
        if method != "GET":
            return self._try(method, path, **options)
        if path == "/apis":
            return Answer(200, {"groups": self._groups()})
        match = _PATH.fullmatch(path)
        assert match, path
        if not match["plural"]:
            return Answer(200, {"resources": self._resources(match["version"])})
        return self._read(path, match["name"], options.get("accept", ""))

    def _read(self, path: str, name: str | None, accept: str) -> Answer:
        if name:
            self.whole.add(path)
            return Answer(200, self.stored[path]) if path in self.stored else Answer(404, {})
        items = [item for at, item in self.stored.items() if at.rpartition("/")[0] == path]
        if "as=Table" in accept:
            rows = [{"cells": [one["type"]], "object": {"metadata": one["metadata"]}}
                    for one in items]  # fmt: skip
            return Answer(200, {"columnDefinitions": [{"name": "Type"}], "rows": rows})
        if "PartialObjectMetadata" in accept:
            return Answer(200, {"items": [{"metadata": item["metadata"]} for item in items]})
        self.whole.add(path)
        return Answer(200, {"items": deepcopy(items)})

    def get(self, path: str) -> Object | None:
        return self.stored.get(path)

    def _try(
        self,
        method: str,
        path: str,
        *,
        query: Object | None = None,
        body: Object | None = None,
        content_type: str = "",
        **_: Any,
    ) -> Answer:
        if (query or {}).get("dryRun") == "All":
            self.tried.append(path)
        else:
            self.changed.append(f"{method} {path}")
            return Answer(200, {})
        match = _PATH.fullmatch(path)
        namespace = match["namespace"] if match else None
        if namespace and f"/api/v1/namespaces/{namespace}" not in self.stored:
            return Answer(404, {"message": f'namespaces "{namespace}" not found'})
        item = deepcopy(self.stored.get(path, {}))
        write(item, body or {}, remove="merge" in content_type)
        return Answer(200 if path in self.stored else 201, item)

    def _groups(self) -> list[Object]:
        versions = sorted({version for version, _, _ in self.kinds if "/" in version})
        return [
            {"versions": [{"groupVersion": one}], "preferredVersion": {"groupVersion": one}}
            for one in versions
        ]

    def _resources(self, version: str) -> list[Object]:
        return [
            {"kind": kind, "name": plural(kind), "namespaced": namespaced, "verbs": ["list"]}
            for of, kind, namespaced in sorted(self.kinds)
            if of == version
        ]


def write(item: Object, change: Any, *, remove: bool = False) -> None:
    """Merge `change` into `item`; with `remove`, null removes a field."""
    for name, value in change.items():
        if isinstance(value, dict):
            write(item.setdefault(name, {}), value, remove=remove)
        elif value is None and remove:
            item.pop(name, None)
        else:
            item[name] = deepcopy(value)
