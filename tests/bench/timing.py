"""Runs one command and measures it."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path


def timed(
    command: list[str], checkout: Path, environment: Mapping[str, str]
) -> tuple[float, float]:
    """Duration in seconds and peak megabytes. Exits with an error if the command fails."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, cwd=checkout)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        name = " ".join(command)[:200]
        sys.exit(f"error: {name} exited with status {process.returncode} in {checkout}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024
