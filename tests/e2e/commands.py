"""Runs `ops` commands against the control plane and its AWS emulator."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local_cluster.installation import Installation
from tests.conftest import ROOT


def ops(
    installation: Installation,
    *arguments: str,
    given: str = "",
    kubeconfig: Path | None = None,
    folder: Path = ROOT,
) -> subprocess.CompletedProcess[str]:
    """Run a command with `given` on its standard input."""
    return subprocess.run(
        _command(*arguments),
        cwd=folder,
        env=_environment(installation, kubeconfig),
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Running:
    """A running command."""

    process: subprocess.Popen[str]
    stderr: IO[str]


@contextmanager
def running_ops(installation: Installation, *arguments: str, given: str = "") -> Iterator[Running]:
    """Start a command, and kill it at the end of the block."""
    with subprocess.Popen(
        _command(*arguments),
        cwd=ROOT,
        env=_environment(installation),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdin
            assert process.stderr
            process.stdin.write(given)
            process.stdin.close()
            yield Running(process, process.stderr)
        finally:
            process.kill()


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ops", *arguments]


def _environment(installation: Installation, kubeconfig: Path | None = None) -> dict[str, str]:
    return {
        **os.environ,
        **installation.aws.environment,
        "PYTHONPATH": str(ROOT),
        "KUBECONFIG": str(kubeconfig or installation.cluster.kubeconfig),
    }
