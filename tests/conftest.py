"""Shared fixtures: the committed files, and a rendering of the charts."""

import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
import yaml

from catalogue.platform import AnalyticsPlatform, current
from charts import registry
from charts.output import read
from constructs_lib.kubernetes import App
from constructs_lib.model import Manifest

ROOT = Path(__file__).parents[1]
T = TypeVar("T")


def pytest_configure() -> None:
    """Deliver Ctrl-C to commands under test, even in background jobs of a shell."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def committed() -> dict[str, str]:
    """The files of dist/ in the checkout, text by path."""
    return read(ROOT / "dist")


@pytest.fixture(scope="session")
def platform() -> AnalyticsPlatform:
    return current()


@pytest.fixture(scope="session")
def app(platform: AnalyticsPlatform) -> App:
    return registry.build(platform)


@pytest.fixture(scope="session")
def objects(committed: dict[str, str]) -> list[Manifest]:
    """All objects in dist/."""
    return list(parse(committed))


@contextmanager
def needed_by_all(
    request: pytest.FixtureRequest, what: str, starting: AbstractContextManager[T]
) -> Iterator[T]:
    """Start a resource that all tests need; if that fails, the run ends with the error."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(starting)
        except Exception:
            request.session.shouldfail = f"{what} does not start, but all tests need it"
            raise
        yield running


def run(
    *command: str | Path,
    folder: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in our environment or another one."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def program(file: Path, script: str) -> Path:
    """Create a program that is a shell script."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    file.chmod(0o755)
    return file


def edit(file: Path, old: str, new: str) -> None:
    """Replace the first occurrence of a text in a file, which must have it."""
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def copy_checkout(folder: Path) -> Path:
    """Copy this checkout to `folder`, with links to its .venv and node_modules."""
    installed = (".venv", "node_modules")
    ignored = shutil.ignore_patterns(".git", "cdk.out", "__pycache__", ".*_cache", *installed)
    shutil.copytree(ROOT, folder, ignore=ignored, dirs_exist_ok=True)
    for name in installed:
        (folder / name).symlink_to(ROOT / name)
    return folder


_ROOM = """
from dataclasses import replace

_ROOM = Resources(cpu=("99", "99"), memory=("99Gi", "99Gi"), ephemeral_storage=("99Gi", "99Gi"))
NAMESPACES = tuple(
    replace(one, quota=replace(one.quota, resources=_ROOM, pods=99)) for one in NAMESPACES
)
"""


def make_room(checkout: Path) -> None:
    """Raise the quotas in a copy of the checkout, whatever already runs."""
    with (checkout / "charts/cluster/namespaces.py").open("a") as file:
        file.write(_ROOM)


def parse(files: dict[str, str]) -> Iterator[Manifest]:
    """The objects in rendered files."""
    for path, text in files.items():
        if path.endswith(".yaml"):
            yield from yaml.load_all(text, yaml.CSafeLoader)


def manifest(kind: str, spec: Manifest, name: str = "one", namespace: str = "space") -> Manifest:
    """An object of a kind such as `apps/v1/Deployment`."""
    version, _, kind = kind.rpartition("/")
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
