"""Runs `make cluster` in a separate checkout."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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

    def environment(self) -> dict[str, str]:
        """The environment after the first command of the printed instructions."""
        source = re.search(r"source (\S+)", self.log.read_text())
        assert source
        printed = subprocess.check_output(["sh", "-c", f". {source[1]} && env -0"], text=True)
        return dict(line.split("=", 1) for line in printed.split("\0")[:-1])

    def interrupt(self) -> int:
        """Interrupt it, and return the exit status."""
        # not its process group: Node would end without removing its temporary directory
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    @property
    def left(self) -> list[str]:
        """The remaining files and processes."""
        left = [str(file) for file in self.temporary.iterdir()]
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended
                command = (process / "cmdline").read_bytes()
                if str(self.temporary).encode() in (process / "environ").read_bytes() + command:
                    left.append(command.decode().replace("\0", " "))
        return left


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
