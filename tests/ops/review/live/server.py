"""An API server that dry-runs requests, as a review needs, and a cluster with dist/."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonpatch

from constructs_lib.manifests.objects import Object
from constructs_lib.model import Manifest
from ops.cluster.client import Discovery, Response
from ops.errors import StatusError
from ops.review.live.report import compare
from ops.review.load import of_cluster, read
from ops.review.report import Report
from tests.ops.day_two.api_server import ApiServer, merge, place, write_kubeconfig
from tests.ops.review.edits import rendered, revision
from tests.serving import JsonHandler, serving

HEAD = revision(rendered(), "the working tree")
DECLARED: tuple[Manifest, ...] = tuple(item.manifest for item in of_cluster(read(HEAD)))
ARGOCD: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}
API = "Deployment cerebro/cerebro-api"
NAMESPACE = "Namespace cerebro"


class FakeServer(ApiServer):
    """Replaces a Client. It sets no defaults; an apply overwrites fields."""

    context = "test"

    def __init__(self, kinds: Iterable[Manifest], stored: Iterable[Manifest] = ()) -> None:
        """Create a server.

        Args:
            kinds: Objects with the kinds to serve.
            stored: The objects in the cluster. Default: none.
        """
        super().__init__()
        served: dict[str, set[str]] = defaultdict(set, {"v1": {"Secret"}})
        for item in kinds:
            served[item["apiVersion"]].add(item["kind"])
        self.served = {version: sorted(served[version]) for version in sorted(served)}
        self.resources = Discovery(self)  # type: ignore[arg-type]
        self.stored = self.objects
        self.stored |= {place(item): deepcopy(item) for item in stored}
        self.responses: dict[str, Response] = {}
        """Fixed responses, by method and path."""
        self.whole: set[str] = set()
        """Paths of objects and lists that were read in full."""
        self.changed: list[str] = []
        """Method and path of writes that were not dry runs."""
        self.tried: list[str] = []
        """Paths of dry runs."""

    def exchange(self, method: str, path: str, **options: Any) -> Response:
        if f"{method} {path}" in self.responses:
            return self.responses[f"{method} {path}"]
        if discovered := self.discovery(path):
            return Response(200, discovered)
        if method != "GET":
            return self._write(method, path, options)
        return self._read(path, options.get("accept", ""))

    def read(self, path: str) -> Manifest | None:
        response = self.exchange("GET", path)
        if not response.accepted and response.status != 404:
            raise StatusError(f"the cluster refuses GET {path}", response.status)
        return response.content if response.accepted else None

    def _read(self, path: str, accept: str) -> Response:
        if path in self.stored and "PartialObjectMetadata" in accept:
            return Response(200, {"metadata": self.stored[path]["metadata"]})
        if path in self.stored:
            self.whole.add(path)
            return Response(200, self.stored[path])
        if not self.is_collection(path):
            return Response(404, {})
        items = self.collection(path)
        if "as=Table" in accept:
            rows = [{"cells": [item["type"]], "object": {"metadata": item["metadata"]}}
                    for item in items]  # fmt: skip
            return Response(200, {"columnDefinitions": [{"name": "Type"}], "rows": rows})
        if "PartialObjectMetadata" in accept:
            return Response(200, {"items": [{"metadata": item["metadata"]} for item in items]})
        self.whole.add(path)
        return Response(200, {"items": deepcopy(items)})

    def _write(self, method: str, path: str, options: Manifest) -> Response:
        if (options.get("query") or {}).get("dryRun") != "All":
            self.changed.append(f"{method} {path}")
            return Response(200, {})
        self.tried.append(path)
        _, _, inside = path.partition("/namespaces/")
        namespace, _, named = inside.partition("/")
        if named and f"/api/v1/namespaces/{namespace}" not in self.stored:
            return Response(404, {"message": f'namespaces "{namespace}" not found'})
        item = deepcopy(self.stored.get(path, {}))
        if "json-patch" in options.get("content_type", ""):
            jsonpatch.apply_patch(item, options["body"], in_place=True)
        else:
            merge(item, options.get("body") or {})
        return Response(200 if path in self.stored else 201, item)


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


def find(key: str) -> Manifest:
    return deepcopy(next(one for one in DECLARED if str(Object.of(one).key) == key))


def cluster(*others: Manifest) -> FakeServer:
    """A cluster in sync with dist/, with some objects replaced or added."""
    return FakeServer(DECLARED, [*DECLARED, ARGOCD, *others])


def made(kind: str, name: str, namespace: str = "crawlers", **fields: Any) -> Manifest:
    versions = {manifest["kind"]: manifest["apiVersion"] for manifest in DECLARED}
    metadata = {"name": name, "namespace": namespace, **fields.pop("metadata", {})}
    return {"apiVersion": versions.get(kind, "v1"), "kind": kind, "metadata": metadata, **fields}


def changed(key: str, change: Callable[[Manifest], object]) -> Manifest:
    item = find(key)
    change(item)
    return item


def review(server: FakeServer) -> Report:
    report = compare(server, HEAD)  # type: ignore[arg-type]
    assert server.changed == []
    assert not any("/secrets" in path for path in server.whole)
    return report


def said(report: Report, key: str) -> list[str]:
    return [f"{f.risk} {f.severity}: {f.text}" for f in report.findings if str(f.key) == key]


def refused(status: int, message: str, **details: Any) -> Response:
    return Response(status, {"message": message, "details": details})


def denied(verb: str, resource: str, group: str = "", namespace: str = "") -> Response:
    place = f' in the namespace "{namespace}"' if namespace else ""
    what = f'cannot {verb} resource "{resource}" in API group "{group}"{place}'
    return refused(403, f'x is forbidden: User "x" {what}')
