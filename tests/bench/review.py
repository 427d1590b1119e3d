"""A repository with 301 changed objects out of 700, and a minimal program to compare with."""

import subprocess
import sys
from pathlib import Path

from tests.bench.services import app

_SERVICES, _CHANGED = 100, 43  # of 7 objects each
_GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.org")
_CHANGES = {
    "part-of: gnosis-analytics": "part-of: something-else",
    ":latest": f":sha-{40 * 'a'}",
    "replicas: 2": "replicas: 3",
    "cpu: 250m": "cpu: 300m",
    "internet-facing": "internal",
    "/cerebro/clickhouse/user": "/cerebro/clickhouse/reader",
}
REVISIONS = ("HEAD~1", "HEAD")
LEAST = """
import io, subprocess, sys, tarfile, yaml
def git(*command): return subprocess.run(["git", *command], capture_output=True, check=True).stdout
git("diff", *sys.argv[1:])
for revision in sys.argv[1:]:
    archive = tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", revision)))
    for file in filter(None, map(archive.extractfile, archive)):
        for _ in yaml.load_all(file.read(), Loader=yaml.CSafeLoader): pass
"""
"""Runs `git diff`, and parses the same YAML."""


def repository(folder: Path) -> None:
    """Create a repository with two commits that differ in every object of some services."""
    files = app(_SERVICES).render()
    changed = list(files)[:_CHANGED]
    _run(folder, "git", "init", "--quiet")
    for revision in (files, {path: _edited(files[path]) for path in changed}):
        for path, text in revision.items():
            file = folder / "dist" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        _run(folder, "git", "add", "--all")
        _run(folder, *_GIT, "commit", "--quiet", "--message=change")


def _edited(text: str) -> str:
    for old, new in _CHANGES.items():
        text = text.replace(old, new)
    return text


def _run(folder: Path, *command: str) -> None:
    if subprocess.run(command, cwd=folder, check=False).returncode:
        sys.exit(f"error: {' '.join(command)} failed in {folder}")
