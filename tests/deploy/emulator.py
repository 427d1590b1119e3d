"""An AWS emulator in its own process."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3

from local_cluster.processes import Processes
from tests.conftest import ROOT, run


@dataclass(frozen=True)
class Emulator:
    """ministack on a free loopback port."""

    processes: Processes

    def client(self, service: str) -> Any:
        """A client of boto3."""
        variables = self.processes.aws_variables
        session: Any = boto3.Session("test", "test", region_name=variables["AWS_REGION"])
        return session.client(service, endpoint_url=variables["AWS_ENDPOINT_URL"])

    def run(self, command: list[str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """Run a command of a checkout against the emulator."""
        path = f"{ROOT / '.venv' / 'bin'}:{ROOT / 'node_modules' / '.bin'}:{os.environ['PATH']}"
        environment = {
            **os.environ,
            **self.processes.aws_variables,
            "PATH": path,
            "PYTHONPATH": str(folder),
        }
        return run(*command, folder=folder, environment=environment)

    @property
    def log(self) -> str:
        """Return the emulator's own log."""
        return self.processes["ministack"].log.read_text("utf-8", "replace")


@contextmanager
def running_emulator() -> Iterator[Emulator]:
    """Run an emulator, and remove its files afterwards."""
    with TemporaryDirectory(prefix="ministack-") as folder:
        processes = Processes(Path(folder).resolve())
        try:
            processes.start("ministack").wait_until_ready()
            yield Emulator(processes)
        finally:
            processes.stop()
