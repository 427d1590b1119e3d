"""Fixtures of the tests on a real control plane, and reports: claims, and its state on failure.

The fixture `control_plane` is shared by the whole run. Its External Secrets serves v1beta1; tests
with `@pytest.mark.external_secrets("v1beta1", "v1")` run once on each version. pytest orders tests
so that each control plane starts once.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from local_cluster.control_plane import ControlPlane, running_control_plane
from local_cluster.installing import PREREQUISITES, Say, require
from ops.errors import OpsError
from tests.conftest import copy_checkout, needed_by_all
from tests.e2e.installed import Installed

_DEFAULT = "v1beta1"
_VIEWS = {
    "Applications": ("get", "applications", "--namespace=argocd", "--output=wide"),
    "Messages of Applications": (
        *("get", "applications", "--namespace=argocd"),
        "--output=custom-columns=NAME:.metadata.name,CONDITIONS:.status.conditions[*].message,"
        "OPERATION:.status.operationState.message,"
        "RESOURCES:.status.operationState.syncResult.resources[*].message",
    ),
    "ExternalSecrets": ("get", "externalsecrets", "--all-namespaces"),
    "Workloads": ("get", "deployments,jobs,cronjobs,ingresses", "--all-namespaces"),
    "Pods": ("get", "pods", "--all-namespaces", "--output=wide"),
    "Last events": ("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"),
}
_LINES_OF_A_VIEW = 40


@dataclass
class Claim:
    """A statement about the system, and its measured result."""

    sentence: str
    measured: str = ""
    passed: bool = False
    seconds: float = 0

    @contextmanager
    def checked(self) -> Iterator[Callable[[object], None]]:
        """Yield a function for the measured result; the claim fails if the block raises."""
        started = time.monotonic()

        def measured(what: object) -> None:
            self.measured = str(what)

        try:
            yield measured
            self.passed = True
        finally:
            self.seconds = time.monotonic() - started


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
    except OpsError as error:
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


def table(claims: Iterable[Claim], width: int) -> str:
    """A table of the claims with this width."""
    rows = Table("", "time", "claim", "measured", box=None, pad_edge=False)
    for claim in claims:
        verdict = "passed" if claim.passed else "FAILED"
        rows.add_row(verdict, f"{claim.seconds:.0f} s", claim.sentence, claim.measured)
    console = Console(width=width, markup=False, highlight=False)
    with console.capture() as printed:
        console.print(rows)
    return printed.get()


def state_of(control_plane: ControlPlane) -> Iterator[tuple[str, str]]:
    """Titles and texts that explain a failure: objects, then the end of every log."""
    for title, command in _VIEWS.items():
        try:
            shown = control_plane.cluster.kubectl(*command).splitlines()
            yield title, "\n".join(shown[:1] + shown[1:][-_LINES_OF_A_VIEW:])
        except AssertionError as error:
            yield title, str(error)
    for name, process in control_plane.processes.items():
        yield f"log of {name}", process.tail()
