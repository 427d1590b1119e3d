"""`make cluster`: runs the platform on this machine until it is interrupted."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

from constructs_lib.node import prepare_jsii

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _interrupt(*_: int | FrameType | None) -> NoReturn:
    """Interrupt once; ignore signals during the cleanup."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


for _number in _SIGNALS:
    signal.signal(_number, _interrupt)
prepare_jsii()

import typer  # noqa: E402 the imports take a second and may also be interrupted

from catalogue.target import TARGET  # noqa: E402
from local_cluster.installing import PREREQUISITES, PrerequisiteError, require  # noqa: E402
from local_cluster.interactive import start  # noqa: E402
from local_cluster.processes import ProcessFailedError  # noqa: E402


def cluster(
    *,
    taken_over: Annotated[
        bool,
        typer.Option(
            "--taken-over",
            help="Start with the objects and Secrets of the deployment page applied by hand and "
            "without Applications, to rehearse docs/takeover.md.",
        ),
    ] = False,
    every: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Check dist/ for changes every EVERY seconds, and sync them. Default: when you "
            "press Enter; 5 if the terminal is not interactive.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run the platform on this machine: a real control plane, Argo CD, External Secrets.

    Syncs dist/ of the working tree, prints how to access the cluster, and syncs
    changes. Ctrl-C stops the cluster and removes all of its files. The programs
    come from the PATH or KUBEBUILDER_ASSETS, or are built once from source.

    Exit status: 0 stopped with Ctrl-C when ready, 1 failed to start, 130
    interrupted during the start.
    """
    ready = False
    try:
        require("cluster", PREREQUISITES)
        with start(TARGET.external_secrets, taken_over=taken_over) as running:
            ready = True
            running.print_instructions()
            running.sync_changes(every or (None if sys.stdin.isatty() else 5))
    except KeyboardInterrupt:
        print(f"\n{'Stopped' if ready else 'Interrupted'}. All processes and files are removed.")
        raise typer.Exit(0 if ready else 130) from None
    except (AssertionError, PrerequisiteError, ProcessFailedError) as error:
        print(f"error: {error}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(note, file=sys.stderr)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(cluster)
