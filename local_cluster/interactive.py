"""The interactive cluster of `make cluster`: starts it, prints instructions, syncs dist/."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from charts.dist import FOLDER
from charts.output import read
from constructs_lib.model.text import plural
from local_cluster.argocd_server import USER, ArgoCdServer
from local_cluster.by_hand import apply_by_hand
from local_cluster.control_plane import ControlPlane, running_control_plane
from local_cluster.installation import Installation
from local_cluster.installing import provide
from local_cluster.programs import ARGOCD

SIMULATED = """\
Simulated: nodes do not run containers, so probes, logs and addresses do not work. AWS is emulated.
Load balancers and volumes are objects without a backend. All other programs are the real ones.
"""
_SYNC_SECONDS = 120


@dataclass
class InteractiveCluster:
    """A running cluster with the platform and Argo CD's web page."""

    installation: Installation
    server: ArgoCdServer
    started: float = field(default_factory=time.monotonic)
    _syncing_since: float | None = None

    def print_instructions(self) -> None:
        """Print how to access the cluster."""
        environment = self.installation.processes.folder / "env"
        variables = {
            "KUBECONFIG": str(self.installation.cluster.kubeconfig),
            **self.installation.aws.environment,
        }
        lines = (f"export {name}={value}\n" for name, value in variables.items())
        environment.write_text("".join(lines))
        say(f"\nReady in {time.monotonic() - self.started:.0f} s. In another terminal:\n")
        say(f"  source {environment}")
        say("  kubectl get applications --namespace argocd")
        say("  python -m ops review --cluster")
        say("  python -m ops checklist --aws --cluster\n")
        say(f"  Argo CD: {self.server.address} (user {USER}, password {self.server.password})")
        say(f"  Logs: {self.installation.processes.folder / 'logs'}\n")
        say("Press Enter to sync dist/, Ctrl-C to stop.")

    def sync_changes(self, every: float | None) -> None:
        """Sync dist/ on Enter or every `every` seconds. Never returns."""
        while True:
            requested = _wait(1 if self._syncing_since else every)
            if requested or every:
                self._commit(quiet=not requested)
            self._report()

    def _commit(self, *, quiet: bool) -> None:
        """Commit dist/ of the working tree for Argo CD."""
        installation = self.installation
        installation.write_dist(installation.dist())
        changed = installation.repository.changed()
        if not changed:
            if not quiet:
                say("dist/ is unchanged.")
            return
        installation.repository.commit("The working tree has changed")
        files = f"{plural(len(changed), 'file')}: {', '.join(line[3:] for line in changed)}"
        if not installation.argocd.applications():
            say(f"Committed {files}. No Application exists yet, so nothing is synced.")
            return
        say(f"Syncing {files}")
        installation.argocd.refresh()
        self._syncing_since = time.monotonic()

    def _report(self) -> None:
        """Report the result of a sync once."""
        if not self._syncing_since:
            return
        applications = self.installation.argocd.applications().values()
        head = self.installation.repository.head
        waiting = [one for one in applications if not one.is_done(head)]
        seconds = time.monotonic() - self._syncing_since
        if not waiting:
            say(f"Synced and Healthy in {seconds:.0f} s.")
        elif seconds > _SYNC_SECONDS:
            for one in waiting:
                say("\n    ".join((f"  {one}", *one.messages)))
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
    say(SIMULATED)
    with running_control_plane(external_secrets, _step) as control_plane:
        installation = Installation(control_plane, lambda: read(FOLDER))
        server = ArgoCdServer(
            control_plane.processes,
            control_plane.cluster,
            control_plane.argocd,
            provide(ARGOCD, _step),
        )
        _install(installation, control_plane, taken_over=taken_over)
        control_plane.processes.wait_until_ready()
        yield InteractiveCluster(installation, server, started)


def _install(installation: Installation, control_plane: ControlPlane, *, taken_over: bool) -> None:
    _step("bootstrapping AWS for the CDK")
    installation.bootstrap()
    if taken_over:
        _step("applying the objects of the deployment page")
        apply_by_hand(control_plane.cluster, installation.objects())
        return
    installation.deploy(_step)


def say(line: str) -> None:
    """Print a line immediately."""
    print(line, flush=True)


def _step(line: str) -> None:
    say(f"  {line}")
