"""Run a scheduled job by hand, and follow it."""

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
from ops.errors import CanceledError, OpsError
from ops.jobs.schedule import Scheduled

POLL_SECONDS = 2.0
_BY_HAND = "-manual-"
_MOST_FAILURES = 5
"""Failed requests in a row before following a Job stops: API servers have short outages."""


def free_name(cluster: Cluster, job: Scheduled) -> str:
    """Return a name for a run by hand. Raises OpsError while another run is active.

    The number is one more than the latest: of two users who start at once, one fails.
    """
    runs = cluster.jobs(job.namespace)
    active = [
        f"{run.name}, started {terminal.when(run.started)}"
        for run in runs
        if run.cron_job == job.name and run.outcome == "active"
    ] or [f"pod {pod.name}" for pod in cluster.pods(job.namespace, f"app={job.name}", ending=True)]
    if active:
        raise OpsError(
            f"{job} is already running: {'; '.join(active)}. Wait for it to end, or delete it if "
            "it hangs"
        )
    prefix = f"{job.name}{_BY_HAND}"
    ends = [run.name.removeprefix(prefix) for run in runs if run.name.startswith(prefix)]
    return f"{prefix}{max(map(int, filter(str.isdecimal, ends)), default=0) + 1}"


def start(cluster: Cluster, item: Object, job: Scheduled, name: str) -> None:
    """Create a Job from a CronJob. Raises OpsError if it fails or the result is unknown."""
    unsure = f"It is unknown whether {job.namespace}/{name} was started; check with `ops jobs`"
    try:
        cluster.run(item, name)
    except ConflictError:
        raise OpsError(f"{name} was started by another user at the same time") from None
    except UnreachableError as error:
        raise OpsError(f"{error}. {unsure}") from error
    except KeyboardInterrupt:
        terminal.info(f"\n{unsure}.")
        raise


def follow(cluster: Cluster, namespace: str, name: str) -> None:
    """Show a Job's log until it ends.

    Raises OpsError if it fails or cannot be followed, and CanceledError for Ctrl-C.
    """
    command = f"kubectl logs --namespace {namespace} --follow job/{name}"
    continues = f"The Job continues; to follow it, run `{command}`"
    try:
        ended = _watch(cluster, namespace, name)
    except KeyboardInterrupt:
        raise CanceledError(f"\nInterrupted. {continues}.") from None
    except ClusterError as error:
        raise OpsError(f"{error}. {continues}") from error
    took = (
        humanize.precisedelta(ended.ended - ended.started) if ended.ended and ended.started else ""
    )
    if ended.outcome == "failed":
        raise OpsError(f"{namespace}/{name} failed after {took}: {ended.message}")
    terminal.info(f"{namespace}/{name} succeeded after {took}.")


def _watch(cluster: Cluster, namespace: str, name: str) -> Job:
    """Show the log of every attempt until the Job ends."""
    shown: set[Attempt] = set()
    while True:
        job, attempts = _get(cluster, namespace, name)
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


def _get(cluster: Cluster, namespace: str, name: str) -> tuple[Job | None, list[Attempt]]:
    """Return the Job and its attempts, retrying during short outages of the API server."""
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
        terminal.warn(f"cannot show the log of {attempt.pod}: {error}")
