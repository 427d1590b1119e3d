"""The processes of a control plane: started, awaited, restarted, and always ended."""

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

from constructs_lib.output import defer_signals

SECONDS_TO_END = 10
"""How long a process may take to end on SIGTERM before it is killed."""
LOG_WIDTH = 300
"""Characters of a log line that are shown; some programs write whole objects."""


class ProcessFailedError(RuntimeError):
    """A process ended, or was not ready in time; the message holds the end of its log."""


@dataclass
class Process:
    """One process with its log. It starts again with the same arguments, as a real one would."""

    name: str
    program: Path
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    ready: Callable[[], bool]
    within: float
    _running: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start without waiting. A session of its own keeps Ctrl-C for the one who ends it."""
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
        """Raises ProcessFailedError with the log's end when it stops or takes too long."""
        deadline = time.monotonic() + self.within
        while not self.ready():
            if self._running is None or self._running.poll() is not None:
                raise ProcessFailedError(f"{self.name} ended before it was ready\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ProcessFailedError(
                    f"{self.name} was not ready within {self.within} s\n{self.tail()}"
                )
            time.sleep(0.1)

    def send(self, number: signal.Signals) -> None:
        """Signal the process and its children; nothing happens if it has ended."""
        if self._running is not None and self._running.poll() is None:
            os.killpg(self._running.pid, number)

    def stop(self) -> None:
        """End it as its operator would: SIGTERM, and SIGKILL if that is ignored."""
        self.send(signal.SIGTERM)
        if self._running is not None:
            try:
                self._running.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it as a crash would, with no chance to tidy up."""
        self.send(signal.SIGKILL)
        if self._running is not None:
            self._running.wait()

    def restart(self) -> None:
        """Kill it, start it with the same arguments and wait until it is ready."""
        self.kill()
        self.start()
        self.wait_until_ready()

    def tail(self, lines: int = 30) -> str:
        """The end of its log."""
        written = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(line[:LOG_WIDTH] for line in written.splitlines()[-lines:])


class Processes:
    """Every process of one control plane, in the order in which they were started."""

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

        It sees only PATH, a HOME and TMPDIR that go with the control plane, and `environment`, so
        that no setting and no credential of whoever runs the tests reaches it.
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
        """The end of every log."""
        return {name: process.tail(lines) for name, process in self._all.items()}

    def stop(self) -> None:
        """End all; what they stored goes with the folder, so nothing is lost by ending at once."""
        for process in reversed(self._all.values()):
            process.kill()


def run(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; when that is not waited for, end it with all that it started."""
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
    """A port of the loopback interface that nobody listens on.

    It lies below the range that systems take outgoing ports from: while a server restarts, no
    client can be given its port.
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
    """Whether something accepts connections on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str, authority: Path | None = None) -> bool:
    """Whether an HTTP server answers this address with a success.

    authority: certificate that vouches for an https server.
    """
    try:
        with urllib3.PoolManager(ca_certs=authority and str(authority)) as http:
            return http.request("GET", url, timeout=1, retries=False).status == 200
    except HTTPError:
        return False


def command(name: str) -> str:
    """Path of a command of this environment's packages or of the PATH."""
    path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"]))
    found = shutil.which(name, path=path)
    if found is None:
        raise FileNotFoundError(f"{name} is in no folder of {path}: install it")
    return found
