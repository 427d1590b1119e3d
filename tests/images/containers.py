"""Runs an image like a pod, with runc, the runtime of the cluster's nodes.

The container has the image's UID and GID, separate namespaces, a read-only root file system, and no
capabilities or new privileges. Each path that the image declares as writable is an empty directory
with the group and mode of an emptyDir with fsGroup.
"""

import json
import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from .dockerfiles import WRITABLE_PATHS_LABEL
from .store import ImageConfig

_POLL_SECONDS = 0.2
_CONTROL_GROUPS = Path("/sys/fs/cgroup")


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
        self._root = root
        self._program = program
        self._name = f"{name}-{os.getpid()}"
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
        command = [*self._runc, "exec", self._name, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, extra: tuple[str, ...] = ()
    ) -> Response:
        """Requests a URL in the container's network namespace, with this machine's curl."""
        sent = (f"-H{name}: {value}" for name, value in (headers or {}).items())
        curl = ("curl", "--silent", "--show-error", "--include", "--max-time", "10")
        head, _, body = self.in_network(*curl, *sent, *extra, url).partition("\r\n\r\n")
        status, *lines = head.split("\r\n")
        received = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        return Response(int(status.split()[1]), received, body)

    def in_network(self, *words: str) -> str:
        """Runs a program of this machine in the container's network namespace."""
        command = ["nsenter", f"--target={self.pid}", "--net", *words]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == 0, f"{words[0]}: {done.stderr.decode().strip()}"
        return done.stdout.decode()

    def wait_until_up(self, seconds: float) -> str:
        """How long it takes until the health check passes or, without one, until the first output.

        Raises AssertionError on timeout.
        """
        health = self.image.health
        state = "healthy" if health else "running"
        while (passed := time.monotonic() - self._started) < seconds and not self.ended:
            up = self.exec(health).returncode == 0 if health else bool(self.output)
            if up:
                return f"{state} after {passed:.1f} s"
            time.sleep(_POLL_SECONDS)
        how = f"exited before it was {state}" if self.ended else f"not {state} in {seconds:.0f} s"
        raise AssertionError(f"{how}; its output:\n{self.output}")

    def wait_until_ended(self, seconds: float) -> int:
        """The exit status; AssertionError on timeout."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds:.0f} s:\n{self.output}") from None

    def stop(self, grace_seconds: float) -> float:
        """Sends the image's stop signal; returns the seconds until the program exits."""
        start = time.monotonic()
        stop_signal = self.image.stop_signal
        subprocess.run([*self._runc, "kill", self._name, stop_signal], check=True)
        try:
            self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"still running {grace_seconds:.0f} s (the grace period) after {stop_signal}"
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
        network = {"path": f"/proc/{beside.pid}/ns/net"} if beside else {}
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
            "mounts": [
                _mount("/proc", "proc"),
                _mount("/dev", "tmpfs", "nosuid", "mode=755"),
                _mount("/dev/shm", "tmpfs", "nosuid", "nodev", "noexec", "mode=1777"),
                _mount("/etc/hosts", "bind", "bind", "ro", source=self._bundle / "hosts"),
                *map(self._writable, self._writable_paths),
            ],
            "linux": {
                "namespaces": [
                    *({"type": kind} for kind in ("pid", "mount", "ipc", "uts")),
                    {"type": "network", **network},
                ],
                "cgroupsPath": f"/{self._bundle.parent.name}/{self._name}",
            },
        }

    def _writable(self, path: str) -> dict[str, Any]:
        """The mount of an empty directory."""
        folder = self._bundle / f"empty{path.replace('/', '-')}"
        folder.mkdir()
        os.chown(folder, 0, self._user[1])
        folder.chmod(0o2777)
        return _mount(path, "bind", "bind", "rw", source=folder)


def _mount(path: str, kind: str, *options: str, source: Path | None = None) -> dict[str, Any]:
    return {"destination": path, "type": kind, "source": str(source or kind), "options": options}
