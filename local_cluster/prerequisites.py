"""What a make target needs beside Python, looked at before anything is built or started.

It asks for all of it at once, so that one message says all that is missing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass

GO_VERSION = (1, 26)
"""The oldest that builds every pinned program."""


class PrerequisitesMissingError(RuntimeError):
    """Something that is needed is missing; the message names all of it, and how to get it."""


@dataclass(frozen=True)
class Prerequisite:
    """One thing that has to be there."""

    name: str
    remedy: str
    """How to get it."""
    found: Callable[[], bool]


def require(target: str, prerequisites: Iterable[Prerequisite]) -> None:
    """Refuse to start `make TARGET` while something is missing."""
    missing = [one for one in prerequisites if not one.found()]
    if missing:
        lines = "\n".join(f"  {one.name}: {one.remedy}" for one in missing)
        raise PrerequisitesMissingError(
            f"make {target} needs what is not here:\n{lines}\nNothing was built."
        )


def command(name: str, remedy: str) -> Prerequisite:
    """A program of the PATH."""
    return Prerequisite(name, remedy, lambda: shutil.which(name) is not None)


def _go_is_new_enough() -> bool:
    if shutil.which("go") is None:
        return False
    printed = subprocess.run(["go", "version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"\bgo(\d+)\.(\d+)", printed)
    return version is not None and (int(version[1]), int(version[2])) >= GO_VERSION


GO = Prerequisite(
    f"Go {'.'.join(map(str, GO_VERSION))} or newer", "https://go.dev/dl", _go_is_new_enough
)
GIT = command("git", "apt install git, or brew install git")
ROOT = Prerequisite("root", "run it as root, or with sudo", lambda: os.geteuid() == 0)
