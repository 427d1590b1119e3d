"""`ops secrets`: manage the parameters in SSM, and roll out new values."""

from pathlib import Path
from typing import Annotated

import typer

from constructs_lib.model.text import plural
from ops import terminal
from ops.cluster import Cluster
from ops.commands import AsJson, Context, SecretCommand, Yes, context_needs_cluster
from ops.errors import Status
from ops.secrets import parameters, rotation, values, writing

app = typer.Typer(
    add_completion=False,
    help="Manage secret values in SSM, and roll out new ones.",
    no_args_is_help=True,
)


Name = Annotated[
    str, typer.Argument(metavar="PARAMETER", help="The path in SSM; /cerebro/ is optional.")
]
File = Annotated[
    Path | None,
    typer.Option(help="Read the value from a file, or - for standard input. Default: prompt."),
]
FormerVersion = Annotated[
    int | None, typer.Option("--version", help="Restore the value of an earlier version.")
]


class _OtherCommand(SecretCommand):
    hint = "`ops secrets set` takes a secret value, at its hidden prompt"


@app.command(cls=_OtherCommand)
def status(
    *,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Also check the Secrets and pods in the cluster.")
    ] = False,
    context: Context = None,
    as_json: AsJson = False,
) -> Status:
    """List every parameter: whether it is set, since when, and who reads it.

    Shows no values. With --cluster, also checks that the Secrets have the
    current version, and that the pods started with it.

    Exit status: 0 all set (and rolled out), 1 some are not, or could not be
    checked.
    """
    context_needs_cluster(context, cluster=cluster)
    found = parameters.statuses(Cluster(context) if cluster else None)
    if as_json:
        terminal.show_json([parameter.as_json() for parameter in found])
    else:
        parameters.show(found)
    return Status.DONE if all(parameter.ok for parameter in found) else Status.FAILED


def _one_source(file: Path | None, version: int | None) -> None:
    if file and version is not None:
        raise typer.BadParameter("--file and --version are mutually exclusive")


@app.command("set", cls=SecretCommand)
def set_value(
    parameter: Name, *, file: File = None, version: FormerVersion = None, yes: Yes = False
) -> None:
    """Write a new value to SSM, after validating it.

    Shows who reads the parameter, and asks for confirmation. Restarts nothing:
    use `ops secrets rotate` to roll out a value. A value that SSM already has is
    not written again.

    Exit status: 0 SSM has the value, 1 refused, 4 the value replaced one that
    another user wrote at the same time (it stays in the history).
    """
    _one_source(file, version)
    subject = writing.look_up(parameter)
    value = writing.new_value(subject, file, version)
    if value == subject.stored.value:
        terminal.show(f"{subject.path} already has this value: version {subject.stored.number}.")
        return
    writing.describe(subject, value)
    writing.consequences(subject.readers)
    terminal.confirm(f"Write a new version of {subject.path}?", yes=yes)
    number = writing.write(subject, value)
    terminal.show(f"{subject.path} is set: version {number}.")


@app.command("import", cls=_OtherCommand)
def import_values(*, context: Context = None, yes: Yes = False) -> Status:
    """Import values from the Secrets of the cluster into SSM.

    For a platform that was set up by hand. Reads each value from the Secret and
    key that dist/ names, validates it, and asks before writing. Shows no values.
    With --yes, imports only values that SSM does not have yet.

    Exit status: 0 done, 1 a value was refused or could not be chosen, 130
    interrupted, with a list of the imported values.
    """
    outcomes = writing.import_from(Cluster(context), yes=yes).values()
    counts = parameters.tally(writing.ImportOutcome, outcomes)
    terminal.show(f"{plural(len(outcomes), 'parameter')}: {counts}.")
    return Status.FAILED if writing.ImportOutcome.REFUSED in outcomes else Status.DONE


@app.command(cls=SecretCommand)
def rotate(
    parameter: Name,
    *,
    file: File = None,
    version: FormerVersion = None,
    resume: Annotated[
        bool, typer.Option("--continue", help="Roll out the current value in SSM.")
    ] = False,
    context: Context = None,
    patience: Annotated[
        int, typer.Option(min=1, help="Minutes to wait for a workload to restart.")
    ] = 30,
    yes: Yes = False,
) -> None:
    """Write a new value, and roll it out to every pod that reads it.

    1. Validates the value, asks for confirmation, and writes it to SSM.
    2. Makes External Secrets sync now, and waits for every Secret.
    3. Restarts only the workloads that read it: web services together, without
       lost requests; single writers one at a time. Scheduled jobs use the value
       in their next run.

    If a step fails, prints the state; run it again with --continue (or with the
    same value). Only outdated workloads are restarted.

    Exit status: 0 every pod has the value, 1 refused or failed, 4 as in
    `ops secrets set`.
    """
    if resume and (file or version is not None):
        raise typer.BadParameter("--continue uses the value in SSM; omit --file and --version")
    _one_source(file, version)
    subject = writing.look_up(parameter)
    target = Cluster(context)
    affected = rotation.reachable(target, subject.readers)
    now = subject.stored
    value = now.value if resume else writing.new_value(subject, file, version)
    values.check(subject.parameter, value)
    writing.describe(subject, value)
    rotation.plan(affected, target.context)
    terminal.confirm(f"Rotate {subject.path}?", yes=yes)
    try:
        number = now.number if value == now.value else writing.write(subject, value)
    except writing.OverwroteError:
        terminal.info("Nothing was restarted. Decide which value is right, then pass `--continue`.")
        raise
    rotation.Rotation(
        target,
        parameters.ValueInCluster(affected, value, target.secret, target.pods),
        version=number,
        patience_seconds=60.0 * patience,
    ).run()
