"""Starts, restarts and stops the processes of a control plane."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import urllib3
from urllib3.exceptions import HTTPError

from charts.output import defer_signals

SECONDS_TO_END = 10
"""How long a process may take to stop after SIGTERM before it is killed."""
LOG_WIDTH = 300
"""Longer log lines are truncated; some programs log whole objects."""


class ProcessFailedError(RuntimeError):
    """A process exited or was not ready in time; the message includes the end of its log."""


@dataclass
class Process:
    """A process and its log. A restart uses the same arguments."""

    name: str
    program: Path
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    ready: Callable[[], bool]
    within: float
    _running: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start without waiting, in a new session so that Ctrl-C does not reach the process."""
        with self.log.open("ab") as log, defer_signals():
            self._running = subprocess.Popen(
                [str(self.program), *self.arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.log.parent,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Raises ProcessFailedError if the process exits or exceeds its timeout."""
        deadline = time.monotonic() + self.within
        while not self.ready():
            if self._running is None or self._running.poll() is not None:
                raise ProcessFailedError(f"{self.name} exited before it was ready\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ProcessFailedError(
                    f"{self.name} was not ready within {self.within} s\n{self.tail()}"
                )
            time.sleep(0.1)

    def send(self, number: signal.Signals) -> None:
        """Signal the process and its children, if it is running."""
        if self._running is not None and self._running.poll() is None:
            os.killpg(self._running.pid, number)

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL if the process does not exit in time."""
        self.send(signal.SIGTERM)
        if self._running is not None:
            try:
                self._running.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send(signal.SIGKILL)
        if self._running is not None:
            self._running.wait()

    def restart(self) -> None:
        """Kill the process, start it again, and wait until it is ready."""
        self.kill()
        self.start()
        self.wait_until_ready()

    def tail(self, lines: int = 30) -> str:
        """The last lines of the log."""
        written = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(line[:LOG_WIDTH] for line in written.splitlines()[-lines:])


class Processes:
    """All processes of a control plane, in start order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._all: dict[str, Process] = {}
        for name in ("logs", "home", "tmp"):
            (folder / name).mkdir()
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
        }

    def start(
        self,
        name: str,
        program: Path,
        *arguments: str,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        within: float = 60,
    ) -> Process:
        """Start a process without waiting for it.

        Its environment contains only PATH, a separate HOME and TMPDIR, and `environment`, so that
        it does not see the settings and credentials of the user.
        """
        process = Process(
            name,
            program,
            arguments,
            {**self._environment, **(environment or {})},
            self.folder / "logs" / f"{name}.log",
            ready,
            within,
        )
        self._all[name] = process
        process.start()
        return process

    def __getitem__(self, name: str) -> Process:
        return self._all[name]

    def wait_until_ready(self) -> None:
        """Wait until every process is ready."""
        for process in self._all.values():
            process.wait_until_ready()

    def tails(self, lines: int) -> dict[str, str]:
        """The last lines of every log."""
        return {name: process.tail(lines) for name, process in self._all.items()}

    def stop(self) -> None:
        """Kill all processes; their data is removed with the directory."""
        for process in reversed(self._all.values()):
            process.kill()


def run(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command; if the wait is interrupted, kill it and its children."""
    with defer_signals():
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    try:
        out, err = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def free_port() -> int:
    """A free port of the loopback interface.

    It is below the range of ephemeral ports, so that clients cannot get it during a restart.
    """
    while True:
        port = 20000 + secrets.randbelow(12000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def listens(port: int) -> bool:
    """Whether a server listens on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str, authority: Path | None = None) -> bool:
    """Whether an HTTP server responds with status 200; `authority` is the CA certificate."""
    try:
        with urllib3.PoolManager(ca_certs=authority and str(authority)) as http:
            return http.request("GET", url, timeout=1, retries=False).status == 200
    except HTTPError:
        return False


def command(name: str) -> str:
    """The path of a command in the virtual environment or on the PATH."""
    path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"]))
    found = shutil.which(name, path=path)
    if found is None:
        raise FileNotFoundError(f"{name} not found in {path}; install it")
    return found
