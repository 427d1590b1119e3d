"""`python -m ops review --cluster` over HTTP: errors of the cluster, and missing permissions."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from ops.cluster import client
from ops.cluster.client import Response
from ops.errors import ClusterError
from tests.ops.conftest import error_of, invoke
from tests.ops.day_two.api_server import ApiServer, over_http, place, write_kubeconfig
from tests.ops.review.live import server as live

pytestmark = pytest.mark.usefixtures("reviewed")
NOWHERE = "http://127.0.0.1:1"
NAMESPACE = "/api/v1/namespaces/cerebro"


run = partial(invoke, "review")


def review(kubeconfig: Path, server: ApiServer) -> Result:
    """The review of a cluster."""
    with over_http(server, kubeconfig):
        done = run("--cluster")
    assert server.changed == []
    return done


def test_a_cluster_in_sync(kubeconfig: Path) -> None:
    done = review(kubeconfig, live.cluster())
    assert done.exit_code == 0
    assert " ".join(done.stdout.split()) == (
        "No change between the cluster of context test and the working tree."
    )


def test_no_cluster(kubeconfig: Path) -> None:
    write_kubeconfig(kubeconfig, NOWHERE)
    unreachable = f"the cluster of context test cannot be reached at {NOWHERE}"
    assert error_of(run("--cluster"), 2).startswith(unreachable)
    unknown = "the kubeconfig has no context other; use one of: test"
    assert error_of(run("--cluster", "--context", "other"), 2) == unknown


@pytest.mark.parametrize(
    ("method", "response", "expected"),
    [
        ("GET", None, "(ReadTimeoutError)"),
        ("PATCH", None, "(ReadTimeoutError)"),
        ("PATCH", (401, "Unauthorized"), "does not accept the credentials of context test"),
        ("PATCH", (429, "slow"), "the cluster throttles requests"),
        ("PATCH", (503, "etcd"), f"the API server failed on PATCH {NAMESPACE}: etcd; try again"),
    ],
)
def test_a_server_that_fails_or_is_slow(
    kubeconfig: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    response: tuple[int, str] | None,
    expected: str,
) -> None:
    monkeypatch.setattr(client, "_SECONDS", (5, 0.3 if response is None else 30))

    server = live.cluster()
    exchange = server.exchange

    def slow(asked: str, path: str, **options: Any) -> Response:
        if (asked, path) == (method, NAMESPACE):
            time.sleep(1)
        return exchange(asked, path, **options)

    if response:
        server.answers[f"{method} {NAMESPACE}"] = (response[0], {"message": response[1]})
    else:
        server.exchange = slow  # type: ignore[assignment,method-assign]
    done = review(kubeconfig, server)
    assert expected in error_of(done, 2)
    assert response or "cannot be reached at http://127.0.0.1:" in error_of(done, 2)
    assert done.stdout == ""


def test_a_server_that_lacks_a_kind(kubeconfig: Path) -> None:
    known = [one for one in live.DECLARED if one["kind"] != "Application"]
    done = review(kubeconfig, ApiServer(known, [*known, live.ARGOCD]))
    assert error_of(done, 2) == (
        "the cluster does not serve Application of argoproj.io/v1alpha1: 12 objects of dist/ could "
        "not be compared; install their CRDs, or set the versions in catalogue/target.py"
    )
    assert "the cluster does not serve argoproj.io/v1alpha1: install its CRD" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--cluster", "one", "two"), "--cluster accepts only one revision"),
        (("--cluster", "nowhere"), "revision 'nowhere' not found"),
        (("--context", "test"), "--context requires --cluster"),
    ],
)
def test_invalid_arguments(kubeconfig: Path, arguments: tuple[str, ...], problem: str) -> None:
    write_kubeconfig(kubeconfig, NOWHERE)
    done = run(*arguments)
    assert done.exit_code == 2
    assert problem in done.stderr


def test_all_missing_permissions_are_reported_at_once() -> None:
    server = live.cluster()
    server.answers = {
        f"GET /api/v1/namespaces/{name}/secrets": live.denied("list", "secrets", namespace=name)
        for name in ("cerebro", "crawlers")
    } | {"GET /api/v1/namespaces/crawlers": live.denied("get", "namespaces")}
    missing = "get namespaces, list secrets in cerebro, list secrets in crawlers"
    with pytest.raises(
        ClusterError, match=f"lacks permissions .*: {missing}; bind the ClusterRole"
    ):
        live.review(server)
    assert server.tried == []


def test_a_missing_permission_for_a_dry_run_is_reported() -> None:
    server = live.cluster()
    server.answers[f"PATCH {place(live.find(live.API))}"] = live.denied(
        "patch", "deployments", "apps", "cerebro"
    )
    with pytest.raises(ClusterError, match="patch deployments"):
        live.review(server)


def test_other_kinds_that_cannot_be_listed_are_reported() -> None:
    server = ApiServer([*live.DECLARED, live.WIDGET], [*live.DECLARED, live.ARGOCD])
    server.answers = live.WIDGETS_DENIED
    assert live.said(live.review(server), "Namespace cerebro") == [
        "unknown medium: other objects in it could not be checked: this context cannot list widgets"
    ]
