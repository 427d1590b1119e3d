"""Runs commands and measures them."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import ROOT

_PYTHON = Path(sys.base_exec_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
_OF_THIS_RUN = {"ARGS", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "SHORT", "VIRTUAL_ENV"}
"""What make and a virtual environment hand down, and a fresh terminal does not have."""


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


def setup(folder: Path) -> dict[str, list[float]]:
    """Seconds of `make synth` in a fresh clone, and of `pip install` of the same packages.

    Both start with empty caches.
    """
    clone, environment = folder / "clone", folder / "pip"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    subprocess.run([_PYTHON, "-m", "venv", environment], check=True)
    pip = [str(environment / "bin/pip"), "install", "--require-hashes", "--requirement"]
    commands = {
        "setup": ["make", "synth", f"PYTHON={_PYTHON}"],
        "pip": [*pip, "requirements.txt"],
    }
    inherited = {key: value for key, value in os.environ.items() if key not in _OF_THIS_RUN}
    seconds = {}
    for name, command in commands.items():
        home = folder / f"home of {name}"
        caches = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
        seconds[name] = [timed(command, clone, {**inherited, **caches})[0]]
    return seconds
