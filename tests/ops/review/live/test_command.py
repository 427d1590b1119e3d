"""`python -m ops review --cluster` over HTTP: errors of the cluster."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from typer.testing import Result

from constructs_lib.model import Manifest
from ops.cluster import client
from ops.cluster.client import Response
from tests.ops.conftest import error_of, invoke
from tests.ops.day_two.api_server import write_kubeconfig
from tests.ops.review.live.server import ARGOCD, DECLARED, FakeServer, over_http

pytestmark = pytest.mark.usefixtures("reviewed")
NOWHERE = "http://127.0.0.1:1"
NAMESPACE = "/api/v1/namespaces/cerebro"


run = partial(invoke, "review")


def review(
    kubeconfig: Path,
    objects: tuple[Manifest, ...] = DECLARED,
    instead: Callable[[str, str], Response | None] = lambda *_: None,
) -> Result:
    """The review of a cluster with some objects, which answers with `instead`, if anything."""
    server = FakeServer(objects, [*objects, ARGOCD])
    with over_http(server, kubeconfig, instead):
        done = run("--cluster")
    assert server.changed == []
    return done


def test_a_cluster_in_sync(kubeconfig: Path) -> None:
    done = review(kubeconfig)
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

    def fail(asked: str, path: str) -> Response | None:
        if (asked, path) != (method, NAMESPACE):
            return None
        if response:
            return Response(response[0], {"message": response[1]})
        time.sleep(1)
        return None

    done = review(kubeconfig, instead=fail)
    assert expected in error_of(done, 2)
    assert response or "cannot be reached at http://127.0.0.1:" in error_of(done, 2)
    assert done.stdout == ""


def test_a_server_that_lacks_a_kind(kubeconfig: Path) -> None:
    done = review(kubeconfig, tuple(one for one in DECLARED if one["kind"] != "Application"))
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
