"""Which Node jsii runs on. Nothing is imported here that would start it."""

import os
import shutil
import sys
from pathlib import Path


def use_environments_node() -> None:
    """Take the Node that came with the virtual environment, whether that is activated or not."""
    ours = shutil.which("node", path=str(Path(sys.executable).parent))
    os.environ.setdefault("JSII_NODE", ours or "node")
