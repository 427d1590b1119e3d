"""`ops jobs`: list the scheduled jobs, and run one now."""

from __future__ import annotations

from typing import Annotated

import typer

from ops import terminal
from ops.cluster import Cluster
from ops.errors import OpsError
from ops.jobs import running
from ops.jobs.schedule import CRON_JOB, find, scheduled, with_last_runs
from ops.options import AsJson, Context, Yes

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
    running.free_name(cluster, chosen)
    next_run = (
        "It is suspended, so it has no scheduled runs."
        if cron_job["spec"].get("suspend")
        else f"Its next scheduled run starts {terminal.when(chosen.next_run)}, and does not wait "
        "for this one."
    )
    terminal.info(f"{chosen}, in the cluster of context {cluster.context}. {next_run}")
    terminal.confirm("Run it now?", yes=yes)
    name = running.free_name(cluster, chosen)  # again: a run may have started during the prompt
    running.start(cluster, cron_job, name)
    terminal.info(f"Started Job {chosen.namespace}/{name}.")
    if follow:
        running.follow(cluster, chosen.namespace, name)
