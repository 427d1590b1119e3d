"""The interactive cluster of `make cluster`: starts it, prints instructions, syncs dist/."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from charts.dist import FOLDER
from charts.output import read
from constructs_lib.model.text import plural
from local_cluster.argocd import USER
from local_cluster.control_plane import running_control_plane
from local_cluster.installation import Installation

_SIMULATED = """\
Simulated: nodes do not run containers, so probes, logs and addresses do not work. AWS is emulated.
Load balancers and volumes are objects without a backend. All other programs are the real ones.
"""
_SYNC_SECONDS = 120

say = partial(print, flush=True)


@dataclass
class InteractiveCluster:
    """A running cluster with the platform and Argo CD's web page."""

    installation: Installation
    page: str
    """The address of Argo CD's web page."""
    started: float
    _syncing_since: float | None = None

    def print_instructions(self) -> None:
        """Print how to access the cluster."""
        folder, argocd = self.installation.processes.folder, self.installation.argocd
        variables = {
            "KUBECONFIG": str(self.installation.cluster.kubeconfig),
            **self.installation.aws.environment,
        }
        lines = (f"export {name}={value}\n" for name, value in variables.items())
        (folder / "env").write_text("".join(lines))
        say(f"\nReady in {time.monotonic() - self.started:.0f} s. In another terminal:\n")
        say(f"  source {folder / 'env'}")
        say("  kubectl get applications --namespace argocd")
        say("  python -m ops review --cluster")
        say("  python -m ops checklist --aws --cluster\n")
        say(f"  Argo CD: {self.page} (user {USER}, password {argocd.password()})")
        say(f"  Logs: {folder / 'logs'}\n")
        say("Press Enter to sync dist/, Ctrl-C to stop.")

    def sync_changes(self, every: float | None) -> None:
        """Sync dist/ on Enter or every `every` seconds. Never returns."""
        while True:
            requested = _wait(1 if self._syncing_since else every)
            if requested or every:
                self._commit(quiet=not requested)
            if self._syncing_since:
                self._report(time.monotonic() - self._syncing_since)

    def _commit(self, *, quiet: bool) -> None:
        """Commit dist/ of the working tree for Argo CD."""
        installation = self.installation
        installation.write_dist()
        changed = installation.repository.changed()
        if not changed:
            if not quiet:
                say("dist/ is unchanged.")
            return
        installation.repository.commit("The working tree has changed")
        files = f"{plural(len(changed), 'file')}: {', '.join(changed)}"
        if not installation.argocd.applications():
            say(f"Committed {files}. No Application exists yet, so nothing is synced.")
            return
        say(f"Syncing {files}")
        installation.argocd.refresh()
        self._syncing_since = time.monotonic()

    def _report(self, seconds: float) -> None:
        """Report the result of a sync once."""
        head = self.installation.repository.head
        applications = self.installation.argocd.applications().values()
        waiting = [application for application in applications if not application.has_synced(head)]
        if not waiting:
            say(f"Synced and Healthy in {seconds:.0f} s.")
        elif seconds > _SYNC_SECONDS:
            for application in waiting:
                say("\n    ".join((f"  {application}", *application.messages)))
            say(f"Not Synced and Healthy after {seconds:.0f} s. See the messages above.")
        else:
            return
        self._syncing_since = None


def _wait(seconds: float | None) -> bool:
    """Wait for Enter or a timeout; return whether Enter was pressed."""
    if not sys.stdin.isatty():
        time.sleep(seconds or 0)
        return False
    pressed = bool(select.select([sys.stdin], [], [], seconds)[0])
    if pressed:
        sys.stdin.readline()
    return pressed


@contextmanager
def start(external_secrets: str, *, taken_over: bool) -> Iterator[InteractiveCluster]:
    """Start a cluster with dist/ synced, or with the objects of the deployment page."""
    started = time.monotonic()
    say(_SIMULATED)
    with running_control_plane(external_secrets, _step) as control_plane:
        installation = Installation(control_plane, lambda: read(FOLDER))
        page = installation.argocd.serve_page()
        _step("bootstrapping AWS for the CDK")
        installation.bootstrap()
        if taken_over:
            _step("applying the objects of the deployment page")
            installation.apply_by_hand()
        else:
            installation.deploy(_step)
        installation.processes.wait_until_ready()
        yield InteractiveCluster(installation, page, started)


def _step(line: str) -> None:
    say(f"  {line}")
