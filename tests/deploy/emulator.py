"""An AWS emulator as a process of the test's own, and what the tests ask of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3

from catalogue.installation import INSTALLATION
from tests.conftest import ROOT

_READY_SECONDS = 60


class Emulator:
    """ministack on a free loopback port, for the time of a `with`."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ministack-")
        self.log = Path(self._folder.name, "server.log")
        self.endpoint = f"http://127.0.0.1:{_free_port()}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": INSTALLATION.region,
            "AWS_DEFAULT_REGION": INSTALLATION.region,
        }

    def __enter__(self) -> Self:
        host, _, port = self.endpoint.removeprefix("http://").partition(":")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).with_name("ministack"))],
                env={
                    **os.environ,
                    **self.environment,
                    "GATEWAY_PORT": port,
                    "MINISTACK_HOST": host,
                    "TMPDIR": self._folder.name,
                },
                cwd=self._folder.name,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _READY_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log_text = self.log.read_text("utf-8", "replace")[-2000:]
                self.__exit__(None, None, None)
                raise RuntimeError(f"the AWS emulator did not start:\n{log_text}")
            time.sleep(0.2)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The functions that it runs are processes of its group.
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._folder.cleanup()

    def client(self, service: str) -> Any:
        """A boto3 client of the emulator."""
        session: Any = boto3.Session("test", "test", region_name=INSTALLATION.region)
        return session.client(service, endpoint_url=self.endpoint)

    def run(self, command: list[str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """Run a command of a checkout against the emulator."""
        path = f"{ROOT / '.venv' / 'bin'}:{ROOT / 'node_modules' / '.bin'}:{os.environ['PATH']}"
        environment = {**os.environ, **self.environment, "PATH": path, "PYTHONPATH": str(folder)}
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.endpoint, timeout=1):  # noqa: S310 our own server
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
