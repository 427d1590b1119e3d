"""The scheduled jobs, and their runs in the cluster."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import humanize

from constructs_lib.model import Manifest
from constructs_lib.model.schedule import next_start, words
from ops import rendered, terminal
from ops.cluster import Cluster, time
from ops.errors import OpsError

CRON_JOB, JOB = ("batch/v1", "CronJob"), ("batch/v1", "Job")
FROM_CRON_JOB = "cronjob.kubernetes.io/instantiate"
"""The annotation of a Job that was started by hand."""


@dataclass(frozen=True)
class JobRun:
    """A Job, scheduled or started by hand."""

    name: str
    cron_job: str
    """The CronJob that owns it; empty if none does."""
    by_hand: bool
    started: datetime | None
    ended: datetime | None
    outcome: str
    """`active`, `succeeded` or `failed`."""
    message: str
    """Why it failed."""

    @classmethod
    def of(cls, job: Manifest) -> JobRun:
        metadata, status = job["metadata"], job.get("status", {})
        owners = metadata.get("ownerReferences", ())
        ends = {
            condition["type"]: condition
            for condition in status.get("conditions", ())
            if condition["status"] == "True" and condition["type"] in ("Complete", "Failed")
        }
        failed = ends.get("Failed", {})
        end = failed or ends.get("Complete", {})
        return cls(
            name=metadata["name"],
            cron_job=next((one["name"] for one in owners if one["kind"] == "CronJob"), ""),
            by_hand=FROM_CRON_JOB in metadata.get("annotations", {}),
            started=time(status["startTime"]) if "startTime" in status else None,
            ended=time(end["lastTransitionTime"]) if end else None,
            outcome="failed" if failed else "succeeded" if end else "active",
            message=failed.get("message", ""),
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "byHand": self.by_hand,
            "started": self.started,
            "ended": self.ended,
            "outcome": self.outcome,
        }


def runs(cluster: Cluster, namespace: str) -> list[JobRun]:
    """Return every Job, running or finished, that the cluster still has."""
    return list(map(JobRun.of, cluster.items(*JOB, namespace)))


@dataclass(frozen=True)
class ScheduledJob:
    """A CronJob in dist/, and its state in the cluster."""

    namespace: str
    name: str
    schedule: str
    checked: bool = False
    """Whether the cluster was queried."""
    live: Manifest | None = None
    """The CronJob in the cluster; None if it is missing or was not checked."""
    last: JobRun | None = None
    """The latest run that the cluster still has."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def words(self) -> str:
        """The schedule in words, in UTC."""
        return words(self.schedule)

    @property
    def next_start(self) -> datetime:
        """The next start of the schedule."""
        return next_start(self.schedule, datetime.now(UTC))

    @property
    def next_run(self) -> datetime | None:
        """The next run; None if it is suspended or not in the cluster."""
        if self.checked and (not self.live or self.live["spec"].get("suspend")):
            return None
        return self.next_start

    @property
    def next_in_words(self) -> str:
        """`in 3 hours`."""
        if self.next_run:
            return terminal.when(self.next_run)
        return "suspended" if self.live else "not in the cluster"

    @property
    def last_in_words(self) -> str:
        """`3 hours ago, by hand: succeeded in 4 minutes`."""
        if not self.checked:
            return "not checked"
        if not (self.last and self.last.started):
            last_start = (self.live or {}).get("status", {}).get("lastScheduleTime")
            return terminal.when(time(last_start) if last_start else None)
        begun = terminal.when(self.last.started) + (", by hand" if self.last.by_hand else "")
        if not self.last.ended:
            return f"{begun}: running"
        took = humanize.naturaldelta(self.last.ended - self.last.started)
        return f"{begun}: {self.last.outcome} in {took}"

    def as_json(self) -> dict[str, Any]:
        return {
            "namespace": self.namespace,
            "name": self.name,
            "schedule": self.schedule,
            "inWords": self.words,
            "last": self.last and self.last.as_json(),
            "next": self.next_run,
        }


def scheduled() -> list[ScheduledJob]:
    """Return every scheduled job in dist/."""
    return [
        ScheduledJob(item.namespace, item.name, item.spec["schedule"])
        for item in rendered.objects().of_kinds("CronJob")
    ]


def with_last_runs(cluster: Cluster) -> list[ScheduledJob]:
    """Return every scheduled job with its state in the cluster. Raises ClusterError."""
    jobs = scheduled()
    namespaces = sorted({job.namespace for job in jobs})
    cluster.require(*namespaces)
    live = {name: cluster.items(*CRON_JOB, name) for name in namespaces}
    past = {name: runs(cluster, name) for name in namespaces}
    return [
        replace(
            job,
            checked=True,
            live=next((one for one in live[job.namespace] if job.name == _name(one)), None),
            last=_newest(job, past[job.namespace]),
        )
        for job in jobs
    ]


def _name(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def _newest(job: ScheduledJob, past: list[JobRun]) -> JobRun | None:
    own = [(run.started, run) for run in past if run.cron_job == job.name and run.started]
    return max(own, key=lambda pair: pair[0])[1] if own else None


def find(name: str) -> ScheduledJob:
    """Return a job by name, with or without its namespace. Raises OpsError if it is unknown."""
    known = {job.name: job for job in scheduled()}
    plain = name.rpartition("/")[2]
    if plain in known and name in (plain, str(known[plain])):
        return known[plain]
    for waiting in rendered.pending():
        if waiting.name == plain:
            raise OpsError(f"{plain} is not rendered; first set {', '.join(waiting.settings)}")
    close = difflib.get_close_matches(plain, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "`ops jobs --offline` lists them"
    raise OpsError(f"scheduled job {name} not found; {hint}")
