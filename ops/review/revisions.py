"""The files of a commit or of the working tree, and their raw diff."""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from constructs_lib.manifests.argocd import DIST
from constructs_lib.model.text import plural
from ops.git import Git
from ops.review.model import ReviewError

STACK = "stacks/SecretsStack.template.json"
_FORMER_STACK = "tests/snapshots/SecretsStack.template.json"
"""The path in older commits."""
MANIFESTS = (".yaml", ".yml", ".json")
"""Suffixes of the files that Argo CD and kubectl read."""
_OF_TOOLS = ("Chart.yaml", "kustomization.y*ml", "values*.y*ml", "*.schema.json")
"""Files of Helm and kustomize that are not manifests."""


@dataclass(frozen=True, kw_only=True)
class Revision:
    """The files of one revision."""

    name: str
    """The requested name and the commit, or `the working tree`."""
    files: Mapping[str, str]
    """Text by path in the repository; may be empty."""
    commit: str | None = None
    """None for the working tree."""
    path: str | None = None
    """The compared file or folder of manifests of others; None: dist/ and SecretsStack."""
    unread: dict[str, str] = field(default_factory=dict)
    """Why a document cannot be read, by file and line."""
    stored: bool = False
    """Whether the files come from an API server, with its defaults."""


def differing(base: Revision, head: Revision) -> list[str]:
    """The files with different text."""
    paths = sorted(base.files.keys() | head.files.keys())
    return [path for path in paths if base.files.get(path) != head.files.get(path)]


class Repository:
    """The Git repository that contains a folder."""

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        """Raises OpsError outside of a repository or without Git.

        Args:
            folder: A folder of the repository.
            path: The manifests to read, relative to it. Default: dist/ and SecretsStack.
        """
        self.root = Path(Git(folder).ask("rev-parse", "--show-toplevel"))
        self._git = Git(self.root)
        place = (folder / (path or "")).resolve()
        if not place.is_relative_to(self.root):
            raise ReviewError(f"{path} is not in the Git repository {self.root}; change to its own")
        self._path = str(place.relative_to(self.root)) if path else None
        self._paths = [self._path] if self._path else [DIST, STACK]

    def revision(self, name: str | None, label: str | None = None) -> Revision:
        """The files at a commit, branch or tag; without a name, those of the working tree.

        Raises ReviewError for an unknown name.
        """
        if not name:
            return self.working_tree()
        commit = self._commit(name)
        if not commit:
            how = self._how_to_fetch(name)
            raise ReviewError(f"revision {name!r} not found; {how}, or pass another one")
        short = commit[:9]
        label = label or (short if commit.startswith(name) else f"{name} ({short})")
        return self._decoded(label, commit, self._contents(commit, label))

    def working_tree(self) -> Revision:
        """The files on disk, including untracked ones."""
        names = self._git.read(
            "--literal-pathspecs", "ls-files", "-z", "--cached", "--others", "--exclude-standard",
            "--", *self._paths,
        )  # fmt: skip
        contents = (
            (name.decode("utf-8", "replace"), content)
            for name in sorted({*names.split(b"\0")[:-1]})
            if (content := _stored(self.root / os.fsdecode(name))) is not None
        )
        return self._decoded("the working tree", None, contents)

    def merge_base(self, branch: str) -> Revision:
        """The merge base of HEAD and `branch`, or its remote-tracking branch."""
        known = next((name for name in (branch, f"origin/{branch}") if self._commit(name)), None)
        base = self._git.attempt("merge-base", known, "HEAD") if known else None
        if not base:
            problem = f"branch {branch!r} not found"
            if known:
                problem = f"{known} and HEAD have no common commit in this clone"
            remedy = f"{self._how_to_fetch(branch)}, or pass the base: ops review BASE"
            raise ReviewError(f"{problem}; {remedy}")
        return self.revision(base, f"{known} ({base[:9]})")

    def _commit(self, name: str) -> str | None:
        return self._git.attempt(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        )

    def _how_to_fetch(self, name: str) -> str:
        if self._git.is_shallow:
            return (
                "the clone is shallow; run `git fetch --unshallow` (in a workflow: fetch-depth: 0)"
            )
        return f"run `git fetch origin {shlex.quote(name)}`"

    def _contents(self, commit: str, label: str) -> Iterator[tuple[str, bytes]]:
        paths = self._paths if self._path else [*self._paths, _FORMER_STACK]
        listing = self._git.read("ls-tree", "-r", "-z", "--full-tree", commit, "--", *paths)
        blobs = {}
        for entry in listing.decode("utf-8", "replace").split("\0")[:-1]:
            about, _, path = entry.partition("\t")
            _, kind, blob = about.split()
            if ".." in PurePosixPath(path).parts:  # only a forged commit has one
                raise ReviewError(f"{path} at {label} leads out of its folder; recreate the commit")
            if kind == "blob":
                blobs[path] = blob
        contents = self._git.contents(blobs.values())
        for path, content in zip(blobs, contents, strict=True):
            if content is None:
                raise ReviewError(f"{path} at {label} is missing from this clone; run `git fetch`")
            yield (STACK if path == _FORMER_STACK else path), content

    def _decoded(
        self, name: str, commit: str | None, contents: Iterable[tuple[str, bytes]]
    ) -> Revision:
        files: dict[str, str] = {}
        unread: dict[str, str] = {}
        for path, content in contents:
            if self._path and not _is_manifest(path):
                continue
            try:
                files[path] = content.decode("utf-8")
            except UnicodeDecodeError as error:
                line = content[: error.start].count(b"\n") + 1
                files[path] = content.decode("utf-8", "replace")
                unread[f"{path}:{line}"] = "it is not UTF-8 text"
        return Revision(name=name, commit=commit, files=files, path=self._path, unread=unread)


def _stored(file: Path) -> bytes | None:
    """What Git stores of a file: of a symbolic link, its target. None if it is not a file."""
    if file.is_symlink():
        return os.fsencode(file.readlink())
    return file.read_bytes() if file.is_file() else None


def _is_manifest(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.endswith(MANIFESTS) and not any(fnmatchcase(name, one) for one in _OF_TOOLS)


@dataclass(frozen=True)
class RawDiff:
    """A diff and its size."""

    text: str
    files: int
    added: int
    removed: int

    def __str__(self) -> str:
        return f"{plural(self.files, 'file')}, +{self.added} -{self.removed} lines"


def raw_diff(base: Revision, head: Revision) -> RawDiff:
    """The diff by lines, including untracked files."""
    paths = differing(base, head)
    with tempfile.TemporaryDirectory(prefix="review-") as folder:
        for name, revision in (("a", base), ("b", head)):
            Path(folder, name).mkdir()
            for path in paths:
                if path in revision.files:
                    file = Path(folder, name, path)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(revision.files[path], "utf-8", newline="")
        command = ["git", "diff", "--no-index", "--no-prefix", "--no-color", "--no-ext-diff"]
        command += ["--no-textconv", "a", "b"]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    if done.returncode not in (0, 1):  # 1: the files differ
        raise ReviewError(f"git diff failed: {done.stderr.decode('utf-8', 'replace').strip()}")
    text = done.stdout.decode("utf-8", "replace")
    lines = [line[:1] for line in text.splitlines() if not line.startswith(("+++ ", "--- "))]
    return RawDiff(text, len(paths), lines.count("+"), lines.count("-"))
