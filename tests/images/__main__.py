"""Builds every image of docker/ from its sample, runs each as a pod would, and says what it saw.

Needs root and Debian's buildah, runc, mmdebstrap, uidmap, util-linux, iproute2, curl and git; without
them it says what is missing and ends with status 0 (with --require: 1). The first run makes the stand-ins
for the base images and fills the caches; all of it is kept in $XDG_CACHE_HOME/gnosis-images.
"""

import argparse
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import clients, standins, trial
from .plan import SERVICES, Service
from .store import BuildError, Store

_TOOLS = {
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "runc": "runc",
    "newuidmap": "uidmap",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "ip": "iproute2",
    "curl": "curl",
    "git": "git",
}
_INSIDE = "GNOSIS_IMAGES_MOUNT_NAMESPACE"


def main() -> int:
    options = _options()
    if missing := _missing():
        print(f"images: skipped, {'; '.join(missing)}", file=sys.stderr)
        return 1 if options.require else 0
    if _INSIDE not in os.environ:
        # In a mount namespace of its own no mount outlives this process, however it ends.
        os.environ[_INSIDE] = "1"
        words = ["unshare", "--mount", "--propagation=slave", sys.executable, "-m", "tests.images"]
        os.execvp("unshare", words + sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = [service for service in SERVICES if service.name in options.services]
    with (
        _locked(_cache()) as cache,
        tempfile.TemporaryDirectory(prefix="gnosis-images-") as scratch,
    ):
        return _build_and_run(chosen, cache, Path(scratch), cached=not options.no_cache)


def _options() -> argparse.Namespace:
    names = [service.name for service in SERVICES]
    parser = argparse.ArgumentParser(prog="python -m tests.images", description=__doc__)
    parser.add_argument(
        "services", nargs="*", metavar="service", help=f"default: all of {', '.join(names)}"
    )
    parser.add_argument("--no-cache", action="store_true", help="build every layer again")
    parser.add_argument("--require", action="store_true", help="fail where a tool is missing")
    options = parser.parse_args()
    if unknown := set(options.services) - set(names):
        parser.error(f"no such service: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    options.services = set(options.services or names)
    if "cryo-indexer" in options.services:
        options.services.add("cryo-base")  # its base image
    return options


def _missing() -> list[str]:
    packages = sorted({package for tool, package in _TOOLS.items() if shutil.which(tool) is None})
    missing = [f"not installed: {', '.join(packages)} (apt-get install)"] if packages else []
    return missing + ([] if os.geteuid() == 0 else ["it must run as root"])


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "gnosis-images"


@contextmanager
def _locked(cache: Path) -> Iterator[Path]:
    """The cache folder, for one run at a time."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"images: waiting for another run that uses {cache}", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield cache


def _build_and_run(chosen: list[Service], cache: Path, scratch: Path, *, cached: bool) -> int:
    start = time.monotonic()
    store = Store(cache, scratch)
    store.sweep()
    volumes = clients.mounts(scratch / "clients")
    failed = []
    try:
        standins.make(store, volumes, print)
        for service in chosen:
            try:
                trial.run(service, store, volumes, cached=cached)
            except (AssertionError, BuildError) as error:
                failed.append(service.name)
                print(f"{service.name}: FAILED\n{error}", file=sys.stderr)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        "\nThe base images were stand-ins, for this machine's processor. They differ from the published ones:"
    )
    for stand_in in standins.ALL:
        print(f"  {stand_in.reference.split('/')[-1]}: {stand_in.differs}")
    outcome = f"failed: {', '.join(failed)}" if failed else "all passed"
    print(f"\nimages: {len(chosen)} built and run in {time.monotonic() - start:.0f} s, {outcome}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
