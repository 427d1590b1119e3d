"""A fake API server with the endpoints that a review uses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from constructs_lib.model import Manifest
from ops.cluster.client import Response
from ops.errors import StatusError
from tests.ops.day_two.api_server import write_kubeconfig
from tests.serving import JsonHandler, serving

_PLURALS = {"Ingress": "ingresses", "NetworkPolicy": "networkpolicies"}
_PATH = re.compile(
    r"/(?:api|apis)/(?P<version>v1|[^/]+/[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?(?:/(?P<plural>[^/]+))?(?:/(?P<name>[^/]+))?"
)


def plural(kind: str) -> str:
    """`ingresses` of `Ingress`."""
    return _PLURALS.get(kind, f"{kind.lower()}s")


def place(item: Manifest) -> str:
    """The URL path of an object."""
    metadata = item["metadata"]
    version = item["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    inside = f"/namespaces/{metadata['namespace']}" if metadata.get("namespace") else ""
    return f"{root}{inside}/{plural(item['kind'])}/{metadata['name']}"


class FakeServer:
    """Replaces a Client. It sets no defaults; an apply overwrites fields."""

    context = "test"

    def __init__(self, kinds: Iterable[Manifest], stored: Iterable[Manifest] = ()) -> None:
        """Create a server.

        Args:
            kinds: Objects with the kinds to serve.
            stored: The objects in the cluster. Default: none.
        """
        secrets = {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "x"}}
        self.kinds = sorted(
            {
                (one["apiVersion"], one["kind"], bool(one["metadata"].get("namespace")))
                for one in (*kinds, secrets)
            }
        )
        self.stored = {place(item): deepcopy(item) for item in stored}
        self.answers: dict[str, Response] = {}
        """Fixed answers, by method and path."""
        self.whole: set[str] = set()
        """Paths of objects and lists that were read in full."""
        self.changed: list[str] = []
        """Method and path of writes that were not dry runs."""
        self.tried: list[str] = []
        """Paths of dry runs."""

    def exchange(self, method: str, path: str, **options: Any) -> Response:
        if f"{method} {path}" in self.answers:
            return self.answers[f"{method} {path}"]
        if path == "/apis":
            versions = dict.fromkeys(version for version, _, _ in self.kinds if "/" in version)
            named = [{"groupVersion": version} for version in versions]
            groups = [{"versions": [one], "preferredVersion": one} for one in named]
            return Response(200, {"groups": groups})
        match = _PATH.fullmatch(path)
        assert match, path
        if method != "GET":
            return self._write(method, path, match["namespace"], options)
        if match["plural"]:
            return self._read(path, match["name"], options.get("accept", ""))
        resources = [
            {"kind": kind, "name": plural(kind), "namespaced": namespaced, "verbs": ["list"]}
            for version, kind, namespaced in self.kinds
            if version == match["version"]
        ]
        return Response(200, {"resources": resources})

    def read(self, path: str) -> Manifest | None:
        response = self.exchange("GET", path)
        if not response.accepted and response.status != 404:
            raise StatusError(f"the cluster refuses GET {path}", response.status)
        return response.content if response.accepted else None

    def _read(self, path: str, name: str | None, accept: str) -> Response:
        if name and path not in self.stored:
            return Response(404, {})
        if name and "PartialObjectMetadata" in accept:
            return Response(200, {"metadata": self.stored[path]["metadata"]})
        if name:
            self.whole.add(path)
            return Response(200, self.stored[path])
        items = [item for at, item in self.stored.items() if at.rpartition("/")[0] == path]
        if "as=Table" in accept:
            rows = [{"cells": [one["type"]], "object": {"metadata": one["metadata"]}}
                    for one in items]  # fmt: skip
            return Response(200, {"columnDefinitions": [{"name": "Type"}], "rows": rows})
        if "PartialObjectMetadata" in accept:
            return Response(200, {"items": [{"metadata": item["metadata"]} for item in items]})
        self.whole.add(path)
        return Response(200, {"items": deepcopy(items)})

    def _write(self, method: str, path: str, namespace: str | None, options: Manifest) -> Response:
        if (options.get("query") or {}).get("dryRun") != "All":
            self.changed.append(f"{method} {path}")
            return Response(200, {})
        self.tried.append(path)
        if namespace and f"/api/v1/namespaces/{namespace}" not in self.stored:
            return Response(404, {"message": f'namespaces "{namespace}" not found'})
        item = deepcopy(self.stored.get(path, {}))
        write(item, options.get("body") or {}, remove="merge" in options.get("content_type", ""))
        return Response(200 if path in self.stored else 201, item)


def write(item: Manifest, change: Any, *, remove: bool = False) -> None:
    """Merge `change` into `item`; with `remove`, null removes a field."""
    for name, value in change.items():
        if isinstance(value, dict):
            write(item.setdefault(name, {}), value, remove=remove)
        elif value is None and remove:
            item.pop(name, None)
        else:
            item[name] = deepcopy(value)


@contextmanager
def over_http(
    server: FakeServer,
    kubeconfig: Path,
    instead: Callable[[str, str], Response | None] = lambda *_: None,
) -> Iterator[None]:
    """Run a server that answers with `instead`, or like `server`, and write its kubeconfig."""

    class Handler(JsonHandler):
        def _any(self) -> None:
            url, body = urlsplit(self.path), self.body()
            answer = instead(self.command, url.path) or server.exchange(
                self.command,
                url.path,
                query=dict(parse_qsl(url.query)),
                body=body,
                content_type=self.headers["Content-Type"] or "",
                accept=self.headers["Accept"] or "",
            )
            self.answer(answer.status, answer.content)

        do_GET = do_PATCH = do_POST = do_PUT = do_DELETE = _any  # noqa: N815 names of http.server

    with serving(Handler) as address:
        write_kubeconfig(kubeconfig, address)
        yield
