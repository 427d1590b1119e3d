"""Checkouts of this repository, for commands that change them."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import ROOT, run

CODE = ("catalogue", "charts", "constructs_lib", "dist", "ops", "overview")


def git(checkout: Path, *arguments: str) -> str:
    """Return the output of Git, independent of this machine's configuration."""
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    no_config = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    here = {**os.environ, **no_config}
    done = run("git", *identity, *arguments, folder=checkout, environment=here)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def create(checkout: Path, files: Mapping[str, str] | None = None) -> Path:
    """Create a repository with a branch `main`, and these files in dist/, committed if given."""
    checkout.mkdir(exist_ok=True)
    git(checkout, "init", "--quiet", "--initial-branch=main")
    if files:
        commit(checkout, files)
    return checkout


def copy(names: tuple[str, ...], checkout: Path) -> Path:
    """Create a repository with a copy of these folders, committed."""
    for name in names:
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    commit(create(checkout))
    return checkout


def write(checkout: Path, files: Mapping[str, str]) -> None:
    """Write files to dist/."""
    for path, text in files.items():
        file = checkout / "dist" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")


def commit(checkout: Path, files: Mapping[str, str] | None = None) -> str:
    """Write files to dist/, and commit all changes; return the commit."""
    write(checkout, files or {})
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--allow-empty", "--message=change")
    return git(checkout, "rev-parse", "HEAD")


def environment(checkout: Path) -> dict[str, str]:
    """Return the environment in which `python -m ops` is the command of a checkout."""
    return {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}


def ops(checkout: Path, *arguments: str) -> tuple[int, str, str]:
    """Return exit status, standard output and standard error of a checkout's command."""
    command = (sys.executable, "-m", "ops", *arguments)
    done = run(*command, folder=checkout.parent, environment=environment(checkout))
    return done.returncode, done.stdout, done.stderr
