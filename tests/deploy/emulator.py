"""An AWS emulator in its own process."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from local_cluster.aws import Aws
from local_cluster.processes import Processes
from tests.conftest import ROOT, run


@dataclass(frozen=True)
class Emulator:
    """ministack on a free loopback port."""

    aws: Aws

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def run(self, command: list[str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """Run a command of a checkout against the emulator."""
        path = f"{ROOT / '.venv' / 'bin'}:{ROOT / 'node_modules' / '.bin'}:{os.environ['PATH']}"
        environment = {
            **os.environ,
            **self.aws.environment,
            "PATH": path,
            "PYTHONPATH": str(folder),
        }
        return run(*command, folder=folder, environment=environment)

    @property
    def log(self) -> str:
        """Return the emulator's own log."""
        return self.aws.process.log.read_text("utf-8", "replace")


@contextmanager
def running_emulator() -> Iterator[Emulator]:
    """Run an emulator, and remove its files afterwards."""
    with TemporaryDirectory(prefix="ministack-") as folder:
        processes = Processes(Path(folder).resolve())
        try:
            aws = Aws(processes)
            aws.process.wait_until_ready()
            yield Emulator(aws)
        finally:
            processes.stop()
