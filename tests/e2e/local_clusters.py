"""Runs `make cluster` in a separate checkout."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

READY = "Press Enter to sync dist/, Ctrl-C to stop."


@dataclass(frozen=True)
class LocalCluster:
    """A running `make cluster`, with a separate checkout and temporary directory."""

    temporary: Path
    log: Path
    process: subprocess.Popen[bytes]

    def wait_for(self, text: str, within: float = 600) -> str:
        """Wait until the output contains `text`, and return the output."""
        deadline = time.monotonic() + within
        while text not in (output := self.log.read_text()):
            assert self.process.poll() is None, output
            assert time.monotonic() < deadline, output
            time.sleep(0.1)
        return output

    def settings(self) -> Path:
        """The file with environment variables that the printed instructions name."""
        named = re.search(r"source (\S+)", self.log.read_text())
        assert named
        return Path(named[1])

    def interrupt(self) -> int:
        """Interrupt it, and return the exit status."""
        # not its process group: Node would end without removing its temporary directory
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    @property
    def left(self) -> list[str]:
        """The remaining files and processes."""
        return [*map(str, self.temporary.iterdir()), *self._processes()]

    def _processes(self) -> Iterator[str]:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                content = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.temporary).encode() in content:
                yield (process / "cmdline").read_bytes().decode().replace("\0", " ")


@contextmanager
def running(checkout: Path, temporary: Path, *options: str) -> Iterator[LocalCluster]:
    temporary.mkdir()
    with temporary.with_suffix(".log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "local_cluster", *options],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout), "TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield LocalCluster(temporary, Path(log.name), process)
    finally:
        process.kill()
        process.wait()
