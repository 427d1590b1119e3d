"""Entry point: renders the manifests; with `cloud`, the CDK assembly."""

import os
import sys

from constructs_lib.errors import TRACEBACK
from constructs_lib.node import disable_gc, prepare_jsii

INTERRUPTED = 130  # 128 + SIGINT, the shell convention


def main() -> None:
    """Import and run only the requested half."""
    prepare_jsii()
    disable_gc()
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


if __name__ == "__main__":
    main()
