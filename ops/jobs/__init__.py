"""`ops jobs`: what runs on a schedule, and running it now."""

from __future__ import annotations

from typing import Annotated

import typer

from ops import terminal
from ops.asking import confirm
from ops.cluster import Cluster, Object
from ops.errors import OpsError, handle_errors
from ops.jobs import running, schedule
from ops.options import AsJson, Context, Yes

app = typer.Typer(
    add_completion=False,
    help="What runs on a schedule: when it ran, when it will, and running it now.",
)


@app.callback(invoke_without_command=True)
@handle_errors
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
    rows = schedule.offline() if offline else schedule.asked(Cluster(context))
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
@handle_errors
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
    chosen = schedule.find(job)
    cluster = Cluster(context)
    cluster.require(chosen.namespace)
    item = cluster.cron_job(chosen.namespace, chosen.name)
    if not item:
        raise OpsError(f"{chosen} is not in the cluster of context {cluster.context}")
    running.free_name(cluster, chosen)
    terminal.tell(f"{chosen}, in the cluster of context {cluster.context}. {_next(chosen, item)}")
    confirm("Run it now?", yes=yes)
    name = running.free_name(cluster, chosen)  # the answer may have taken its time
    running.start(cluster, item, chosen, name)
    terminal.tell(f"Job {chosen.namespace}/{name} is started.")
    if follow:
        running.follow(cluster, chosen.namespace, name)


def _next(job: schedule.Scheduled, item: Object) -> str:
    if item["spec"].get("suspend"):
        return "It is suspended: nothing else runs it."
    return (
        f"Its next run on schedule is due {terminal.when(job.next_run)}, and would not wait for "
        "this one."
    )
