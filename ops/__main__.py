"""The entry of `python -m ops`."""

import sys

from constructs_lib.errors import DeclarationError, explain


def main() -> None:
    """Run a command; a mistake in the catalogue, which all of them read, is told in a line."""
    try:
        from ops.commands import app
    except DeclarationError as error:
        sys.exit(f"error: {explain(error)}")
    app(prog_name="python -m ops")


if __name__ == "__main__":
    main()
