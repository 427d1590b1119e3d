"""Entry point of `python -m ops`."""

from constructs_lib.node import disable_gc

if __name__ == "__main__":
    disable_gc()
    from ops.commands import app  # after it, to import faster

    app(prog_name="python -m ops")
