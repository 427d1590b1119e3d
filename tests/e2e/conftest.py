"""Fixtures and reports of the tests on a real control plane.

The fixture `control_plane` is shared by the whole run. Its External Secrets serves v1beta1; tests
with `@pytest.mark.external_secrets("v1beta1", "v1")` run once on each version. pytest orders tests
so that each control plane starts once.
"""

import signal
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

import pytest

from local_cluster.control_plane import ControlPlane, running_control_plane
from local_cluster.installing import PREREQUISITES, PrerequisiteError, Say, require
from tests.conftest import copy_checkout, needed_by_all
from tests.e2e.installed import Installed
from tests.e2e.report import Claim, state_of, table

_DEFAULT = "v1beta1"
_CLAIMS = pytest.StashKey[list[Claim]]()

Claimed = Callable[[str], AbstractContextManager[Callable[[object], None]]]


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Say:
    """Write a line of progress past pytest's capture."""
    capture: Any = pytestconfig.pluginmanager.getplugin("capturemanager")

    def write(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n  {line}", end="", flush=True)

    return write


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest, say: Say) -> Iterator[ControlPlane]:
    """A running control plane with the requested version of External Secrets."""
    starting = running_control_plane(request.param, say)
    with needed_by_all(request, "the control plane", starting) as running:
        yield running


@pytest.fixture(scope="session")
def installation(control_plane: ControlPlane, say: Say) -> Installed:
    """The installed and synced platform on that control plane."""
    installed = Installed(**vars(control_plane))
    installed.install(say)
    return installed


@pytest.fixture
def restored(installation: Installed) -> Iterator[None]:
    """Restores dist/ after the test."""
    yield
    installation.restore()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout for `make cluster`, in which tests change dist/."""
    folder = copy_checkout(tmp_path_factory.mktemp("local-cluster") / "checkout")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


@pytest.fixture
def claim(request: pytest.FixtureRequest, pytestconfig: pytest.Config, say: Say) -> Claimed:
    """State what a test shows, for the table at the end of the run.

    `with claim("Pods run only on arm64 nodes") as measured: ...; measured("14 pods")`
    """
    _, bracket, parameters = request.node.name.partition("[")

    def make(sentence: str) -> AbstractContextManager[Callable[[object], None]]:
        claims = pytestconfig.stash[_CLAIMS]
        claims.append(Claim(f"{sentence} {bracket}{parameters}".rstrip()))
        say(claims[-1].sentence)
        return claims[-1].checked()

    return make


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_CLAIMS] = []
    for marker in (
        "own_cluster: starts a separate cluster, so it can run in parallel",
        "external_secrets(*versions): run once with each version of its API",
    ):
        config.addinivalue_line("markers", marker)


def pytest_sessionstart(session: pytest.Session) -> None:
    """With `-m e2e`, check the prerequisites before the collection."""
    if session.config.getoption("markexpr") == "e2e":
        _prepare(session.config)


def pytest_collection_finish(session: pytest.Session) -> None:
    """With any other selection, check the prerequisites after the collection."""
    if any(item.get_closest_marker("e2e") for item in session.items):
        _prepare(session.config)


def _prepare(config: pytest.Config) -> None:
    if config.getoption("collectonly"):
        return
    # SIGTERM acts like Ctrl-C, so that fixtures are torn down and all processes are stopped
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        require("e2e", PREREQUISITES)
    except PrerequisiteError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this directory, so that other runs can exclude them."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("e2e")
            if "control_plane" not in getattr(item, "fixturenames", ()):
                item.add_marker("own_cluster")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "control_plane" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("external_secrets")
        versions = marker.args if marker else (_DEFAULT,)
        metafunc.parametrize("control_plane", versions, indirect=True, scope="session")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the state of the control plane to the report of a failed test."""
    report = yield
    control_plane = getattr(item, "funcargs", {}).get("control_plane")
    if report.failed and control_plane:
        report.sections.extend(state_of(control_plane))
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if claims := config.stash[_CLAIMS]:
        terminalreporter.section("claims")
        terminalreporter.write(table(claims, get_terminal_size().columns))
