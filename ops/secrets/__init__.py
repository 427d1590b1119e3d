"""`ops secrets`: the parameters in SSM, and their way into the pods."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catalogue.parameters import Parameters
from ops import rendered, terminal
from ops.asking import confirm
from ops.aws import ParameterStore
from ops.cluster import Cluster
from ops.errors import Status, end, handle_errors
from ops.options import AsJson, Context, Yes, context_needs_cluster
from ops.secrets import importing, rotation, standing, writing
from ops.secrets.values import check

app = typer.Typer(
    add_completion=False,
    help="The secret values: what is set, setting one, and bringing a new one to every pod.",
    no_args_is_help=True,
)


def _complete(start: str) -> list[str]:
    return [parameter.path for parameter in Parameters if parameter.path.startswith(start)]


Name = Annotated[
    str,
    typer.Argument(
        metavar="PARAMETER",
        help="Its path in SSM, with or without /cerebro/ in front.",
        autocompletion=_complete,
    ),
]
File = Annotated[
    Path | None,
    typer.Option(help="Read the value from a file; - is standard input. Default: ask, unseen."),
]
FormerVersion = Annotated[
    int | None,
    typer.Option("--version", help="Take the value of an earlier version, to go back to it."),
]


@app.command()
@handle_errors
def status(
    *,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Also see how far the values came in the cluster.")
    ] = False,
    context: Context = None,
    as_json: AsJson = False,
) -> None:
    """List every parameter: whether it is set, since when, and who reads it.

    Shows no value. With --cluster also whether the Secrets hold the current
    version, and the pods started with it.

    Exit status: 0 all set (and everywhere), 1 something is not, or could not
    be asked.
    """
    context_needs_cluster(context, cluster=cluster)
    found = standing.standings(ParameterStore(), Cluster(context) if cluster else None)
    if as_json:
        terminal.show_json(standing.as_json(found))
    else:
        standing.show(found)
    if not all(one.fine for one in found):
        end(Status.FAILED)


def _one_source(file: Path | None, version: int | None) -> None:
    if file and version is not None:
        raise typer.BadParameter("--file and --version both say the value; leave out one")


@app.command("set")
@handle_errors
def set_value(
    parameter: Name, *, file: File = None, version: FormerVersion = None, yes: Yes = False
) -> None:
    """Write a new value into SSM, after checking it.

    Says whom it concerns, and asks. Nothing is restarted: `ops secrets rotate`
    brings a value to the pods at once. A value that SSM holds already is not
    written again.

    Exit status: 0 SSM holds the value, 1 refused, 4 written over a value that
    somebody else wrote in the same moment (which the history keeps).
    """
    _one_source(file, version)
    store = ParameterStore()
    subject = writing.look_up(store, parameter)
    value = writing.new_value(store, subject, file, version)
    if value == subject.stored.value:
        terminal.show(f"{subject.path} holds this value already: version {subject.stored.version}.")
        return
    writing.describe(subject, value)
    writing.consequences(subject.readers)
    confirm(f"Write a new version of {subject.path}?", yes=yes)
    number = writing.write(store, subject, value)
    terminal.show(f"{subject.path} is set: version {number}.")


@app.command("import")
@handle_errors
def import_values(*, context: Context = None, yes: Yes = False) -> None:
    """Import values from the Secrets of the cluster into SSM.

    For a platform that was set up by hand: takes each value from the Secret and
    the key that dist/ gives it, checks it, and asks before it is written. No
    value is shown. With --yes, values that SSM does not hold yet are imported,
    and no other is overwritten.

    Exit status: 0 done, 1 a value was refused or could not be chosen, 130
    interrupted; what was imported before is listed.
    """
    found = importing.candidates(Cluster(context), rendered.objects())
    outcomes = importing.bring(ParameterStore(), found, yes=yes)
    terminal.show(importing.summary(outcomes))
    if importing.Outcome.REFUSED in outcomes.values():
        end(Status.FAILED)


@app.command()
@handle_errors
def rotate(
    parameter: Name,
    *,
    file: File = None,
    version: FormerVersion = None,
    go_on: Annotated[
        bool, typer.Option("--continue", help="Ask for no value: bring on what SSM holds now.")
    ] = False,
    context: Context = None,
    patience: Annotated[
        int, typer.Option(min=1, help="Minutes that a workload may take to restart.")
    ] = 30,
    yes: Yes = False,
) -> None:
    """Write a new value, and bring it to every pod that reads it.

    1. SSM gets the value, after a check of it and a question.
    2. External Secrets reads it now; every Secret with it is waited for.
    3. The workloads that read it restart, and no others: web services together,
       without a lost request; single writers one after another. Scheduled jobs
       take it with their next run.

    When a step fails, the state is told; run it again with --continue (or with
    the same value) to go on. Only what is behind is restarted.

    Exit status: 0 every pod has the value, 1 refused or failed, 4 as in
    `ops secrets set`.
    """
    if go_on and (file or version is not None):
        raise typer.BadParameter("--continue takes what SSM holds; leave out --file and --version")
    _one_source(file, version)
    store = ParameterStore()
    subject = writing.look_up(store, parameter)
    target = Cluster(context)
    concerned = rotation.reachable(target, subject.readers)
    now = subject.stored
    value = now.value if go_on else writing.new_value(store, subject, file, version)
    check(subject.parameter, value)
    writing.describe(subject, value)
    rotation.plan(concerned, target.context)
    confirm(f"Rotate {subject.path}?", yes=yes)
    if value == now.value:
        number = now.version
    else:
        try:
            number = writing.write(store, subject, value)
        except writing.OverwroteError:
            terminal.tell(
                "Nothing was restarted; `--continue` does it once it is clear who is right."
            )
            raise
    rotation.follow(
        rotation.Rotation(
            cluster=target,
            readers=concerned,
            value=value,
            version=number,
            newest=lambda: store.version(subject.path),
            patience_seconds=60.0 * patience,
        )
    )
