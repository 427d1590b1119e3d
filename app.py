"""Entry point: renders the manifests; with `cloud`, the CDK assembly."""

import atexit
import gc
import os
import sys

from constructs_lib.errors import TRACEBACK
from constructs_lib.node import prepare_jsii

INTERRUPTED = 130  # 128 + SIGINT, the shell convention


def main() -> None:
    """Import and run only the requested half."""
    prepare_jsii()
    _disable_gc()
    arguments = [one for one in sys.argv[1:] if one != "--traceback"]
    if arguments != sys.argv[1:]:
        os.environ[TRACEBACK] = "1"
    try:
        if arguments == ["cloud"]:
            from stacks.template import synth
        elif not arguments:
            from charts.dist import synth
        else:
            sys.exit("usage: python app.py [cloud] [--traceback]")
        sys.exit(synth())
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _disable_gc() -> None:
    """Skip garbage collection: it takes 10% of a synth or more and frees almost nothing."""
    gc.disable()
    atexit.register(gc.freeze)  # otherwise the interpreter collects again at exit


if __name__ == "__main__":
    main()
