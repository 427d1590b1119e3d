"""The command of `make cluster`: starts a cluster, prints instructions, syncs dist/."""

import select
import sys
import time
from functools import partial
from typing import Annotated, NoReturn

import typer

from catalogue.target import TARGET
from charts.dist import FOLDER
from charts.output import read
from constructs_lib.model.text import plural
from local_cluster.argocd import serve_page
from local_cluster.control_plane import ControlPlane, running_control_plane
from local_cluster.installing import PREREQUISITES, require
from ops.errors import OpsError

_SIMULATED = """\
Simulated: nodes do not run containers, so probes, logs and addresses do not work. AWS is emulated.
Load balancers and volumes are objects without a backend. All other programs are the real ones.
"""
_SYNC_SECONDS = 120

say = partial(print, flush=True)


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
    started, ready = time.monotonic(), False
    try:
        require("cluster", PREREQUISITES)
        say(_SIMULATED)
        dist = partial(read, FOLDER)
        with running_control_plane(TARGET.external_secrets, _step, dist) as control_plane:
            page = serve_page(control_plane.processes)
            control_plane.install(_step, by_hand=taken_over)
            control_plane.processes.wait_until_ready()
            ready = True
            _print_instructions(control_plane, page, time.monotonic() - started)
            _sync_changes(control_plane, every or (None if sys.stdin.isatty() else 5))
    except KeyboardInterrupt:
        print(f"\n{'Stopped' if ready else 'Interrupted'}. All processes and files are removed.")
        raise typer.Exit(0 if ready else 130) from None
    except (AssertionError, OpsError) as error:
        print(f"error: {error}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(note, file=sys.stderr)
        raise typer.Exit(1) from error


def _step(line: str) -> None:
    say(f"  {line}")


def _print_instructions(control_plane: ControlPlane, page: str, seconds: float) -> None:
    """Print how to access the cluster."""
    folder = control_plane.processes.folder
    kubeconfig = str(control_plane.cluster.kubeconfig)
    variables = {"KUBECONFIG": kubeconfig, **control_plane.processes.aws_variables}
    lines = (f"export {name}={value}\n" for name, value in variables.items())
    (folder / "env").write_text("".join(lines))
    say(f"\nReady in {seconds:.0f} s. In another terminal:\n")
    say(f"  source {folder / 'env'}")
    say("  kubectl get applications --namespace argocd")
    say("  python -m ops review --cluster")
    say("  python -m ops checklist --aws --cluster\n")
    say(f"  Argo CD: {page} (user admin, password {control_plane.argocd.password()})")
    say(f"  Logs: {folder / 'logs'}\n")
    say("Press Enter to sync dist/, Ctrl-C to stop.")


def _sync_changes(control_plane: ControlPlane, every: float | None) -> NoReturn:
    """Sync dist/ on Enter or every `every` seconds."""
    syncing_since: float | None = None
    while True:
        requested = _wait(1 if syncing_since else every)
        if (requested or every) and _commit(control_plane, quiet=not requested):
            syncing_since = time.monotonic()
        if syncing_since and _reported(control_plane, time.monotonic() - syncing_since):
            syncing_since = None


def _wait(seconds: float | None) -> bool:
    """Wait for Enter or a timeout; return whether Enter was pressed."""
    if not sys.stdin.isatty():
        time.sleep(seconds or 0)
        return False
    pressed = bool(select.select([sys.stdin], [], [], seconds)[0])
    if pressed:
        sys.stdin.readline()
    return pressed


def _commit(control_plane: ControlPlane, *, quiet: bool) -> bool:
    """Commit dist/ of the working tree; return whether Argo CD syncs a change."""
    changed = sorted(path for _, path in control_plane.write_dist())
    if not changed:
        if not quiet:
            say("dist/ is unchanged.")
        return False
    control_plane.repository.commit("The working tree has changed")
    files = f"{plural(len(changed), 'file')}: {', '.join(f'dist/{path}' for path in changed)}"
    if not control_plane.argocd.applications():
        say(f"Committed {files}. No Application exists yet, so nothing is synced.")
        return False
    say(f"Syncing {files}")
    control_plane.argocd.refresh()
    return True


def _reported(control_plane: ControlPlane, seconds: float) -> bool:
    """Report the result of a sync; return whether there is one."""
    head = control_plane.repository.head
    applications = control_plane.argocd.applications().values()
    waiting = [application for application in applications if not application.has_synced(head)]
    if not waiting:
        say(f"Synced and Healthy in {seconds:.0f} s.")
    elif seconds > _SYNC_SECONDS:
        for application in waiting:
            say("\n    ".join((f"  {application}", *application.messages)))
        say(f"Not Synced and Healthy after {seconds:.0f} s. See the messages above.")
    return not waiting or seconds > _SYNC_SECONDS
