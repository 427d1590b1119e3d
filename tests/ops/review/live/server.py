"""A cluster with dist/, its review, and refusals of its API server."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from constructs_lib.manifests.objects import Object
from constructs_lib.model import Manifest
from ops.review.live.report import compare
from ops.review.load import of_cluster, read
from ops.review.report import Report
from tests.ops.day_two.api_server import ApiServer, Fixed
from tests.ops.review.edits import rendered, revision

HEAD = revision(rendered(), "the working tree")
DECLARED: tuple[Manifest, ...] = tuple(item.manifest for item in of_cluster(read(HEAD)))
ARGOCD: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}
WIDGET = {"apiVersion": "x.example/v1", "kind": "Widget", "metadata": {"namespace": "a"}}
API = "Deployment cerebro/cerebro-api"
NAMESPACE = "Namespace cerebro"


def find(key: str) -> Manifest:
    return deepcopy(next(one for one in DECLARED if str(Object.of(one).key) == key))


def cluster(*others: Manifest) -> ApiServer:
    """A cluster in sync with dist/, with some objects replaced or added."""
    return ApiServer(DECLARED, [*DECLARED, ARGOCD, *others])


def made(kind: str, name: str, namespace: str = "crawlers", **fields: Any) -> Manifest:
    versions = {manifest["kind"]: manifest["apiVersion"] for manifest in DECLARED}
    metadata = {"name": name, "namespace": namespace, **fields.pop("metadata", {})}
    return {"apiVersion": versions.get(kind, "v1"), "kind": kind, "metadata": metadata, **fields}


def changed(key: str, change: Callable[[Manifest], object]) -> Manifest:
    item = find(key)
    change(item)
    return item


def review(server: ApiServer) -> Report:
    report = compare(server, HEAD)  # type: ignore[arg-type]
    assert server.changed == []
    assert not any("/secrets" in path for path in server.whole)
    return report


def said(report: Report, key: str) -> list[str]:
    return [f"{f.risk} {f.severity}: {f.text}" for f in report.findings if str(f.key) == key]


def refused(status: int, message: str, **details: Any) -> Fixed:
    return status, {"message": message, "details": details}


def denied(verb: str, resource: str, group: str = "", namespace: str = "") -> Fixed:
    place = f' in the namespace "{namespace}"' if namespace else ""
    what = f'cannot {verb} resource "{resource}" in API group "{group}"{place}'
    return refused(403, f'x is forbidden: User "x" {what}')


WIDGETS_DENIED = {
    f"GET /apis/x.example/v1/namespaces/{name}/widgets": denied("list", "widgets")
    for name in ("cerebro", "crawlers")
}
