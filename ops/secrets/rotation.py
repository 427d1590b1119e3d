"""A value on its way from SSM to the last pod that reads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

import humanize

from constructs_lib.manifests.workload import Workload
from ops import terminal
from ops.asking import SecretValue
from ops.cluster import Cluster
from ops.errors import OpsError, Status, end
from ops.secrets.reach import Reach, SecretState
from ops.secrets.readers import Readers, Source, UpdateMode, update_mode

T = TypeVar("T")

_NEEDED = (
    ("get", "", "secrets"),
    ("list", "", "pods"),
    ("get", "external-secrets.io", "externalsecrets"),
    ("patch", "external-secrets.io", "externalsecrets"),
    ("get", "apps", "deployments"),
    ("patch", "apps", "deployments"),
)
"""Verb, group and resource of what a rotation does."""

POLL_SECONDS = 2.0
SYNC_SECONDS = 120.0
"""How long External Secrets may take, which is a matter of seconds."""


def reachable(cluster: Cluster, concerned: Readers) -> Readers:
    """The readers that the cluster has, all of which may be changed.

    Raises ClusterError for another cluster, and OpsError for a permission or an ExternalSecret
    that is missing, before anything is written.
    """
    cluster.require(*concerned.namespaces)
    for namespace in concerned.namespaces:
        for verb, group, resource in _NEEDED:
            if not cluster.may(verb, group, resource, namespace):
                raise OpsError(
                    f"context {cluster.context} may not {verb} {resource} in {namespace}; nothing "
                    "was changed. Use another context, or have the permission added"
                )
    for source in concerned.sources:
        if not cluster.sync(source.namespace, source.name):
            raise OpsError(
                f"the cluster has no ExternalSecret {source}; nothing was changed. Let Argo CD "
                "sync first, or correct external_secrets in catalogue/target.py"
            )
    there = [
        one
        for one in concerned.workloads
        if one.kind != "Deployment" or cluster.rollout(one.namespace, one.name)
    ]
    for one in concerned.workloads:
        if one not in there:
            terminal.warn(f"{one} is not in the cluster, and is left out.")
    return replace(concerned, workloads=tuple(there))


def plan(concerned: Readers, context: str) -> None:
    """Tell what will happen in the cluster."""
    terminal.tell(f"In the cluster of context {context}:")
    _tell("  External Secrets reads it now, into", concerned.sources)
    _tell("  Restarted together, without a lost request", concerned.taking(UpdateMode.ROLLING))
    _tell("  Restarted one after another, each with a gap", concerned.taking(UpdateMode.REPLACED))
    _tell("  With their next run", concerned.taking(UpdateMode.NEXT_RUN))
    _tell("  With the next sync of Argo CD", concerned.taking(UpdateMode.NEXT_SYNC))
    _tell("  Not restarted by this command: restart by hand", concerned.taking(UpdateMode.BY_HAND))
    if not concerned.workloads:
        terminal.tell("  Nothing restarts.")


def follow(rotation: Rotation) -> None:
    """Run a rotation, and tell where it stands however it ends."""
    try:
        rotation.run()
    except OpsError:
        rotation.report_state()
        raise
    except KeyboardInterrupt:
        terminal.tell("\nInterrupted.")
        rotation.report_state()
        end(Status.INTERRUPTED)
    rotation.report()


@dataclass
class Rotation:
    """What is done and what is left; `run` does what is left, so it can be run again.

    Nothing is kept between two runs: which Secrets hold the value, and which pods started with
    it, is seen in the cluster.
    """

    cluster: Cluster
    readers: Readers
    value: SecretValue
    version: int
    """The version in SSM of `value`."""
    newest: Callable[[], int | None]
    """Asks SSM which version holds now; None if the parameter is gone."""
    patience_seconds: float
    """How long a workload may take to end its old pods and start its new ones."""
    synced: list[Source] = field(default_factory=list)
    outcomes: dict[Workload, str] = field(default_factory=dict)
    _restarted: set[Workload] = field(default_factory=set)

    @property
    def _reach(self) -> Reach:
        return Reach(self.cluster, self.readers, self.value)

    def run(self) -> None:
        """Bring the value to every pod. Raises OpsError where a step does not succeed in time, or
        somebody else writes another value meanwhile.
        """
        self._sync()
        self._renew(self.readers.taking(UpdateMode.ROLLING))
        for workload in self.readers.taking(UpdateMode.REPLACED):
            self._renew([workload])
        self._require_newest()

    def _require_newest(self) -> None:
        newest = self.newest()
        if newest != self.version:
            now = f"version {newest} holds" if newest else "the parameter is gone"
            raise OpsError(
                f"somebody else changed {self.readers.path} after version {self.version}: in SSM "
                f"{now}. Ask whoever did that; --continue brings on what SSM holds"
            )

    def _sync(self) -> None:
        """Have External Secrets read the parameter, and wait until every Secret holds it."""
        for source in self.readers.sources:
            if self._reach.of(source) is SecretState.CURRENT:
                self.synced.append(source)
            else:
                self.cluster.sync_now(source.namespace, source.name)
        left = [source for source in self.readers.sources if source not in self.synced]
        if not left:
            return

        def waits_for(source: Source) -> str | None:
            if self._reach.of(source) is SecretState.CURRENT:
                self.synced.append(source)
                return None
            self._require_newest()
            sync = self.cluster.sync(source.namespace, source.name)
            return f"External Secrets does not bring it into {source}: {sync and sync.message}"

        _until_done("External Secrets to read the new value", left, waits_for, SYNC_SECONDS)
        time.sleep(POLL_SECONDS)  # a pod's start is told from the Secret's by whole seconds

    def _renew(self, workloads: list[Workload]) -> None:
        """Restart what started before its Secret was written, all at once, and wait."""
        if not workloads:
            return
        self._require_newest()

        def waits_for(workload: Workload) -> str | None:
            rollout = self.cluster.rollout(workload.namespace, workload.name)
            pods = self._reach.pods(workload)
            if rollout is None or (rollout.done and not pods.behind):
                ours = workload in self._restarted
                self.outcomes[workload] = "restarted" if ours else "had it already"
                return None
            under_way = pods.fresh and not rollout.done  # Reloader, or an earlier run of ours
            if pods.behind and workload not in self._restarted and not under_way:
                self.cluster.restart(workload.namespace, workload.name)
                self._restarted.add(workload)
            if stuck := next((pod for pod in pods.fresh if pod.stuck), None):
                raise OpsError(
                    f"{workload} does not come up: its new pod {stuck.name} is in {stuck.stuck}; "
                    f"`kubectl logs --namespace {workload.namespace} {stuck.name}` may say why"
                )
            return f"{workload} is not done: {len(pods.behind)} pods are to be replaced"

        names = ", ".join(map(str, workloads))
        _until_done(f"{names} to restart", workloads, waits_for, self.patience_seconds)

    def report(self) -> None:
        """Show what happened to every reader."""
        terminal.show(f"{self.readers.path}: version {self.version} is everywhere.")
        rows = [
            (
                workload.kind,
                str(workload),
                self.outcomes.get(workload, f"with its {update_mode(workload)}"),
            )
            for workload in self.readers.workloads
        ]
        if rows:
            terminal.show_table("Kind", "Workload", "Takes the value", rows=rows)

    def report_state(self) -> None:
        """Tell how far it has come, and how to go on."""
        left = [source for source in self.readers.sources if source not in self.synced]
        restarted = self.readers.restarted()
        done = [one for one in restarted if one in self.outcomes]
        terminal.tell(f"The value is version {self.version} in SSM.")
        _tell("In the cluster, these Secrets hold it", self.synced)
        _tell("These do not yet", left)
        _tell("Restarted, or found with the value", done)
        _tell("Not restarted yet", [one for one in restarted if one not in done])
        terminal.tell(f"To go on: python -m ops secrets rotate {self.readers.path} --continue")


def _tell(what: str, names: Iterable[object]) -> None:
    if listed := ", ".join(map(str, names)):
        terminal.tell(f"{what}: {listed}.")


def _until_done(
    what: str, things: list[T], waits_for: Callable[[T], str | None], seconds: float
) -> None:
    """Wait until each thing waits for nothing any more; raise OpsError with what it is."""
    deadline = time.monotonic() + seconds
    left = things
    with terminal.waiting(f"Waiting for {what} ..."):
        while left:
            reasons = {thing: waits_for(thing) for thing in left}
            left = [thing for thing, reason in reasons.items() if reason]
            if left and time.monotonic() > deadline:
                waited = humanize.precisedelta(timedelta(seconds=seconds))
                reason = "; ".join(filter(None, reasons.values()))
                raise OpsError(f"after {waited}: {reason}")
            if left:
                time.sleep(POLL_SECONDS)
