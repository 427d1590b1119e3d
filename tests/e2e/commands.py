"""The operator's commands, against the control plane and its AWS."""

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
    """A command that has ended, with `given` on its standard input."""
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
class UnderWay:
    """A command that runs."""

    process: subprocess.Popen[str]
    said: IO[str]
    """Its standard error, to be read as it comes."""


@contextmanager
def ops_under_way(
    installation: Installation, *arguments: str, given: str = ""
) -> Iterator[UnderWay]:
    """A command that runs, and is ended with the block if it has not ended by itself."""
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
            yield UnderWay(process, process.stderr)
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
