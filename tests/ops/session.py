"""A command in its own terminal, with a simulated user."""

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pexpect

from tests.conftest import ROOT

SECONDS = 120


class Session:
    """A running `python -m ops <arguments>`, or another program of the checkout."""

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str],
        program: tuple[str, ...] = ("-m", "ops"),
    ) -> None:
        self.shown = io.StringIO()
        self._child: pexpect.spawn[str] = pexpect.spawn(
            sys.executable,
            [*program, *arguments],
            cwd=environment.get("PYTHONPATH", str(ROOT)),
            env={**environment, "COLUMNS": "200"},
            encoding="utf-8",
            codec_errors="surrogateescape",
            timeout=SECONDS,
            echo=True,
        )
        self._child.logfile_read = self.shown

    def answer(self, question: str, answer: str) -> None:
        self._child.expect_exact(question)
        self._child.sendline(answer)

    def wait_for(self, text: str) -> None:
        self._child.expect_exact(text)

    def interrupt(self, question: str) -> None:
        self._child.expect_exact(question)
        self._child.sendintr()

    def ended(self) -> tuple[int | None, str]:
        """Wait for the end; return the exit status and the terminal's output."""
        self._child.expect(pexpect.EOF)
        self._child.close()
        return self._child.exitstatus, self.shown.getvalue()

    def command_lines(self) -> str:
        """Return the command lines of the program and of what it runs: every user can read them."""
        group = self._child.pid  # of its processes; other tests may run at the same time
        if not Path("/proc/self/cmdline").exists():
            listing = ["ps", "-A", "-o", "pgid=,args="]
            shown = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
            return "\n".join(row for row in shown.splitlines() if row.split()[0] == str(group))
        seen = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended
                if os.getpgid(int(folder.name)) == group:
                    seen.append((folder / "cmdline").read_text("utf-8", "replace"))
        return "\n".join(seen)

    def kill(self) -> None:
        self._child.close(force=True)
