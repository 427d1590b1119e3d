"""Starts, restarts and stops the processes of a control plane, and waits for conditions."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import urllib3
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from charts.output import defer_signals

T = TypeVar("T")

NOT_ANSWERING = (ApiException, HTTPError, ConnectionError)
"""Client errors while the API server is down, starting or overloaded."""
_SECONDS_TO_START = 60
_SECONDS_TO_END = 10
"""How long a process may take to stop after SIGTERM before it is killed."""
_LOG_WIDTH = 300
"""Longer log lines are truncated; some programs log whole objects."""


class ProcessFailedError(RuntimeError):
    """A process exited or was not ready in time; the message includes the end of its log."""


@dataclass
class Process:
    """A running process and its log. A restart uses the same arguments."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    ready: Callable[[], bool]

    def __post_init__(self) -> None:
        self._running = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        """Start it in a new session, so that Ctrl-C does not reach it."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Raises ProcessFailedError if the process exits or exceeds its timeout."""
        deadline = time.monotonic() + _SECONDS_TO_START
        while not self.ready():
            if self._running.poll() is not None:
                raise self.failed("exited before it was ready")
            if time.monotonic() > deadline:
                raise self.failed(f"was not ready within {_SECONDS_TO_START} s")
            time.sleep(0.1)

    def failed(self, how: str) -> ProcessFailedError:
        return ProcessFailedError(f"{self.name} {how}\n{self.tail(30)}")

    def send(self, number: signal.Signals) -> None:
        """Signal the process and its children, if it is running."""
        if self._running.poll() is None:
            os.killpg(self._running.pid, number)

    def wait(self, seconds: float | None = None) -> int:
        """The exit status. Raises TimeoutExpired if the process does not exit in time."""
        return self._running.wait(seconds)

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL if the process does not exit in time."""
        self.send(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.wait(_SECONDS_TO_END)
        self.kill()

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send(signal.SIGKILL)
        self.wait()

    def restart(self) -> None:
        """Kill the process if it runs, start it again, and wait until it is ready."""
        self.kill()
        with defer_signals():
            self._running = self._started()
        self.wait_until_ready()

    def tail(self, lines: int) -> str:
        """The last lines of the log."""
        written = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(line[:_LOG_WIDTH] for line in written.splitlines()[-lines:])


class Processes(dict[str, Process]):
    """All processes of a control plane by name, in start order."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.own_folders = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
        for name in ("logs", "home", "tmp"):
            (folder / name).mkdir()

    def start(
        self,
        name: str,
        program: Path | str,
        *arguments: str,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Process:
        """Start a process without waiting for it.

        Its environment contains only PATH, a separate HOME and TMPDIR, and `environment`, so that
        it does not see the settings and credentials of the user.
        """
        log = self.folder / "logs" / f"{name}.log"
        settings = {"PATH": os.environ["PATH"], **self.own_folders, **(environment or {})}
        words = (str(program), *arguments)
        with defer_signals():
            self[name] = Process(name, words, settings, folder or log.parent, log, ready)
        return self[name]

    def wait_until_ready(self) -> None:
        """Wait until every process is ready."""
        for process in self.values():
            process.wait_until_ready()

    def tails(self) -> dict[str, str]:
        """The last lines of every log."""
        return {name: process.tail(15) for name, process in self.items()}

    def stop(self) -> None:
        """Kill all processes; their data is removed with the directory."""
        for process in reversed(self.values()):
            process.kill()


def free_port() -> int:
    """A free port of the loopback interface.

    It is below the range of ephemeral ports, so that clients cannot get it during a restart.
    """
    while True:
        port = 20000 + secrets.randbelow(12000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
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


def eventually(what: str, check: Callable[[], T], within: float = 60, every: float = 0.3) -> T:
    """Call `check` until it returns a truthy value, and return that value.

    `check` may raise AssertionError to explain a failure. After `within` seconds, raises
    AssertionError with `what` and the last result.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            if result := check():
                return result
            last = repr(result)
        except (AssertionError, *NOT_ANSWERING) as error:
            last = str(error)
        if time.monotonic() > deadline:
            raise AssertionError(f"timeout after {within:.0f} s: {what}; last result: {last}")
        time.sleep(every)


@contextmanager
def repeating(action: Callable[[], None], every: float) -> Iterator[None]:
    """Call an action every `every` seconds while the block runs.

    Errors are raised at the end of the block, except those of an unavailable API server.
    """
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(every):
            # the API server is down or the object has changed: the next call retries
            with suppress(*NOT_ANSWERING):
                action()

    with ThreadPoolExecutor(1) as thread:
        repeated = thread.submit(repeat)
        try:
            yield
        finally:
            ended.set()
        repeated.result()
