"""Build every image in docker/ from a sample, run it like a pod, and check it.

Needs root and Debian's buildah, runc, mmdebstrap, uidmap, util-linux, iproute2, curl and git. The
first run builds stand-ins for the base images and fills the caches in $XDG_CACHE_HOME/gnosis-images
(about 3 GB; can be deleted).
"""

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_cluster.installing import Prerequisite, on_path, require
from ops.errors import OpsError

from . import containers, runs, standins
from .dockerfiles import services
from .plan import IMAGES
from .store import BuildError, Store

_TOOLS = {
    "buildah": "buildah",
    "curl": "curl",
    "git": "git",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "newuidmap": "uidmap",
    "nsenter": "util-linux",
    "runc": "runc",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
PREREQUISITES = (
    *(on_path(tool, f"apt install {package}") for tool, package in _TOOLS.items()),
    Prerequisite("root", "run it as root, or with sudo", lambda: os.geteuid() == 0),
)
"""The prerequisites of `make images`, which runs only on machines with apt."""

# Separate PID and mount namespaces: if this process ends, its builds, containers and mounts end.
_NAMESPACES = (
    *("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--propagation=slave", "--mount-proc"),
    *("--pid", "--fork", "--kill-child"),
)
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gnosis-images"


def main() -> int:
    options = _options()
    if options.scratch:
        return _build_and_run(options)
    try:
        require("images", PREREQUISITES)
    except OpsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if missing := sorted({*services()} - {image.name for image in IMAGES}):
        print(
            f"error: {', '.join(missing)} is not built and run; add a PlannedImage to "
            "tests/images/plan.py, and what its Dockerfile copies to tests/images/samples/",
            file=sys.stderr,
        )
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    command = [*_NAMESPACES, sys.executable, "-u", "-m", "tests.images", *sys.argv[1:]]
    try:
        with _locked_cache(), _scratch() as scratch:
            return subprocess.call([*command, f"--scratch={scratch}"], start_new_session=True)
    except KeyboardInterrupt:
        print("images: interrupted", file=sys.stderr)
        return 130


def _options() -> argparse.Namespace:
    names = [image.name for image in IMAGES]
    parser = argparse.ArgumentParser(
        prog="python -m tests.images",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = f"default: all of {', '.join(names)}"
    parser.add_argument("services", nargs="*", metavar="service", help=default)
    parser.add_argument("--no-cache", action="store_true", help="rebuild every layer")
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.services) - set(names):
        parser.error(f"unknown service {', '.join(sorted(unknown))}; use {', '.join(names)}")
    options.services = set(options.services or names)
    if "cryo-indexer" in options.services:
        options.services.add("cryo-base")  # its base image
    return options


@contextmanager
def _locked_cache() -> Iterator[None]:
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"images: waiting for another run that uses {_CACHE}", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch() -> Iterator[Path]:
    """A temporary directory; it and the containers' control groups are removed afterwards."""
    scratch = Path(tempfile.mkdtemp(prefix="gnosis-images-"))
    try:
        yield scratch
    finally:
        for _ in range(100):  # killed processes may use files for up to 10 s
            shutil.rmtree(scratch, ignore_errors=True)
            containers.remove_control_groups(scratch.name)
            if not scratch.exists():
                break
            time.sleep(0.1)


def _build_and_run(options: argparse.Namespace) -> int:
    start = time.monotonic()
    chosen = [image for image in IMAGES if image.name in options.services]
    failed = []
    try:
        store = Store(_CACHE, options.scratch, cached=not options.no_cache)
        standins.make(store)
    except (BuildError, subprocess.SubprocessError) as error:
        print(error, file=sys.stderr)
        return 1
    for image in chosen:
        try:
            runs.run(image, store)
        except (AssertionError, BuildError, subprocess.SubprocessError) as error:
            failed.append(image.name)
            print(f"{image.name}: FAILED\n{error}", file=sys.stderr)
    print(
        "\nEach image ran with runc: UID and GID 1000, read-only root file system, no capabilities."
    )
    print("The base images were stand-ins for this machine's architecture. Differences:")
    for stand_in in standins.ALL:
        print(f"  {stand_in.name}: {stand_in.differs}")
    outcome = f"failed: {', '.join(failed)}" if failed else "all passed"
    seconds = time.monotonic() - start
    print(f"\nimages: {len(chosen)} built and run in {seconds:.0f} s, {outcome}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
