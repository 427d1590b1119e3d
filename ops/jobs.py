"""`ops jobs`: what runs on a schedule, and running it now."""

from __future__ import annotations

import difflib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import humanize
import typer
from cronsim import CronSim

from ops import rendered, terminal
from ops.asking import agree
from ops.cluster import Attempt, Cluster, ClusterError, ConflictError, Job, Object
from ops.errors import OpsError, Status, end, told
from ops.options import AsJson, Context, Yes

if TYPE_CHECKING:
    from constructs_lib.model import Manifest

app = typer.Typer(help="What runs on a schedule: when it ran, when it will, and running it now.")

POLL_SECONDS = 2.0
_BY_HAND = "-manual-"


@dataclass(frozen=True)
class Scheduled:
    """A CronJob of the manifests."""

    namespace: str
    name: str
    schedule: str

    @classmethod
    def of(cls, item: Manifest) -> Scheduled:
        """Read it from the object."""
        metadata = item["metadata"]
        return cls(metadata["namespace"], metadata["name"], item["spec"]["schedule"])

    @property
    def words(self) -> str:
        """The schedule for people, in UTC."""
        return CronSim(self.schedule, datetime.now(UTC)).explain()

    @property
    def next_run(self) -> datetime:
        """When it is due next."""
        return next(CronSim(self.schedule, datetime.now(UTC)))

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@app.callback(invoke_without_command=True)
@told
def jobs(
    call: typer.Context,
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the cluster how the last runs went.")
    ] = False,
    context: Context = None,
    as_json: AsJson = False,
) -> None:
    """List the scheduled jobs: when each ran last, how that ended, and when it is due.

    Exit status: 0 listed, 1 the cluster could not be asked.
    """
    if call.invoked_subcommand:
        return
    rows = _offline() if offline else _asked(Cluster(context))
    if as_json:
        terminal.show_json([row.as_json() for row in rows])
    else:
        terminal.show_table(
            *("Job", "Schedule, UTC", "Last run", "Next run"),
            rows=[
                (str(row.job), row.job.words, row.last_in_words, row.next_in_words) for row in rows
            ],
        )


@app.command()
@told
def run(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Its name, as `ops jobs` lists it.")],
    *,
    follow: Annotated[bool, typer.Option(help="Show its log, and wait until it ends.")] = True,
    context: Context = None,
    yes: Yes = False,
) -> None:
    """Run a scheduled job now: a Job of its own, as the cluster's CronJob says.

    Refuses while a run is under way, on schedule or by hand: `Forbid` does not
    count Jobs made by hand, and two at once may write the same rows twice.

    Exit status: 0 succeeded (or started, with --no-follow), 1 refused or
    failed, 130 interrupted (the Job goes on).
    """
    chosen = _find(job)
    cluster = Cluster(context)
    cluster.require(chosen.namespace)
    item = cluster.cron_job(chosen.namespace, chosen.name)
    if not item:
        raise OpsError(f"{chosen} is not in the cluster of context {cluster.context}")
    _refuse_second(cluster, chosen)
    terminal.tell(
        f"{chosen}, in the cluster of context {cluster.context}. Its next run on schedule is due "
        f"{terminal.when(chosen.next_run)}, and would not wait for this one."
    )
    agree("Run it now?", yes=yes)
    name = _name(cluster, chosen)
    try:
        cluster.run(item, name)
    except ConflictError:
        raise OpsError(f"{name} was started in the same moment by somebody else") from None
    terminal.tell(f"Job {chosen.namespace}/{name} is started.")
    if follow:
        _follow(cluster, chosen.namespace, name)


@dataclass(frozen=True)
class Row:
    """A job, and what the cluster says of it."""

    job: Scheduled
    item: Object | None = None
    """The CronJob in the cluster; None if it is not there, or that was not looked at."""
    last: Job | None = None
    """Its newest run of those that are kept."""
    looked: bool = True

    @property
    def next_run(self) -> datetime | None:
        """When it is due; None while it is suspended, or not in the cluster."""
        if self.looked and (not self.item or self.item["spec"].get("suspend")):
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
        if not self.looked:
            return "not looked at"
        if not (self.last and self.last.started):
            last_time = (self.item or {}).get("status", {}).get("lastScheduleTime")
            return terminal.when(datetime.fromisoformat(last_time) if last_time else None)
        begun = terminal.when(self.last.started) + (", by hand" if self.last.by_hand else "")
        if not self.last.ended:
            return f"{begun}: running"
        took = humanize.naturaldelta(self.last.ended - self.last.started)
        return f"{begun}: {self.last.outcome} in {took}"

    def as_json(self) -> Object:
        """The same for a script."""
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


def _offline() -> list[Row]:
    return [Row(job, looked=False) for job in _scheduled()]


def _asked(cluster: Cluster) -> list[Row]:
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


def _find(name: str) -> Scheduled:
    known = {job.name: job for job in _scheduled()}
    plain = name.rpartition("/")[2]
    if plain in known and name in (plain, str(known[plain])):
        return known[plain]
    for waiting in rendered.pending():
        if waiting.name == plain:
            raise OpsError(f"{plain} is not rendered: it waits for {', '.join(waiting.settings)}")
    close = difflib.get_close_matches(plain, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "`ops jobs --offline` lists them"
    raise OpsError(f"there is no scheduled job {name}; {hint}")


def _refuse_second(cluster: Cluster, job: Scheduled) -> None:
    under_way = [
        f"{run.name}, started {terminal.when(run.started)}"
        for run in cluster.jobs(job.namespace)
        if run.cron_job == job.name and run.outcome == "active"
    ] or [f"pod {pod.name}" for pod in cluster.pods(job.namespace, f"app={job.name}")]
    if under_way:
        raise OpsError(
            f"{job} is running already: {'; '.join(under_way)}. Wait until it has ended, or delete "
            "it if it hangs"
        )


def _name(cluster: Cluster, job: Scheduled) -> str:
    """One more than the newest made by hand: two people at once choose the same, and one fails."""
    prefix = f"{job.name}{_BY_HAND}"
    names = (run.name for run in cluster.jobs(job.namespace) if run.name.startswith(prefix))
    numbers = [int(end) for name in names if (end := name.removeprefix(prefix)).isdecimal()]
    return f"{prefix}{max(numbers, default=0) + 1}"


def _follow(cluster: Cluster, namespace: str, name: str) -> None:
    try:
        ended = _watch(cluster, namespace, name)
    except KeyboardInterrupt:
        terminal.tell(
            f"\nInterrupted. The Job goes on: `kubectl logs --namespace {namespace} --follow "
            f"job/{name}` shows its log."
        )
        end(Status.INTERRUPTED)
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
        job = cluster.job(namespace, name)
        if not job:
            raise OpsError(f"{namespace}/{name} was deleted before it ended")
        fresh = [one for one in cluster.attempts(namespace, name) if one not in shown]
        for attempt in fresh:
            _show_log(cluster, namespace, attempt)
        shown.update(fresh)
        if not fresh:
            if job.outcome != "active":
                return job
            time.sleep(POLL_SECONDS)


def _show_log(cluster: Cluster, namespace: str, attempt: Attempt) -> None:
    try:
        for line in cluster.log(namespace, attempt.pod):
            terminal.show(line)
    except ClusterError as error:
        terminal.warn(f"the log of {attempt.pod} cannot be shown: {error}")
