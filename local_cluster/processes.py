"""Starts, restarts and stops the processes of a control plane, and waits for conditions."""

import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import urllib3
import yaml
from urllib3.exceptions import HTTPError

from catalogue.installation import INSTALLATION
from charts.output import defer_signals
from ops.errors import ClusterError, OpsError

T = TypeVar("T")

_TABLE = Path(__file__).with_name("processes.yaml")
_SECONDS_TO_START = 60
_LOG_WIDTH = 300
"""Longer log lines are truncated; some programs log whole objects."""


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
        self._start()

    def _start(self) -> None:
        """Start it in a new session, so that Ctrl-C does not reach it."""
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Raises OpsError if the process exits or exceeds its timeout."""
        deadline = time.monotonic() + _SECONDS_TO_START
        while not self.ready():
            if self._running.poll() is not None:
                raise self.failed("exited before it was ready")
            if time.monotonic() > deadline:
                raise self.failed(f"was not ready within {_SECONDS_TO_START} s")
            time.sleep(0.1)

    def failed(self, how: str) -> OpsError:
        """An error with the end of the log."""
        return OpsError(f"{self.name} {how}\n{self.tail(30)}")

    def send(self, number: signal.Signals) -> None:
        """Signal the process and its children, if it is running."""
        if self._running.poll() is None:
            os.killpg(self._running.pid, number)

    def wait(self) -> int:
        """The exit status."""
        return self._running.wait()

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.wait()

    def restart(self) -> None:
        """Kill the process if it runs, start it again, and wait until it is ready."""
        self.kill()
        with defer_signals():
            self._start()
        self.wait_until_ready()

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log."""
        written = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(line[:_LOG_WIDTH] for line in written.splitlines()[-lines:])


class Processes(dict[str, Process]):
    """The processes of a control plane by name, in start order."""

    def __init__(self, folder: Path, programs: dict[str, Path] | None = None) -> None:
        """Start none yet.

        Args:
            folder: Directory for logs and data.
            programs: Programs by name. Default: those in the virtual environment or on the PATH.
        """
        super().__init__()
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self.certificate = folder / "tls" / "apiserver.crt"
        self.ports: defaultdict[str, int] = defaultdict(free_port)
        self.programs = programs or {}
        self._table = yaml.safe_load(_TABLE.read_text())
        for name in ("logs", "home", "tmp"):
            (folder / name).mkdir()

    def start(
        self,
        name: str,
        *options: str,
        environment: Mapping[str, str] | None = None,
        ready: Callable[[], bool] | None = None,
    ) -> Process:
        """Start a process of processes.yaml without waiting for it; the arguments add to its row.

        Its environment contains only PATH, KUBECONFIG, a separate HOME and TMPDIR, and what is
        declared, so that it does not see the settings and credentials of the user.
        """

        def fill(template: str) -> str:
            places = {"folder": self.folder, "here": _TABLE.parent, "region": INSTALLATION.region}
            return template.format(**places, port=self.ports)

        row = self._table[name]
        program, *words = map(fill, shlex.split(row["command"]))
        url = fill(row.get("ready", ""))
        log = self.folder / "logs" / f"{name}.log"
        with defer_signals():
            self[name] = Process(
                name,
                (str(self.programs.get(program) or command(program)), *words, *options),
                {
                    "PATH": os.environ["PATH"],
                    "KUBECONFIG": str(self.kubeconfig),
                    **{key: fill(value) for key, value in row.get("environment", {}).items()},
                    **(environment or {}),
                    "HOME": str(self.folder / "home"),
                    "TMPDIR": str(self.folder / "tmp"),
                },
                Path(fill(row.get("directory", "{folder}/logs"))),
                log,
                ready or (lambda: not url or answers(url, self.certificate)),
            )
        return self[name]

    @property
    def aws_variables(self) -> dict[str, str]:
        """Environment variables that point AWS clients, including `cdk`, to the emulator."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.ports['ministack']}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": INSTALLATION.region,
            "AWS_DEFAULT_REGION": INSTALLATION.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def wait_until_ready(self) -> None:
        """Wait until every process is ready."""
        for process in self.values():
            process.wait_until_ready()

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


def answers(url: str, authority: Path) -> bool:
    """Whether a server accepts connections, and an HTTP server responds with status 200.

    `authority` is the CA certificate for HTTPS.
    """
    address = urlsplit(url)
    try:
        if address.scheme not in ("http", "https"):
            socket.create_connection((address.hostname, address.port), timeout=1).close()
            return True
        with urllib3.PoolManager(ca_certs=str(authority)) as http:
            return http.request("GET", url, timeout=1, retries=False).status == 200
    except (HTTPError, OSError):
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
        except (AssertionError, ClusterError) as error:
            last = str(error)
        if time.monotonic() > deadline:
            raise AssertionError(f"timeout after {within:.0f} s: {what}; last result: {last}")
        time.sleep(every)
