"""Runs `make cluster` in a separate checkout."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_cluster.processes import command
from tests.conftest import ROOT

READY = "Press Enter to sync dist/, Ctrl-C to stop."
_FOLDERS = (
    "catalogue", "charts", "constructs_lib", "dist", "local_cluster", "ops", "overview", "stacks",
)  # fmt: skip
_FILES = (
    "Makefile", "app.py", "cdk.json", "package-lock.json", "package.json", "requirements-setup.txt",
    "requirements.txt",
)  # fmt: skip


def copy_checkout(folder: Path) -> Path:
    """Copy the working tree without tests to a new repository."""
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        shutil.copy2(ROOT / name, folder / name)
    subprocess.run([command("git"), "init", "--quiet"], cwd=folder, check=True)
    return folder


class LocalCluster:
    """A running `make cluster`, with a separate checkout and temporary directory."""

    def __init__(self, checkout: Path, temporary: Path, *options: str) -> None:
        self.temporary = temporary
        temporary.mkdir()
        self.log = temporary.with_suffix(".log")
        with self.log.open("w") as log:
            self._running = subprocess.Popen(
                [sys.executable, "-m", "local_cluster", *options],
                cwd=checkout,
                env={**os.environ, "PYTHONPATH": str(checkout), "TMPDIR": str(temporary)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for(self, text: str, within: float = 600) -> str:
        """Wait until the output contains `text`, and return the output."""
        deadline = time.monotonic() + within
        while text not in (output := self.log.read_text()):
            assert self._running.poll() is None, output
            assert time.monotonic() < deadline, output
            time.sleep(0.1)
        return output

    def interrupt(self) -> int:
        """Send Ctrl-C, and return the exit status."""
        self._running.send_signal(signal.SIGINT)
        return self._running.wait(30)

    def kill(self) -> None:
        self._running.kill()
        self._running.wait()

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
    cluster = LocalCluster(checkout, temporary, *options)
    try:
        yield cluster
    finally:
        cluster.kill()
