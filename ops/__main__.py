"""Entry point of `python -m ops`."""

from constructs_lib.node import disable_gc

if __name__ == "__main__":
    disable_gc()  # before the imports, which are much of its work

    from ops.commands import app

    app(prog_name="python -m ops")
