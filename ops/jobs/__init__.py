"""`ops jobs`: list the scheduled jobs, and run one now."""

from __future__ import annotations

from typing import Annotated

import typer

from ops import terminal
from ops.cluster import Cluster, Object
from ops.errors import OpsError
from ops.jobs import running, schedule
from ops.options import AsJson, Context, Yes
from ops.terminal import confirm

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
    rows = schedule.offline() if offline else schedule.with_last_runs(Cluster(context))
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
    chosen = schedule.find(job)
    cluster = Cluster(context)
    cluster.require(chosen.namespace)
    item = cluster.cron_job(chosen.namespace, chosen.name)
    if not item:
        raise OpsError(f"{chosen} is not in the cluster of context {cluster.context}")
    running.free_name(cluster, chosen)
    terminal.info(f"{chosen}, in the cluster of context {cluster.context}. {_next(chosen, item)}")
    confirm("Run it now?", yes=yes)
    name = running.free_name(cluster, chosen)  # again: a run may have started during the prompt
    running.start(cluster, item, chosen, name)
    terminal.info(f"Started Job {chosen.namespace}/{name}.")
    if follow:
        running.follow(cluster, chosen.namespace, name)


def _next(job: schedule.Scheduled, item: Object) -> str:
    if item["spec"].get("suspend"):
        return "It is suspended, so it has no scheduled runs."
    return (
        f"Its next scheduled run starts {terminal.when(job.next_run)}, and does not wait for this "
        "one."
    )
