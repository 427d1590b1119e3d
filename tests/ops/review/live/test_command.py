"""`python -m ops review --cluster` over HTTP: errors of the cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ops.cluster import client
from ops.cluster.client import Response
from ops.commands import app
from tests.ops.day_two.api_server import write_kubeconfig
from tests.ops.review.edits import rendered
from tests.ops.review.live.server import FakeServer, over_http
from tests.ops.review.live.test_cluster import ARGOCD, DECLARED
from tests.ops.review.test_revisions import Checkout

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    checkout = Checkout(tmp_path / "checkout")
    checkout.commit(rendered())
    monkeypatch.chdir(checkout.folder)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return tmp_path / "kubeconfig"


@contextmanager
def answering(
    kubeconfig: Path, server: FakeServer, instead: Callable[[str, str], Response | None]
) -> Iterator[None]:
    """A cluster that answers with `instead`, or like `server`, and is not changed."""
    with over_http(server, kubeconfig, instead):
        yield
    assert server.changed == []


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["review", "--cluster", *options])


def sentence(done: Result) -> str:
    assert done.exit_code == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line.removeprefix("error: ")


def as_it_is(*_: str) -> Response | None:
    return None


def test_a_cluster_in_sync(kubeconfig: Path) -> None:
    with answering(kubeconfig, FakeServer(DECLARED, [*DECLARED, ARGOCD]), as_it_is):
        done = run()
    assert done.exit_code == 0
    assert " ".join(done.stdout.split()) == (
        "No change between the cluster of context test and the working tree."
    )


def test_no_cluster(kubeconfig: Path) -> None:
    write_kubeconfig(kubeconfig, NOWHERE)
    assert sentence(run()).startswith(f"the cluster of context test cannot be reached at {NOWHERE}")
    assert (
        sentence(run("--context", "other"))
        == "the kubeconfig has no context other; use one of: test"
    )


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_timeout_during_the_dry_runs(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(client, "_SECONDS", (5, 0.3))

    def slow(asked: str, path: str) -> Response | None:
        if (asked, path.rpartition("/")[2]) == (method, "cerebro"):
            time.sleep(1)
        return None

    with answering(kubeconfig, FakeServer(DECLARED, [*DECLARED, ARGOCD]), slow):
        done = run()
    assert "cannot be reached at http://127.0.0.1:" in sentence(done)
    assert "(ReadTimeoutError)" in sentence(done)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (401, "Unauthorized", "the cluster does not accept the credentials of context test"),
        (429, "slow", "the cluster throttles requests"),
        (503, "etcd", "the API server failed on PATCH /api/v1/namespaces/cerebro: etcd; try again"),
    ],
)
def test_a_server_that_fails_during_the_dry_runs(
    kubeconfig: Path, status: int, message: str, expected: str
) -> None:
    def refusing(method: str, path: str) -> Response | None:
        middle = (method, path) == ("PATCH", "/api/v1/namespaces/cerebro")
        return Response(status, {"message": message}) if middle else None

    with answering(kubeconfig, FakeServer(DECLARED, [*DECLARED, ARGOCD]), refusing):
        done = run()
    assert expected in sentence(done)
    assert done.stdout == ""


def test_a_server_that_lacks_a_kind(kubeconfig: Path) -> None:
    known = [one for one in DECLARED if one["kind"] != "Application"]
    with answering(kubeconfig, FakeServer(known, [*known, ARGOCD]), as_it_is):
        done = run()
    assert sentence(done) == (
        "the cluster does not serve Application of argoproj.io/v1alpha1: 12 objects of dist/ could "
        "not be compared; install their CRDs, or set the versions in catalogue/target.py"
    )
    assert "the cluster does not serve argoproj.io/v1alpha1: install its CRD" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("one", "two"), "--cluster accepts only one revision"),
        (("nowhere",), "revision 'nowhere' not found"),
    ],
)
def test_invalid_arguments(kubeconfig: Path, arguments: tuple[str, ...], problem: str) -> None:
    write_kubeconfig(kubeconfig, NOWHERE)
    done = run(*arguments)
    assert done.exit_code == 2
    assert problem in done.stderr


def test_a_context_needs_a_cluster() -> None:
    done = CliRunner().invoke(app, ["review", "--context", "test"])
    assert done.exit_code == 2
    assert "--context requires --cluster" in done.stderr
