"""`ops review --cluster` with missing permissions."""

import pytest

from ops.errors import ClusterError
from tests.ops.day_two.api_server import place
from tests.ops.review.live.server import (
    API,
    ARGOCD,
    DECLARED,
    FakeServer,
    cluster,
    denied,
    find,
    review,
    said,
)

WIDGET = {"apiVersion": "x.example/v1", "kind": "Widget", "metadata": {"namespace": "a"}}
WIDGETS_DENIED = {
    f"GET /apis/x.example/v1/namespaces/{name}/widgets": denied("list", "widgets")
    for name in ("cerebro", "crawlers")
}


def test_all_missing_permissions_are_reported_at_once() -> None:
    server = cluster()
    server.responses = {
        f"GET /api/v1/namespaces/{name}/secrets": denied("list", "secrets", namespace=name)
        for name in ("cerebro", "crawlers")
    } | {"GET /api/v1/namespaces/crawlers": denied("get", "namespaces")}
    missing = "get namespaces, list secrets in cerebro, list secrets in crawlers"
    with pytest.raises(
        ClusterError, match=f"lacks permissions .*: {missing}; bind the ClusterRole"
    ):
        review(server)
    assert server.tried == []


def test_a_missing_permission_for_a_dry_run_is_reported() -> None:
    server = cluster()
    server.responses[f"PATCH {place(find(API))}"] = denied(
        "patch", "deployments", "apps", "cerebro"
    )
    with pytest.raises(ClusterError, match="patch deployments"):
        review(server)


def test_other_kinds_that_cannot_be_listed_are_reported() -> None:
    server = FakeServer([*DECLARED, WIDGET], [*DECLARED, ARGOCD])
    server.responses = WIDGETS_DENIED
    assert said(review(server), "Namespace cerebro") == [
        "unknown medium: other objects in it could not be checked: this context cannot list widgets"
    ]
