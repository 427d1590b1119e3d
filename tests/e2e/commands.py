"""Runs `ops` commands against the control plane and its AWS emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tests.conftest import ROOT, run
from tests.e2e.installed import Installed

COMMAND = (sys.executable, "-m", "ops")


def ops(
    installation: Installed,
    *arguments: str,
    given: str = "",
    kubeconfig: Path | None = None,
    folder: Path = ROOT,
) -> subprocess.CompletedProcess[str]:
    """Run a command with `given` on its standard input."""
    environment = _environment(installation, kubeconfig)
    return run(*COMMAND, *arguments, folder=folder, environment=environment, stdin=given)


def report(installation: Installed, *arguments: str, folder: Path = ROOT, status: int = 0) -> Any:
    """The JSON that a command prints."""
    done = ops(installation, *arguments, folder=folder)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


@contextmanager
def running_ops(
    installation: Installed, *arguments: str, given: str = ""
) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Start a command, and kill it at the end of the block; yields it and its error output."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
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
            yield process, process.stderr
        finally:
            process.kill()


def _environment(installation: Installed, kubeconfig: Path | None = None) -> dict[str, str]:
    return {
        **os.environ,
        **installation.aws.environment,
        "PYTHONPATH": str(ROOT),
        "KUBECONFIG": str(kubeconfig or installation.cluster.kubeconfig),
    }
