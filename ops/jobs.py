"""`ops jobs`: list the scheduled jobs, and run one now."""

from __future__ import annotations

import difflib
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

import humanize
import typer

from constructs_lib.model import Manifest
from constructs_lib.model.schedule import next_start, words
from ops import rendered, terminal
from ops.cluster import FIELD_MANAGER, Cluster, conditions
from ops.commands import AsJson, Context, Yes
from ops.errors import CanceledError, ClusterError, OpsError, StatusError, UnreachableError

POLL_SECONDS = 2.0
CRON_JOB, JOB = ("batch/v1", "CronJob"), ("batch/v1", "Job")
FROM_CRON_JOB = "cronjob.kubernetes.io/instantiate"  # the annotation of a run by hand
_RETRIES = 5  # of a request, while following a Job: API servers have short outages

app = typer.Typer(
    add_completion=False,
    help="List the scheduled jobs, and run one now. --context also applies to `run`.",
)


class JobRun(NamedTuple):
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
        reached = {kind: one for kind, one in conditions(job).items() if one["status"] == "True"}
        failed = reached.get("Failed", {})
        end = failed or reached.get("Complete", {})
        return cls(
            name=metadata["name"],
            cron_job=next((owner["name"] for owner in owners if owner["kind"] == "CronJob"), ""),
            by_hand=FROM_CRON_JOB in metadata.get("annotations", {}),
            started=datetime.fromisoformat(status["startTime"]) if "startTime" in status else None,
            ended=datetime.fromisoformat(end["lastTransitionTime"]) if end else None,
            outcome="failed" if failed else "succeeded" if end else "active",
            message=failed.get("message", ""),
        )


@dataclass(frozen=True)
class ScheduledJob:
    """A CronJob in dist/, and its state in the cluster."""

    namespace: str
    name: str
    schedule: str
    live: Manifest | None = None
    """The CronJob in the cluster; empty if it is missing, None if it was not checked."""
    last: JobRun | None = None
    """The latest run that the cluster still has."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def next_run(self) -> datetime | None:
        """The next run; None if it is suspended or not in the cluster."""
        if self.live is None or (self.live and not self.live["spec"].get("suspend")):
            return next_start(self.schedule, datetime.now(UTC))
        return None

    def next_in_words(self) -> str:
        """`in 3 hours`."""
        if self.next_run:
            return terminal.when(self.next_run)
        return "suspended" if self.live else "not in the cluster"

    def last_in_words(self) -> str:
        """`3 hours ago, by hand: succeeded in 4 minutes`."""
        if self.live is None:
            return "not checked"
        if not (self.last and self.last.started):
            last_start = self.live.get("status", {}).get("lastScheduleTime")
            return terminal.when(last_start and datetime.fromisoformat(last_start))
        begun = terminal.when(self.last.started) + (", by hand" if self.last.by_hand else "")
        if not self.last.ended:
            return f"{begun}: running"
        took = humanize.naturaldelta(self.last.ended - self.last.started)
        return f"{begun}: {self.last.outcome} in {took}"

    def as_json(self) -> dict[str, Any]:
        last = self.last and {
            "name": self.last.name,
            "byHand": self.last.by_hand,
            "started": self.last.started,
            "ended": self.last.ended,
            "outcome": self.last.outcome,
        }
        return {
            "namespace": self.namespace,
            "name": self.name,
            "schedule": self.schedule,
            "inWords": words(self.schedule),
            "last": last,
            "next": self.next_run,
        }


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
    listed = _scheduled() if offline else _with_last_runs(Cluster(context))
    if as_json:
        terminal.show_json([job.as_json() for job in listed])
        return
    rows = [
        (str(job), words(job.schedule), job.last_in_words(), job.next_in_words()) for job in listed
    ]
    terminal.show_table("Job", "Schedule, UTC", "Last run", "Next run", rows=rows)


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
    chosen = _find(job)
    cluster = Cluster(context)
    cluster.require(chosen.namespace)
    cron_job = cluster.get(*CRON_JOB, chosen.name, chosen.namespace)
    if not cron_job:
        raise OpsError(f"{chosen} is not in the cluster of context {cluster.context}")
    _free_name(cluster, chosen)
    when = chosen.next_in_words()
    next_run = f"Its next scheduled run starts {when}, and does not wait for this one."
    if cron_job["spec"].get("suspend"):
        next_run = "It is suspended, so it has no scheduled runs."
    terminal.info(f"{chosen}, in the cluster of context {cluster.context}. {next_run}")
    terminal.confirm("Run it now?", yes=yes)
    name = _free_name(cluster, chosen)  # again: a run may have started during the prompt
    start(cluster, cron_job, name)
    terminal.info(f"Started Job {chosen.namespace}/{name}.")
    if follow:
        _follow(cluster, chosen.namespace, name)


def _scheduled() -> list[ScheduledJob]:
    """Return every scheduled job in dist/."""
    return [
        ScheduledJob(item.namespace, item.name, item.spec["schedule"])
        for item in rendered.objects().of_kinds("CronJob")
    ]


def _with_last_runs(cluster: Cluster) -> list[ScheduledJob]:
    """Return every scheduled job with its state in the cluster."""
    listed = _scheduled()
    namespaces = sorted({job.namespace for job in listed})
    cluster.require(*namespaces)
    live: dict[str, Manifest] = {}
    last: dict[str, JobRun] = {}
    for namespace in namespaces:
        for item in cluster.items(*CRON_JOB, namespace):
            live[f"{namespace}/{item['metadata']['name']}"] = item
        past = map(JobRun.of, cluster.items(*JOB, namespace))
        for _, run in sorted((run.started, run) for run in past if run.started):
            last[f"{namespace}/{run.cron_job}"] = run
    return [replace(job, live=live.get(str(job), {}), last=last.get(str(job))) for job in listed]


def _find(name: str) -> ScheduledJob:
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


def _free_name(cluster: Cluster, job: ScheduledJob) -> str:
    """Return a name for a run by hand. Raises OpsError while another run is active.

    The number is one more than the latest: of two users who start at once, one fails.
    """
    past = list(map(JobRun.of, cluster.items(*JOB, job.namespace)))
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
    prefix = f"{job.name}-manual-"
    ends = [run.name.removeprefix(prefix) for run in past if run.name.startswith(prefix)]
    return f"{prefix}{max(map(int, filter(str.isdecimal, ends)), default=0) + 1}"


def start(cluster: Cluster, cron_job: Manifest, name: str) -> None:
    """Create a Job from a CronJob, like `kubectl create job --from`.

    Raises OpsError if it fails or the result is unknown.
    """
    metadata, template = cron_job["metadata"], cron_job["spec"]["jobTemplate"]
    declared = template.get("metadata", {})
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "controller": True}
    job = {
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
    started = f"{metadata['namespace']}/{name} was started"
    unsure = f"It is unknown whether {started}; check with `ops jobs`"
    try:
        path = cluster.resource(*JOB).path(namespace=metadata["namespace"])
        cluster.request("POST", path, query={"fieldManager": FIELD_MANAGER}, body=job)
    except StatusError as error:
        if error.http_status != 409:
            raise
        raise OpsError(f"{name} was started by another user at the same time") from None
    except UnreachableError as error:
        raise OpsError(f"{error}. {unsure}") from error
    except KeyboardInterrupt:
        terminal.info(f"\n{unsure}.")
        raise


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
    result = f"{namespace}/{name} {ended.outcome}"
    if ended.ended and ended.started:  # a Job that failed before its start has no start time
        result += f" after {humanize.precisedelta(ended.ended - ended.started)}"
    if ended.outcome == "failed":
        raise OpsError(f"{result}: {ended.message}")
    terminal.info(f"{result}.")


def _watch(cluster: Cluster, namespace: str, name: str) -> JobRun:
    """Show the log of every container start until the Job ends."""
    shown: set[tuple[str, str]] = set()
    while True:
        job, starts = _read(cluster, namespace, name)
        if not job:
            raise OpsError(f"{namespace}/{name} was deleted before it ended")
        fresh = [start for start in starts if start not in shown]
        for pod, _ in fresh:
            try:
                for line in cluster.log(namespace, pod):
                    terminal.show(line)
            except ClusterError as error:
                terminal.warn(f"cannot show the log of {pod}: {error}")
        shown.update(fresh)
        if not fresh:
            if job.outcome != "active":
                return job
            time.sleep(POLL_SECONDS)


def _read(
    cluster: Cluster, namespace: str, name: str, retries: int = _RETRIES
) -> tuple[JobRun | None, list[tuple[str, str]]]:
    """Return a Job, and the pod and time of the latest start of each of its containers.

    Retries during short outages of the API server.
    """
    try:
        job = cluster.get(*JOB, name, namespace)
        pods = cluster.items("v1", "Pod", namespace, f"job-name={name}")
    except ClusterError:
        if not retries:
            raise
        time.sleep(POLL_SECONDS)
        return _read(cluster, namespace, name, retries - 1)
    starts = []
    for pod in pods:
        for container in pod.get("status", {}).get("containerStatuses", ()):
            state = container.get("state", {})
            begun = state.get("running") or state.get("terminated") or {}
            if begun.get("startedAt"):  # null if the node lost the container
                starts.append((pod["metadata"]["name"], begun["startedAt"]))
    return JobRun.of(job) if job else None, starts
