"""Tests one service: builds the image from its sample, examines it, runs it, and stops it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from .containers import Container, Program
from .dockerfiles import DOCKER
from .plan import SAMPLES, Run, Service
from .rules import BUILD_TOOLS
from .store import ImageConfig, Store

#: The timeout for a program to get healthy or to exit by itself.
_TIMEOUT_SECONDS = 60

#: Directories of programs, and of downloads that builds may leave behind.
_PROGRAMS = (
    "bin",
    "sbin",
    "usr/bin",
    "usr/sbin",
    "usr/local/bin",
    "usr/local/sbin",
    "opt/venv/bin",
)
_DOWNLOADS = ("var/lib/apt/lists", "var/cache/apt/archives", "root/.cache", "root/.npm")


def run(service: Service, store: Store, volumes: tuple[str, ...], *, cached: bool) -> None:
    """Prints a line for each step. Raises AssertionError or BuildError."""
    seconds = _build(service, store, volumes, cached=cached)
    image = store.config(service.tag)
    print(f"{service.name}: built in {seconds:.0f} s")
    with store.root(service.tag) as root:
        _examine(root, image)
        if image.health:
            _unhealthy_without_its_program(service, image, root, store.scratch)
        for each in service.runs:
            print(f"  {each.name}: {_run(service, each, image, root, store.scratch)}")


def _build(service: Service, store: Store, volumes: tuple[str, ...], *, cached: bool) -> float:
    folder = DOCKER / service.name
    arguments = {"REVISION": "0" * 40} | service.arguments
    if service.upstream:
        prefix, sample = service.upstream
        repository = store.scratch / "upstream" / sample
        commit = _commit(SAMPLES / "upstream" / sample, repository)
        arguments |= {
            f"{prefix}_REPOSITORY": f"file:///upstream/{sample}",
            f"{prefix}_COMMIT": commit,
        }
        volumes += (f"{repository.parent}:/upstream:ro",)
    return store.build(
        service.tag,
        SAMPLES / service.name,
        folder / "Dockerfile",
        contexts={"config": folder},
        arguments=arguments,
        volumes=volumes,
        cached=cached,
    )


def _commit(sample: Path, repository: Path) -> str:
    """Creates a git repository of the sample; the commit depends only on the files."""
    shutil.copytree(sample, repository)
    who = {"NAME": "sample", "EMAIL": "sample@localhost", "DATE": "2026-01-01T00:00:00Z"}
    env = os.environ | {
        f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()
    }

    def git(*words: str) -> str:
        command = ["git", "-C", str(repository), "-c", "commit.gpgsign=false", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message=sample")
    return git("rev-parse", "HEAD").strip()


def _examine(root: Path, image: ImageConfig) -> None:
    """Checks the user's entry, the label, and that no build tools and downloads are left."""
    entries = [line.split(":") for line in (root / "etc/passwd").read_text().splitlines()]
    assert image.user == "1000:1000", f"the image runs as {image.user!r}"
    assert ["1000", "1000"] in [entry[2:4] for entry in entries if entry[0] == "appuser"], entries
    assert list(_left_over(root)) == [], f"left in the image: {', '.join(_left_over(root))}"
    assert image.labels["org.opencontainers.image.revision"] == "0" * 40, image.labels


def _left_over(root: Path) -> Iterator[str]:
    for folder in _PROGRAMS:
        tools = (root / folder / tool for tool in sorted(BUILD_TOOLS))
        yield from (str(tool.relative_to(root)) for tool in tools if os.path.lexists(tool))
    for folder in _DOWNLOADS:
        files = (path for path in (root / folder).rglob("*") if path.is_file())
        yield from (str(path.relative_to(root)) for path in files if path.name != "lock")


def _unhealthy_without_its_program(
    service: Service, image: ImageConfig, root: Path, scratch: Path
) -> None:
    idle = Program(command=("sleep", "60"))
    with Container(f"{service.name}-idle", image, root, idle, scratch).start() as container:
        assert container.exec(image.health).returncode, (
            "the health check passes without the program"
        )


def _run(service: Service, each: Run, image: ImageConfig, root: Path, scratch: Path) -> str:
    """The result of the run, in one line."""
    name = f"{service.name}-{service.runs.index(each)}"
    with ExitStack() as stack:
        container = stack.enter_context(Container(name, image, root, each.program, scratch).start())
        if each.output is not None:
            status = container.wait_ended(_TIMEOUT_SECONDS)
            assert status == 0, (status, container.output)
            assert each.output in container.output, container.output
            return "exited with status 0"
        if each.beside:
            second = Container(f"{name}-beside", image, root, each.beside, scratch)
            stack.enter_context(second.start(beside=container)).wait_healthy(_TIMEOUT_SECONDS)
        up = container.wait_healthy if image.health else container.wait_output
        result = f"{'healthy' if image.health else 'running'} after {up(_TIMEOUT_SECONDS):.1f} s"
        container.assert_confined()
        if each.check:
            each.check(container)
        seconds = container.stop(service.grace_seconds)
        return (
            f"{result}, exited {seconds:.1f} s after {image.stop_signal}"
            f" (grace period {service.grace_seconds:.0f} s)"
        )
