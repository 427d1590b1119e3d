"""Builds an image from its sample, examines it, runs it like a pod, and stops it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from .containers import Container, Program
from .dockerfiles import DOCKER
from .plan import SAMPLES, PlannedImage, Run
from .rules import BUILD_TOOLS
from .store import ImageConfig, Store

_TIMEOUT_SECONDS = 60
"""The timeout for a program to get healthy or to exit by itself."""
_PROGRAMS = (
    *("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "opt/venv/bin"),
)
_DOWNLOADS = ("var/lib/apt/lists", "var/cache/apt/archives", "root/.cache", "root/.npm")
"""Directories of programs, and of downloads that builds may leave behind."""


def run(planned: PlannedImage, store: Store) -> None:
    """Prints a line for each step. Raises AssertionError or BuildError."""
    seconds = _build(planned, store)
    image = store.config(planned.tag)
    print(f"{planned.name}: built in {seconds:.0f} s")
    with store.root(planned.tag) as root:

        def container(name: str, program: Program) -> Container:
            return Container(f"{planned.name}-{name}", image, root, program, store.scratch)

        _examine(root, image)
        if image.health:
            idle = Program(command=("sleep", "60"))
            with container("idle", idle).start() as unhealthy:
                passes = unhealthy.exec(image.health).returncode == 0
                assert not passes, "the health check passes without the program"
        for number, run in enumerate(planned.runs):
            with ExitStack() as stack:
                main = stack.enter_context(container(str(number), run.program).start())
                if run.beside:
                    second = container(f"{number}-beside", run.beside).start(beside=main)
                    stack.enter_context(second).wait_until_up(_TIMEOUT_SECONDS)
                print(f"  {run.name}: {_result(run, main, planned.grace_seconds)}")


def _build(planned: PlannedImage, store: Store) -> float:
    arguments = {"REVISION": "0" * 40} | planned.arguments
    volumes: tuple[str, ...] = ()
    if planned.upstream:
        prefix, sample = planned.upstream
        repository = store.scratch / "upstream" / sample
        arguments[f"{prefix}_COMMIT"] = _commit(SAMPLES / "upstream" / sample, repository)
        arguments[f"{prefix}_REPOSITORY"] = f"file:///upstream/{sample}"
        volumes = (f"{repository.parent}:/upstream:ro",)
    dockerfile = DOCKER / planned.name / "Dockerfile"
    context = SAMPLES / planned.name
    return store.build(planned.tag, context, dockerfile, arguments=arguments, volumes=volumes)


def _commit(sample: Path, repository: Path) -> str:
    """Creates a git repository of the sample; the commit depends only on the files."""
    shutil.copytree(sample, repository)
    who = {"NAME": "sample", "EMAIL": "sample@localhost", "DATE": "2026-01-01T00:00:00Z"}
    roles = ("AUTHOR", "COMMITTER")
    env = {f"GIT_{role}_{key}": value for role in roles for key, value in who.items()}

    def git(*words: str) -> str:
        command = ("git", "-C", str(repository), "-c", "commit.gpgsign=false", *words)
        return subprocess.check_output(command, text=True, env=os.environ | env)

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


def _result(run: Run, container: Container, grace_seconds: float) -> str:
    """The result of a run, in one line."""
    if run.output is not None:
        status = container.wait_until_ended(_TIMEOUT_SECONDS)
        assert status == 0, (status, container.output)
        assert run.output in container.output, container.output
        return "exited with status 0"
    up = container.wait_until_up(_TIMEOUT_SECONDS)
    container.assert_confined()
    if run.check:
        run.check(container)
    seconds = container.stop(grace_seconds)
    return (
        f"{up}, exited {seconds:.1f} s after {container.image.stop_signal}"
        f" (grace period {grace_seconds:.0f} s)"
    )
