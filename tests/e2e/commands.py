"""Runs `ops` commands against the control plane and its AWS emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, run
from tests.e2e.installed import Installed
from tests.ops.session import Session


def ops(
    installation: Installed,
    *arguments: str,
    given: str = "",
    kubeconfig: Path | None = None,
    folder: Path = ROOT,
) -> subprocess.CompletedProcess[str]:
    """Run a command with `given` on its standard input."""
    command = (sys.executable, "-m", "ops", *arguments)
    environment = _environment(installation, kubeconfig)
    return run(*command, folder=folder, environment=environment, stdin=given)


def report(installation: Installed, *arguments: str, folder: Path = ROOT, status: int = 0) -> Any:
    """The JSON that a command prints."""
    done = ops(installation, *arguments, folder=folder)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def started(installation: Installed, *arguments: str) -> Session:
    """A running command in a terminal."""
    return Session(*arguments, environment=_environment(installation))


def _environment(installation: Installed, kubeconfig: Path | None = None) -> dict[str, str]:
    return {
        **os.environ,
        **installation.aws.environment,
        "PYTHONPATH": str(ROOT),
        "KUBECONFIG": str(kubeconfig or installation.cluster.kubeconfig),
    }
