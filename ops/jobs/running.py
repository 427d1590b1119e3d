"""Running a scheduled job by hand, and following it to its end."""

from __future__ import annotations

import time
from contextlib import suppress

import humanize

from ops import terminal
from ops.cluster import (
    Attempt,
    Cluster,
    ClusterError,
    ConflictError,
    Job,
    Object,
    UnreachableError,
)
from ops.errors import OpsError, Status, end
from ops.jobs.schedule import Scheduled

POLL_SECONDS = 2.0
_BY_HAND = "-manual-"
_MOST_FAILURES = 5
"""Looks in a row that may fail while a Job is followed: an API server is away for moments."""


def free_name(cluster: Cluster, job: Scheduled) -> str:
    """A name for a run by hand; refused while another run is under way.

    It is one more than the newest: two people at once choose the same, and one fails.
    """
    runs = cluster.jobs(job.namespace)
    under_way = [
        f"{run.name}, started {terminal.when(run.started)}"
        for run in runs
        if run.cron_job == job.name and run.outcome == "active"
    ] or [f"pod {pod.name}" for pod in cluster.pods(job.namespace, f"app={job.name}", ending=True)]
    if under_way:
        raise OpsError(
            f"{job} is running already: {'; '.join(under_way)}. Wait until it has ended, or delete "
            "it if it hangs"
        )
    prefix = f"{job.name}{_BY_HAND}"
    ends = [run.name.removeprefix(prefix) for run in runs if run.name.startswith(prefix)]
    return f"{prefix}{max(map(int, filter(str.isdecimal, ends)), default=0) + 1}"


def start(cluster: Cluster, item: Object, job: Scheduled, name: str) -> None:
    """Make a Job of a CronJob. Raises OpsError that says what is known where it fails."""
    unsure = f"Whether {job.namespace}/{name} was started is not known; `ops jobs` shows it if so"
    try:
        cluster.run(item, name)
    except ConflictError:
        raise OpsError(f"{name} was started in the same moment by somebody else") from None
    except UnreachableError as error:
        raise OpsError(f"{error}. {unsure}") from error
    except KeyboardInterrupt:
        terminal.tell(f"\n{unsure}.")
        raise


def follow(cluster: Cluster, namespace: str, name: str) -> None:
    """Show a Job's log until it ends. Raises OpsError if it fails, or cannot be seen any more."""
    goes_on = (
        f"The Job goes on: `kubectl logs --namespace {namespace} --follow job/{name}` shows its log"
    )
    try:
        ended = _watch(cluster, namespace, name)
    except KeyboardInterrupt:
        terminal.tell(f"\nInterrupted. {goes_on}.")
        end(Status.INTERRUPTED)
    except ClusterError as error:
        raise OpsError(f"{error}. {goes_on}") from error
    took = (
        humanize.precisedelta(ended.ended - ended.started) if ended.ended and ended.started else ""
    )
    if ended.outcome == "failed":
        raise OpsError(f"{namespace}/{name} failed after {took}: {ended.message}")
    terminal.tell(f"{namespace}/{name} succeeded after {took}.")


def _watch(cluster: Cluster, namespace: str, name: str) -> Job:
    """Show the log of every attempt until the Job has ended."""
    shown: set[Attempt] = set()
    while True:
        job, attempts = _look(cluster, namespace, name)
        if not job:
            raise OpsError(f"{namespace}/{name} was deleted before it ended")
        fresh = [one for one in attempts if one not in shown]
        for attempt in fresh:
            _show_log(cluster, namespace, attempt)
        shown.update(fresh)
        if not fresh:
            if job.outcome != "active":
                return job
            time.sleep(POLL_SECONDS)


def _look(cluster: Cluster, namespace: str, name: str) -> tuple[Job | None, list[Attempt]]:
    """The Job and its attempts, though the API server may be away for moments."""
    for _ in range(_MOST_FAILURES):
        with suppress(ClusterError):
            return cluster.job(namespace, name), cluster.attempts(namespace, name)
        time.sleep(POLL_SECONDS)
    return cluster.job(namespace, name), cluster.attempts(namespace, name)


def _show_log(cluster: Cluster, namespace: str, attempt: Attempt) -> None:
    try:
        for line in cluster.log(namespace, attempt.pod):
            terminal.show(line)
    except ClusterError as error:
        terminal.warn(f"the log of {attempt.pod} cannot be shown: {error}")
