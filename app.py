"""The one entry: without argument it renders the manifests, with `cloud` the CDK assembly."""

import atexit
import gc
import sys

from constructs_lib.node import prepare_jsii

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main() -> None:
    """Import only the half that is asked for, and run it."""
    prepare_jsii()
    _leave_memory_to_the_system()
    try:
        if sys.argv[1:] == ["cloud"]:
            from stacks.cloud import synth
        elif not sys.argv[1:]:
            from charts.dist import synth
        else:
            sys.exit("usage: python app.py [cloud]")
        sys.exit(synth())
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _leave_memory_to_the_system() -> None:
    """Search for no garbage: it took a tenth of a synth's time or more, and found next to none."""
    gc.disable()
    atexit.register(gc.freeze)  # else the interpreter searches once more when it ends


if __name__ == "__main__":
    main()
