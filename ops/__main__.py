"""Entry point of `python -m ops`."""

import sys

from constructs_lib.errors import explain, is_refusal
from ops.commands import app


def main() -> None:
    """Run a command. Errors in the catalogue print one line, without a traceback."""
    try:
        app(prog_name="python -m ops")
    except Exception as error:
        if not is_refusal(error):
            raise
        sys.exit(f"error: {explain(error)}")


if __name__ == "__main__":
    main()
