"""The raw diff, as Git draws it, of exactly the files that were compared."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from constructs_lib.wording import plural
from ops.review.errors import ReviewError
from ops.review.revisions import Revision, differing

_DRAW = ("diff", "--no-index", "--no-prefix", "--no-color", "--no-ext-diff", "--no-textconv")


@dataclass(frozen=True)
class RawDiff:
    """A diff and how much it holds."""

    text: str
    files: int
    added: int
    removed: int

    def __str__(self) -> str:
        return f"{plural(self.files, 'file')}, +{self.added} -{self.removed} lines"


def raw_diff(base: Revision, head: Revision) -> RawDiff:
    """What differs line by line. Files that Git does not know of are in it, too."""
    paths = differing(base, head)
    with tempfile.TemporaryDirectory(prefix="review-") as folder:
        for name, revision in (("a", base), ("b", head)):
            Path(folder, name).mkdir()
            for path in paths:
                if path in revision.files:
                    file = Path(folder, name, path)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(revision.files[path], "utf-8", newline="")
        done = subprocess.run(
            ["git", *_DRAW, "a", "b"],
            cwd=folder,
            capture_output=True,
            check=False,
        )
    if done.returncode not in (0, 1):  # 1: there are differences
        raise ReviewError(f"git diff failed: {done.stderr.decode('utf-8', 'replace').strip()}")
    text = done.stdout.decode("utf-8", "replace")
    lines = [line[:1] for line in text.splitlines() if not line.startswith(("+++ ", "--- "))]
    return RawDiff(text, len(paths), lines.count("+"), lines.count("-"))
