"""Runs an image like a pod, with runc, the runtime of the cluster's nodes.

The container has the image's UID and GID, separate namespaces, a read-only root file system, and no
capabilities or new privileges. Each path that the image declares as writable is an empty directory
with the group and mode of an emptyDir with fsGroup.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from .dockerfiles import WRITABLE_PATHS_LABEL
from .store import ImageConfig

_POLL_SECONDS = 0.2
_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_NAMESPACES = ("pid", "mount", "ipc", "uts", "network")


@dataclass(frozen=True)
class Program:
    """Settings of a pod's container: `command` replaces ENTRYPOINT and CMD, `args` only CMD."""

    args: tuple[str, ...] | None = None
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def words(self, image: ImageConfig) -> tuple[str, ...]:
        if self.command:
            return self.command + (self.args or ())
        return image.entrypoint + (image.cmd if self.args is None else self.args)


@dataclass(frozen=True)
class Response:
    """An HTTP response; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            raise AssertionError(f"not JSON: {self}") from None


def remove_control_groups(name: str) -> None:
    """Removes control groups of killed containers; `name` is the name of the scratch directory."""
    for group in (*_CONTROL_GROUPS.glob(f"*/{name}"), *_CONTROL_GROUPS.glob(name)):
        for folder in (*group.glob("*/"), group):
            with suppress(OSError):
                folder.rmdir()


class Container(AbstractContextManager["Container"]):
    """A running container, killed and removed at the end of the context."""

    def __init__(
        self, name: str, image: ImageConfig, root: Path, program: Program, scratch: Path
    ) -> None:
        self.image = image
        self._name = f"{name}-{os.getpid()}"
        self._root = root
        self._program = program
        self._bundle = scratch / self._name
        self._log, self._pid_file = self._bundle / "output.log", self._bundle / "pid"
        self._runc = ("runc", f"--root={scratch / 'runc'}")
        uid, gid = image.user.split(":")
        self._user = (int(uid), int(gid))
        self._writable_paths = image.labels[WRITABLE_PATHS_LABEL].split(",")

    def start(self, *, beside: "Container | None" = None) -> Self:
        """Starts it, in the network of `beside` if given; returns when its process runs."""
        self._bundle.mkdir(parents=True)
        (self._bundle / "hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")
        (self._bundle / "config.json").write_text(json.dumps(self._config(beside)), "utf-8")
        with self._log.open("wb") as log:
            # The program may reopen its standard output by name.
            os.fchown(log.fileno(), *self._user)
            self._process = subprocess.Popen(
                [*self._runc, "run", f"--pid-file={self._pid_file}", self._name],
                cwd=self._bundle,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._started = time.monotonic()
        while not (self._pid_file.exists() and self._pid_file.read_text()) and not self.ended:
            time.sleep(_POLL_SECONDS / 10)
        return self

    def __exit__(self, *exception: object) -> None:
        delete = [*self._runc, "delete", "--force", self._name]
        subprocess.run(delete, capture_output=True, check=False)
        self._process.wait()

    @property
    def pid(self) -> int:
        """The host's process ID of its PID 1."""
        return int(self._pid_file.read_text())

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def exec(self, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        """Runs a command in the container, with the permissions of the program."""
        return subprocess.run(
            [*self._runc, "exec", self._name, *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, extra: tuple[str, ...] = ()
    ) -> Response:
        """Requests a URL in the container's network namespace, with this machine's curl."""
        words = [word for pair in (headers or {}).items() for word in ("--header", ": ".join(pair))]
        text = self.in_network(
            "curl", "--silent", "--show-error", "--include", "--max-time", "10", *words, *extra, url
        )
        head, _, body = text.partition("\r\n\r\n")
        status, *lines = head.split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        return Response(
            int(status.split()[1]), {name.lower(): value for name, value in pairs}, body
        )

    def in_network(self, *words: str) -> str:
        """Runs a program of this machine in the container's network namespace."""
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", "--net", *words], capture_output=True, check=False
        )
        if done.returncode:
            raise AssertionError(f"{words[0]}: {done.stderr.decode().strip()}")
        return done.stdout.decode()

    def wait_healthy(self, seconds: float) -> float:
        """The seconds from the start until the health check passes; AssertionError on timeout."""
        return self._wait(lambda: self.exec(self.image.health).returncode == 0, "healthy", seconds)

    def wait_output(self, seconds: float) -> float:
        """The seconds from the start until the first output; AssertionError on timeout."""
        return self._wait(lambda: bool(self.output), "running", seconds)

    def _wait(self, reached: Callable[[], bool], state: str, seconds: float) -> float:
        while time.monotonic() - self._started < seconds and not self.ended:
            if reached():
                return time.monotonic() - self._started
            time.sleep(_POLL_SECONDS)
        how = f"exited before it was {state}" if self.ended else f"not {state} in {seconds:.0f} s"
        raise AssertionError(f"{how}; its output:\n{self.output}")

    def wait_ended(self, seconds: float) -> int:
        """The exit status; AssertionError on timeout."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds:.0f} s:\n{self.output}") from None

    def stop(self, grace_seconds: float) -> float:
        """Sends the image's stop signal; returns the seconds until the program exits."""
        start = time.monotonic()
        subprocess.run([*self._runc, "kill", self._name, self.image.stop_signal], check=True)
        try:
            self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"still running {grace_seconds:.0f} s (the grace period) after "
                f"{self.image.stop_signal}"
            ) from None
        return time.monotonic() - start

    def assert_confined(self) -> None:
        """Checks the user, the missing capabilities, and that only declared paths are writable."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        status = {name: value.split()[:1] for name, _, value in (x.partition(":") for x in lines)}
        uid, gid = self._user
        expected = {"Uid": uid, "Gid": gid, "CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": 1}
        for name, value in expected.items():
            assert status[name] == [str(value)], f"{name} of PID 1 is {status[name]}, not {value}"
        for folder in ("/", "/etc", "/usr", self.image.cwd, *self._writable_paths):
            written = self.exec(("touch", f"{folder}/touched")).returncode == 0
            assert written == (folder in self._writable_paths), f"{folder}: written is {written}"

    def _config(self, beside: "Container | None") -> dict[str, Any]:
        uid, gid = self._user
        namespaces: list[dict[str, str]] = [{"type": kind} for kind in _NAMESPACES]
        if beside:
            namespaces[-1]["path"] = f"/proc/{beside.pid}/ns/net"
        env = dict(pair.split("=", 1) for pair in self.image.env) | dict(self._program.env)
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": uid, "gid": gid},
                "args": self._program.words(self.image),
                "env": [f"{name}={value}" for name, value in env.items()],
                "cwd": self.image.cwd,
                "capabilities": {},
                "noNewPrivileges": True,
            },
            "root": {"path": str(self._root), "readonly": True},
            "hostname": self._name,
            "mounts": self._mounts(gid),
            "linux": {
                "namespaces": namespaces,
                "cgroupsPath": f"/{self._bundle.parent.name}/{self._name}",
            },
        }

    def _mounts(self, gid: int) -> list[dict[str, Any]]:
        def mount(path: str, kind: str, source: str, *options: str) -> dict[str, Any]:
            return {"destination": path, "type": kind, "source": source, "options": options}

        mounts = [
            mount("/proc", "proc", "proc"),
            mount("/dev", "tmpfs", "tmpfs", "nosuid", "mode=755"),
            mount("/dev/shm", "tmpfs", "tmpfs", "nosuid", "nodev", "noexec", "mode=1777"),
            mount("/etc/hosts", "bind", str(self._bundle / "hosts"), "bind", "ro"),
        ]
        for path in self._writable_paths:
            folder = self._bundle / f"empty{path.replace('/', '-')}"
            folder.mkdir()
            os.chown(folder, 0, gid)
            folder.chmod(0o2777)
            mounts.append(mount(path, "bind", str(folder), "bind", "rw"))
        return mounts
