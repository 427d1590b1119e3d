"""A repository with 301 changed objects out of 700, and a minimal program to compare with."""

from pathlib import Path

from charts.output import replace_dir
from tests.bench.services import app
from tests.ops.checkouts import commit, git

_SERVICES, _CHANGED = 100, 43  # of 7 objects each
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
    changed = {path: _edited(files[path]) for path in list(files)[:_CHANGED]}
    git(folder, "init", "--quiet")
    for revision in (files, {**files, **changed}):
        replace_dir(revision, folder / "dist")
        commit(folder)


def _edited(text: str) -> str:
    for old, new in _CHANGES.items():
        text = text.replace(old, new)
    return text
