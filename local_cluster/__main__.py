"""`make cluster`: the platform on this machine, for as long as the command runs."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _end(*_: int | FrameType | None) -> NoReturn:
    """End once; what comes while everything is ended is not heard."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


for _number in _SIGNALS:
    signal.signal(_number, _end)

import typer  # noqa: E402 what follows takes a second, and may be interrupted too

from catalogue.target import TARGET  # noqa: E402
from local_cluster.desk import prepare  # noqa: E402
from local_cluster.installing import (  # noqa: E402
    PREREQUISITES,
    ProgramMissingError,
)
from local_cluster.prerequisites import PrerequisitesMissingError, require  # noqa: E402
from local_cluster.processes import ProcessFailedError  # noqa: E402

_FAILURES = (AssertionError, PrerequisitesMissingError, ProcessFailedError, ProgramMissingError)
_INTERRUPTED = 130


def cluster(
    *,
    taken_over: Annotated[
        bool,
        typer.Option(
            "--taken-over",
            help="Start with the deployment page's objects and their Secrets applied by hand, and "
            "without Applications, to rehearse docs/takeover.md.",
        ),
    ] = False,
    every: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Sync dist/ whenever it has changed, and look every so many seconds. Default: "
            "when you press Enter; 5 where the terminal is not interactive.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run the platform on this machine: a real control plane, Argo CD, External Secrets.

    Syncs dist/ of the working tree, prints how to look at it, and follows
    changes. Ctrl-C ends it and leaves nothing behind. The programs come from
    the PATH, KUBEBUILDER_ASSETS, or one build from source.

    Exit status: 0 ended with Ctrl-C once it was ready, 1 it did not start, 130
    interrupted before.
    """
    ready = False
    try:
        require("cluster", PREREQUISITES)
        with prepare(TARGET.external_secrets, taken_over=taken_over) as desk:
            ready = True
            desk.tell()
            desk.follow(every or (None if sys.stdin.isatty() else 5))
    except KeyboardInterrupt:
        print("\nEnded; nothing is left." if ready else "\nInterrupted; nothing is left.")
        raise typer.Exit(0 if ready else _INTERRUPTED) from None
    except _FAILURES as error:
        print(f"error: {error}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(note, file=sys.stderr)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(cluster)
