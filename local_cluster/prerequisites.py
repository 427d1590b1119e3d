"""Checks the prerequisites of a make target, and reports all missing ones in one message."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass

GO_VERSION = (1, 26)
"""The oldest version that builds every pinned program."""


class PrerequisitesMissingError(RuntimeError):
    """Prerequisites are missing; the message lists them, and how to install them."""


@dataclass(frozen=True)
class Prerequisite:
    """A required program or permission."""

    name: str
    remedy: str
    """How to install or enable it."""
    found: Callable[[], bool]


def require(target: str, prerequisites: Iterable[Prerequisite]) -> None:
    """Raise PrerequisitesMissingError if `make TARGET` cannot run."""
    missing = [one for one in prerequisites if not one.found()]
    if missing:
        lines = "\n".join(f"  {one.name}: {one.remedy}" for one in missing)
        raise PrerequisitesMissingError(
            f"missing prerequisites of make {target}:\n{lines}\nNothing was built."
        )


def command(name: str, remedy: str) -> Prerequisite:
    """A program on the PATH."""
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
