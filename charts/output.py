"""Writes rendered files atomically."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DirChanges:
    """The changes made by replacing a folder, as paths relative to it."""

    added: tuple[str, ...]
    """New files."""
    changed: tuple[str, ...]
    """Files with new content."""
    removed: tuple[str, ...]
    """Deleted files."""


def replace_dir(files: Mapping[str, str], folder: Path) -> DirChanges:
    """Replace the content of `folder` with `files` (text by path) atomically.

    If anything fails, `folder` is unchanged.
    """
    before = read(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as staging:
        fresh, old = Path(staging, "new"), Path(staging, "old")
        for path, text in files.items():
            file = fresh / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8", newline="\n")
        with defer_signals():
            if folder.exists():
                folder.rename(old)
            try:
                fresh.rename(folder)
            except OSError:
                if old.exists():
                    old.rename(folder)
                raise
    return DirChanges(
        added=tuple(sorted(files.keys() - before.keys())),
        changed=tuple(
            path for path in sorted(files.keys() & before.keys()) if files[path] != before[path]
        ),
        removed=tuple(sorted(before.keys() - files.keys())),
    )


def replace_file(file: Path, text: str) -> None:
    """Write `text` to `file` atomically."""
    fresh = file.with_name(f".{file.name}.new")
    try:
        fresh.write_text(text, "utf-8", newline="\n")
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Delay SIGINT and SIGTERM until the end of the block."""
    late: list[int] = []
    before = {
        number: signal.signal(number, lambda received, _: late.append(received))
        for number in (signal.SIGINT, signal.SIGTERM)
        if threading.current_thread() is threading.main_thread()
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for received in late:
            signal.raise_signal(received)


def read(folder: Path) -> dict[str, str]:
    """Every file below `folder` as text by path; empty if the folder does not exist."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes().decode("utf-8", "replace")
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
