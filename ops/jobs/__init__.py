"""`ops jobs`: list the scheduled jobs, and run one now."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Annotated, NamedTuple

import humanize
import typer

from constructs_lib.model import Manifest
from ops import terminal
from ops.cluster import Cluster
from ops.errors import CanceledError, ClusterError, OpsError, StatusError, UnreachableError
from ops.jobs.schedule import (
    CRON_JOB,
    FROM_CRON_JOB,
    JOB,
    JobRun,
    ScheduledJob,
    find,
    runs,
    scheduled,
    with_last_runs,
)
from ops.options import AsJson, Context, Yes

POLL_SECONDS = 2.0
_BY_HAND = "-manual-"
_MOST_FAILURES = 5
"""Failed requests in a row before following a Job stops: API servers have short outages."""

app = typer.Typer(
    add_completion=False,
    help="List the scheduled jobs, and run one now. --context also applies to `run`.",
)


@app.callback(invoke_without_command=True)
def jobs(
    call: typer.Context,
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Omit the last runs; do not query the cluster.")
    ] = False,
    context: Context = None,
    as_json: AsJson = False,
) -> None:
    """List the scheduled jobs: last run, its result, and next run.

    Exit status: 0 listed, 1 the cluster could not be queried.
    """
    if call.invoked_subcommand:
        if offline or as_json:
            raise typer.BadParameter("--offline and --json list the jobs; omit them before `run`")
        call.default_map = {call.invoked_subcommand: {"context": context}}
        return
    listed = scheduled() if offline else with_last_runs(Cluster(context))
    if as_json:
        terminal.show_json([job.as_json() for job in listed])
    else:
        terminal.show_table(
            *("Job", "Schedule, UTC", "Last run", "Next run"),
            rows=[(str(job), job.words, job.last_in_words, job.next_in_words) for job in listed],
        )


@app.command()
def run(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The job, as listed by `ops jobs`.")],
    *,
    follow: Annotated[bool, typer.Option(help="Show the log, and wait until the job ends.")] = True,
    context: Context = None,
    yes: Yes = False,
) -> None:
    """Run a scheduled job now, as a Job of the CronJob in the cluster.

    Refuses while another run is active, scheduled or by hand: `Forbid` does not
    count Jobs created by hand, and two runs may write the same rows twice.

    Exit status: 0 succeeded (or started, with --no-follow), 1 refused or
    failed, 130 interrupted (the Job continues).
    """
    chosen = find(job)
    cluster = Cluster(context)
    cluster.require(chosen.namespace)
    cron_job = cluster.get(*CRON_JOB, chosen.name, chosen.namespace)
    if not cron_job:
        raise OpsError(f"{chosen} is not in the cluster of context {cluster.context}")
    _free_name(cluster, chosen)
    next_run = (
        "It is suspended, so it has no scheduled runs."
        if cron_job["spec"].get("suspend")
        else f"Its next scheduled run starts {terminal.when(chosen.next_run)}, and does not wait "
        "for this one."
    )
    terminal.info(f"{chosen}, in the cluster of context {cluster.context}. {next_run}")
    terminal.confirm("Run it now?", yes=yes)
    name = _free_name(cluster, chosen)  # again: a run may have started during the prompt
    start(cluster, cron_job, name)
    terminal.info(f"Started Job {chosen.namespace}/{name}.")
    if follow:
        _follow(cluster, chosen.namespace, name)


class ContainerStart(NamedTuple):
    """One start of a Job's container."""

    pod: str
    started: str


def _free_name(cluster: Cluster, job: ScheduledJob) -> str:
    """Return a name for a run by hand. Raises OpsError while another run is active.

    The number is one more than the latest: of two users who start at once, one fails.
    """
    past = runs(cluster, job.namespace)
    active = [
        f"{run.name}, started {terminal.when(run.started)}"
        for run in past
        if run.cron_job == job.name and run.outcome == "active"
    ] or [f"pod {pod.name}" for pod in cluster.pods(job.namespace, f"app={job.name}", ending=True)]
    if active:
        raise OpsError(
            f"{job} is already running: {'; '.join(active)}. Wait for it to end, or delete it if "
            "it hangs"
        )
    prefix = f"{job.name}{_BY_HAND}"
    ends = [run.name.removeprefix(prefix) for run in past if run.name.startswith(prefix)]
    return f"{prefix}{max(map(int, filter(str.isdecimal, ends)), default=0) + 1}"


def start(cluster: Cluster, cron_job: Manifest, name: str) -> None:
    """Create a Job from a CronJob, like `kubectl create job --from`.

    Raises OpsError if it fails or the result is unknown.
    """
    namespace = cron_job["metadata"]["namespace"]
    unsure = f"It is unknown whether {namespace}/{name} was started; check with `ops jobs`"
    try:
        cluster.create(_job(cron_job, name))
    except StatusError as error:
        if error.http_status != 409:
            raise
        raise OpsError(f"{name} was started by another user at the same time") from None
    except UnreachableError as error:
        raise OpsError(f"{error}. {unsure}") from error
    except KeyboardInterrupt:
        terminal.info(f"\n{unsure}.")
        raise


def _job(cron_job: Manifest, name: str) -> Manifest:
    metadata, template = cron_job["metadata"], cron_job["spec"]["jobTemplate"]
    declared = template.get("metadata", {})
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "controller": True}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": declared.get("labels", {}),
            "annotations": {**declared.get("annotations", {}), FROM_CRON_JOB: "manual"},
            "ownerReferences": [{**owner, "name": metadata["name"], "uid": metadata["uid"]}],
        },
        "spec": template["spec"],
    }


def _follow(cluster: Cluster, namespace: str, name: str) -> None:
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


def _watch(cluster: Cluster, namespace: str, name: str) -> JobRun:
    """Show the log of every container start until the Job ends."""
    shown: set[ContainerStart] = set()
    while True:
        job, starts = _read(cluster, namespace, name)
        if not job:
            raise OpsError(f"{namespace}/{name} was deleted before it ended")
        fresh = [one for one in starts if one not in shown]
        for started in fresh:
            try:
                for line in cluster.log(namespace, started.pod):
                    terminal.show(line)
            except ClusterError as error:
                terminal.warn(f"cannot show the log of {started.pod}: {error}")
        shown.update(fresh)
        if not fresh:
            if job.outcome != "active":
                return job
            time.sleep(POLL_SECONDS)


def _read(
    cluster: Cluster, namespace: str, name: str
) -> tuple[JobRun | None, list[ContainerStart]]:
    """Return a Job, and the latest start of each container of its pods.

    Retries during short outages of the API server.
    """

    def read() -> tuple[JobRun | None, list[ContainerStart]]:
        job = cluster.get(*JOB, name, namespace)
        pods = cluster.items("v1", "Pod", namespace, f"job-name={name}")
        return JobRun.of(job) if job else None, [one for pod in pods for one in _starts(pod)]

    for _ in range(_MOST_FAILURES):
        with suppress(ClusterError):
            return read()
        time.sleep(POLL_SECONDS)
    return read()


def _starts(pod: Manifest) -> list[ContainerStart]:
    states = [one.get("state", {}) for one in pod.get("status", {}).get("containerStatuses", ())]
    begun = [state.get("running") or state.get("terminated") or {} for state in states]
    return [
        ContainerStart(pod["metadata"]["name"], state["startedAt"])
        for state in begun
        if state.get("startedAt")  # null if the node lost the container
    ]
