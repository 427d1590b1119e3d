"""Fixtures for several commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ops import pin, registry
from ops.commands import app
from tests.ops.checkouts import copy, create
from tests.ops.local_registry import LocalRegistry, local_registry
from tests.ops.review.edits import rendered

DIGEST = f"sha256:{64 * '1'}"
"""Of the images in the registry, unless one is asked for by digest."""


def invoke(*arguments: str, given: str | bytes = "") -> Result:
    """The result of `python -m ops <arguments>` in this process, with `given` on standard input."""
    return CliRunner().invoke(app, arguments, input=given, catch_exceptions=False)


def error_of(done: Result, status: int = 1) -> str:
    """The only error of a command that fails."""
    assert done.exit_code == status, done.output
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line.removeprefix("error: ")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalRegistry]:
    """An empty registry, and a Docker configuration without a login."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    with local_registry() as running:
        yield running


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed copy of the files that a pin changes; the registry has every image."""
    checkout = copy(("catalogue/images", "dist"), tmp_path / "checkout")
    monkeypatch.setattr(pin, "ROOT", checkout)
    monkeypatch.setattr(registry, "find", lambda image: image.partition("@")[2] or DIGEST)
    return checkout


@pytest.fixture
def reviewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a checkout with a committed dist/, as the cases of the review edit it."""
    checkout = create(tmp_path / "checkout", rendered())
    monkeypatch.chdir(checkout)
    return checkout


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubeconfig that does not exist yet."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return tmp_path / "kubeconfig"
