"""The one entry: without argument it renders the manifests, with `cloud` the CDK assembly."""

import atexit
import gc
import os
import sys

from constructs_lib.errors import TRACEBACK
from constructs_lib.node import prepare_jsii

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main() -> None:
    """Import only the half that is asked for, and run it."""
    prepare_jsii()
    _disable_gc()
    arguments = [one for one in sys.argv[1:] if one != "--traceback"]
    if arguments != sys.argv[1:]:
        os.environ[TRACEBACK] = "1"
    try:
        if arguments == ["cloud"]:
            from stacks.cloud import synth
        elif not arguments:
            from charts.dist import synth
        else:
            sys.exit("usage: python app.py [cloud] [--traceback]")
        sys.exit(synth())
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _disable_gc() -> None:
    """Search for no garbage: it took a tenth of a synth's time or more, and found next to none."""
    gc.disable()
    atexit.register(gc.freeze)  # else the interpreter searches once more when it ends


if __name__ == "__main__":
    main()
