"""Entry point of `python -m ops`."""

import atexit
import gc

from ops.commands import app

if __name__ == "__main__":
    gc.disable()  # a command is short and keeps what it reads; collections take a tenth of a review
    atexit.register(gc.freeze)  # this includes the collection at its end
    app(prog_name="python -m ops")
