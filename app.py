"""The one entry: without argument it renders the manifests, with `cloud` the CDK assembly."""

import os
import shutil
import sys
from pathlib import Path

# jsii runs on the Node of the virtual environment, whether that is activated or not.
os.environ.setdefault(
    "JSII_NODE", shutil.which("node", path=str(Path(sys.executable).parent)) or "node"
)


def main() -> None:
    """Import only the half that is asked for, and run it."""
    if sys.argv[1:] == ["cloud"]:
        from stacks.cloud import synth
    elif not sys.argv[1:]:
        from charts.dist import synth
    else:
        sys.exit("usage: python app.py [cloud]")
    sys.exit(synth())


if __name__ == "__main__":
    main()
