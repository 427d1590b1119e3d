"""Checkouts of this repository, for commands that change theirs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

CODE = ("catalogue", "charts", "constructs_lib", "dist", "ops", "overview")


def git(checkout: Path, *arguments: str) -> str:
    """What Git prints there, whatever is configured on this machine."""
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(
        ("git", *identity, *arguments),
        cwd=checkout,
        env={**os.environ, **nobody},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def copy(names: tuple[str, ...], checkout: Path) -> Path:
    """These folders in a repository of their own, committed."""
    for name in names:
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    git(checkout, "init", "--quiet")
    commit(checkout, "as it is")
    return checkout


def commit(checkout: Path, message: str) -> None:
    """Everything as it is now."""
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", message)


def environment(checkout: Path) -> dict[str, str]:
    """What makes `python -m ops` the command of a checkout."""
    return {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}


def ops(checkout: Path, *arguments: str) -> tuple[int, str, str]:
    """The status of a checkout's command, and what it said on both outputs."""
    done = subprocess.run(
        (sys.executable, "-m", "ops", *arguments),
        cwd=checkout.parent,
        env=environment(checkout),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr
