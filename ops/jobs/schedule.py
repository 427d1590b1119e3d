"""The scheduled jobs, and their last runs."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import humanize

from constructs_lib.model.schedule import next_start, words
from ops import rendered, terminal
from ops.cluster import Cluster, Job, Object
from ops.errors import OpsError

if TYPE_CHECKING:
    from constructs_lib.model import Manifest


@dataclass(frozen=True)
class Scheduled:
    """A CronJob in the manifests."""

    namespace: str
    name: str
    schedule: str

    @classmethod
    def of(cls, item: Manifest) -> Scheduled:
        metadata = item["metadata"]
        return cls(metadata["namespace"], metadata["name"], item["spec"]["schedule"])

    @property
    def words(self) -> str:
        """The schedule in words, in UTC."""
        return words(self.schedule)

    @property
    def next_run(self) -> datetime:
        return next_start(self.schedule, datetime.now(UTC))

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Row:
    """A job, and its state in the cluster."""

    job: Scheduled
    item: Object | None = None
    """The CronJob in the cluster; None if it is missing or was not checked."""
    last: Job | None = None
    """The latest run that the cluster still has."""
    checked: bool = True

    @property
    def next_run(self) -> datetime | None:
        """The next run; None if it is suspended or not in the cluster."""
        if self.checked and (not self.item or self.item["spec"].get("suspend")):
            return None
        return self.job.next_run

    @property
    def next_in_words(self) -> str:
        """`in 3 hours`."""
        if self.next_run:
            return terminal.when(self.next_run)
        return "suspended" if self.item else "not in the cluster"

    @property
    def last_in_words(self) -> str:
        """`3 hours ago, by hand: succeeded in 4 minutes`."""
        if not self.checked:
            return "not checked"
        if not (self.last and self.last.started):
            last_time = (self.item or {}).get("status", {}).get("lastScheduleTime")
            return terminal.when(datetime.fromisoformat(last_time) if last_time else None)
        begun = terminal.when(self.last.started) + (", by hand" if self.last.by_hand else "")
        if not self.last.ended:
            return f"{begun}: running"
        took = humanize.naturaldelta(self.last.ended - self.last.started)
        return f"{begun}: {self.last.outcome} in {took}"

    def as_json(self) -> Object:
        last = self.last and {
            "name": self.last.name,
            "byHand": self.last.by_hand,
            "started": self.last.started,
            "ended": self.last.ended,
            "outcome": self.last.outcome,
        }
        return {
            "namespace": self.job.namespace,
            "name": self.job.name,
            "schedule": self.job.schedule,
            "inWords": self.job.words,
            "last": last,
            "next": self.next_run,
        }


def offline() -> list[Row]:
    """Return every scheduled job, without its state in the cluster."""
    return [Row(job, checked=False) for job in _scheduled()]


def with_last_runs(cluster: Cluster) -> list[Row]:
    """Return every scheduled job and its last run in the cluster. Raises ClusterError."""
    scheduled = _scheduled()
    namespaces = sorted({job.namespace for job in scheduled})
    cluster.require(*namespaces)
    there = {namespace: cluster.cron_jobs(namespace) for namespace in namespaces}
    runs = {namespace: cluster.jobs(namespace) for namespace in namespaces}
    return [
        Row(job, there[job.namespace].get(job.name), _newest(job, runs[job.namespace]))
        for job in scheduled
    ]


def _newest(job: Scheduled, runs: list[Job]) -> Job | None:
    own = [(run.started, run) for run in runs if run.cron_job == job.name and run.started]
    return max(own, key=lambda pair: pair[0])[1] if own else None


def _scheduled() -> list[Scheduled]:
    return [Scheduled.of(item) for item in rendered.objects() if item["kind"] == "CronJob"]


def find(name: str) -> Scheduled:
    """Return a job by name, with or without its namespace. Raises OpsError if it is unknown."""
    known = {job.name: job for job in _scheduled()}
    plain = name.rpartition("/")[2]
    if plain in known and name in (plain, str(known[plain])):
        return known[plain]
    for waiting in rendered.pending():
        if waiting.name == plain:
            raise OpsError(f"{plain} is not rendered; first set {', '.join(waiting.settings)}")
    close = difflib.get_close_matches(plain, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "`ops jobs --offline` lists them"
    raise OpsError(f"scheduled job {name} not found; {hint}")
