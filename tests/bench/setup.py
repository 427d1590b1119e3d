"""The time from a clone to the rendered dist/, and the time pip alone takes to install the same."""

import os
import subprocess
import sys
from pathlib import Path

from tests.bench.timing import timed

_ROOT = Path(__file__).parents[2]
_PYTHON = Path(sys.base_exec_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
_OF_THIS_RUN = {"ARGS", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "SHORT", "VIRTUAL_ENV"}
"""What make and a virtual environment hand down, and a fresh terminal does not have."""


def measure(folder: Path) -> dict[str, float]:
    """Seconds of `make synth` in a fresh clone and of `pip install`, both with empty caches."""
    clone, environment = folder / "clone", folder / "pip"
    subprocess.run(["git", "clone", "--quiet", _ROOT, clone], check=True)
    subprocess.run([_PYTHON, "-m", "venv", environment], check=True)
    pip = [str(environment / "bin/pip"), "install", "--require-hashes", "--requirement"]
    return {
        "setup": _seconds(["make", "synth", f"PYTHON={_PYTHON}"], clone, folder / "home of make"),
        "pip": _seconds([*pip, "requirements.txt"], clone, folder / "home of pip"),
    }


def _seconds(command: list[str], checkout: Path, home: Path) -> float:
    inherited = {key: value for key, value in os.environ.items() if key not in _OF_THIS_RUN}
    caches = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    return timed(command, checkout, {**inherited, **caches})[0]
