"""Roll out a value from SSM to every pod that reads it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

import humanize

from constructs_lib.manifests.workload import Update, Workload
from constructs_lib.model.text import plural
from ops import aws, terminal
from ops.cluster import Cluster
from ops.errors import OpsError
from ops.secrets.parameters import Readers, SyncedSecret, ValueInCluster, update_mode

T = TypeVar("T", SyncedSecret, Workload)

_NEEDED = (
    ("get", "", "secrets"),
    ("list", "", "pods"),
    ("get", "external-secrets.io", "externalsecrets"),
    ("patch", "external-secrets.io", "externalsecrets"),
    ("get", "apps", "deployments"),
    ("patch", "apps", "deployments"),
)
"""Verb, group and resource of each request of a rotation."""
_EFFECTS = {
    Update.ROLLING: "Restarted together, without lost requests",
    Update.RECREATE: "Restarted one at a time, each with brief downtime",
    Update.NEXT_RUN: "Updated by their next run",
    Update.NEXT_SYNC: "Updated by the next sync of Argo CD",
    Update.BY_HAND: "Not restarted by this command; restart by hand",
}
"""What a rotation does to a workload."""
POLL_SECONDS = 2.0
SYNC_SECONDS = 120.0
"""The timeout for External Secrets, which normally takes seconds."""


def reachable(cluster: Cluster, affected: Readers) -> Readers:
    """Return the readers that exist in the cluster.

    Raises ClusterError for the wrong cluster, and OpsError for a missing permission or
    ExternalSecret, before anything is written.
    """
    namespaces = sorted({synced.namespace for synced in affected.secrets})
    cluster.require(*namespaces)
    for namespace in namespaces:
        for verb, group, resource in _NEEDED:
            if not cluster.may(verb, group, resource, namespace):
                raise OpsError(
                    f"context {cluster.context} may not {verb} {resource} in {namespace}; nothing "
                    "was changed. Use another context, or add the permission"
                )
    for synced in affected.secrets:
        if not cluster.sync(synced.namespace, synced.name):
            raise OpsError(
                f"the cluster has no ExternalSecret {synced}; nothing was changed. Let Argo CD "
                "sync first, or correct external_secrets in catalogue/target.py"
            )
    present = []
    for workload in affected.workloads:
        place = workload.namespace, workload.name
        if workload.kind == "Deployment" and cluster.is_rolled_out(*place) is None:
            terminal.warn(f"{workload} is not in the cluster; skipped.")
        else:
            present.append(workload)
    return replace(affected, workloads=tuple(present))


def plan(affected: Readers, context: str) -> None:
    """Print what the rotation will do in the cluster."""
    terminal.info(f"In the cluster of context {context}:")
    _list("  Synced now by External Secrets", affected.secrets)
    for mode, effect in _EFFECTS.items():
        _list(f"  {effect}", affected.with_mode(mode))
    if not affected.workloads:
        terminal.info("  Nothing restarts.")


@dataclass
class Rotation:
    """A rotation, which can be repeated.

    It keeps no state between runs: the cluster shows which Secrets have the value, and which
    pods started with it.
    """

    cluster: Cluster
    value: ValueInCluster
    version: int
    """The version of the value in SSM."""
    patience_seconds: float
    """How long a workload may take to replace its pods."""
    _has: dict[SyncedSecret | Workload, bool] = field(default_factory=dict)
    """Whether a Secret, or the pods of a workload, have the value, as far as that is known."""
    _restarted: set[Workload] = field(default_factory=set)

    @property
    def readers(self) -> Readers:
        return self.value.readers

    def run(self) -> None:
        """Roll out the value to every pod, and print the state however it ends.

        Raises OpsError after a timeout or a concurrent write.
        """
        try:
            self._sync()
            self._restart_outdated(self.readers.with_mode(Update.ROLLING))
            for workload in self.readers.with_mode(Update.RECREATE):
                self._restart_outdated([workload])
            self._require_newest()
        except (OpsError, KeyboardInterrupt):
            self._report_state()
            raise
        self._report()

    def _require_newest(self) -> None:
        path = self.readers.path
        newest = aws.read([path]).get(path, aws.MISSING).number
        if newest != self.version:
            now = f"SSM now has version {newest}" if newest else "it was deleted"
            raise OpsError(
                f"another user changed {path} after version {self.version}: {now}. "
                "Decide which value is right; --continue rolls out the one in SSM"
            )

    def _sync(self) -> None:
        """Make External Secrets read the parameter, and wait until every Secret has it."""
        for synced in self.readers.secrets:
            self._has[synced] = not self.value.problem(synced)
        outdated = [synced for synced in self.readers.secrets if not self._has[synced]]
        for synced in outdated:
            self.cluster.sync_now(synced.namespace, synced.name)

        def pending_reason(synced: SyncedSecret) -> str | None:
            if not self.value.problem(synced):
                return None
            self._require_newest()
            state = self.cluster.sync(synced.namespace, synced.name)
            return f"External Secrets has not synced {synced}: {state and state.message}"

        if outdated:
            what = "External Secrets to read the new value"
            self._wait_for(what, outdated, pending_reason, SYNC_SECONDS)
            time.sleep(POLL_SECONDS)  # start times have whole seconds

    def _restart_outdated(self, workloads: list[Workload]) -> None:
        """Restart outdated workloads, all at once, and wait."""

        def pending_reason(workload: Workload) -> str | None:
            done = self.cluster.is_rolled_out(workload.namespace, workload.name)
            outdated, new = self.value.pods(workload)
            if done is None or (done and not outdated):
                return None
            in_progress = new and not done  # by Reloader, or by an earlier run
            if outdated and workload not in self._restarted and not in_progress:
                self.cluster.restart(workload.namespace, workload.name)
                self._restarted.add(workload)
            if stuck := next((pod for pod in new if pod.stuck), None):
                raise OpsError(
                    f"{workload} does not start: its new pod {stuck.name} is in {stuck.stuck}; "
                    f"check `kubectl logs --namespace {workload.namespace} {stuck.name}`"
                )
            return f"{workload} is still rolling out: {plural(len(outdated), 'outdated pod')}"

        if workloads:
            self._require_newest()
            what = f"{', '.join(map(str, workloads))} to restart"
            self._wait_for(what, workloads, pending_reason, self.patience_seconds)

    def _wait_for(
        self, what: str, left: list[T], pending_reason: Callable[[T], str | None], seconds: float
    ) -> None:
        """Poll until all are done. Raises OpsError with the reasons after a timeout."""
        deadline = time.monotonic() + seconds
        with terminal.waiting(f"Waiting for {what} ..."):
            while True:
                reasons = {}
                for reader in left:
                    if reason := pending_reason(reader):
                        reasons[reader] = reason
                    else:
                        self._has[reader] = True
                if not reasons:
                    return
                left = list(reasons)
                if time.monotonic() > deadline:
                    waited = humanize.precisedelta(timedelta(seconds=seconds))
                    raise OpsError(f"after {waited}: {'; '.join(reasons.values())}")
                time.sleep(POLL_SECONDS)

    def _report(self) -> None:
        terminal.show(f"{self.readers.path}: version {self.version} is rolled out.")
        outcomes = dict.fromkeys(self._has, "already up to date")
        outcomes |= dict.fromkeys(self._restarted, "restarted")
        rows = [
            (reader.kind, str(reader), outcomes.get(reader, update_mode(reader).restart))
            for reader in self.readers.workloads
        ]
        if rows:
            terminal.show_table("Kind", "Workload", "Update", rows=rows)

    def _report_state(self) -> None:
        """Print the progress, and how to continue."""
        secrets, restarted, has = self.readers.secrets, self.readers.restarted(), self._has
        terminal.info(f"SSM has the value as version {self.version}.")
        _list("Secrets with the value", (s for s in secrets if has.get(s)))
        _list("Secrets without the value", (s for s in secrets if has.get(s) is False))
        _list("Secrets not checked yet", (s for s in secrets if s not in has))
        _list("Restarted, or already up to date", (w for w in restarted if has.get(w)))
        _list("Not restarted yet", (w for w in restarted if not has.get(w)))
        terminal.info(f"To continue: python -m ops secrets rotate {self.readers.path} --continue")


def _list(what: str, names: Iterable[object]) -> None:
    if listed := ", ".join(map(str, names)):
        terminal.info(f"{what}: {listed}.")
