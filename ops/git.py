"""A wrapper of Git."""

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ops.errors import OpsError


class Git:
    """Git in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, *command: str, feed: bytes = b"") -> bytes:
        """Return the output of a command. Raises OpsError if it fails, or Git is missing."""
        try:
            return subprocess.run(
                ["git", *command], cwd=self.folder, input=feed, capture_output=True, check=True
            ).stdout
        except FileNotFoundError as error:
            raise OpsError("git is not installed, or not on the PATH; install it") from error
        except subprocess.CalledProcessError as error:
            reason = error.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ")
            raise OpsError(f"git {command[0]} failed: {reason}") from error

    def ask(self, *command: str) -> str:
        """Return the output as text, without the trailing line break. Raises OpsError as `read`."""
        return self.read(*command).decode("utf-8", "replace").rstrip("\n")

    def attempt(self, *command: str) -> str | None:
        """Return the output as `ask`, or None if the command fails, or Git is missing."""
        with suppress(OpsError):
            return self.ask(*command)
        return None

    def contents(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Yield the content of each blob, from one process; None if it is not a blob."""
        batch = self.read("cat-file", "--batch", feed="\n".join(names).encode())
        place = 0
        while place < len(batch):
            start = batch.index(b"\n", place) + 1
            _, kind, *size = batch[place:start].split()
            place = start
            if size:
                place += int(size[0]) + 1
            yield batch[start : place - 1] if kind == b"blob" else None

    @property
    def is_shallow(self) -> bool:
        """Whether the clone lacks part of the history."""
        return self.ask("rev-parse", "--is-shallow-repository") == "true"
