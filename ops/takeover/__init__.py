"""`ops takeover`: hand a running platform over to Argo CD, one Application at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops import terminal
from ops.cluster import Cluster
from ops.options import Context, Yes
from ops.takeover.steps import Saved, Takeover, how_to_remove, listed

app = typer.Typer(
    add_completion=False,
    help="Hand a running platform over to Argo CD (see docs/takeover.md).",
    no_args_is_help=True,
)

Application = Annotated[
    str, typer.Argument(metavar="APPLICATION", help="An Application in dist/argocd: `cerebro-api`.")
]
File = Annotated[
    Path | None,
    typer.Option(
        "--saved",
        help="The file with the saved objects. Default: saved-APPLICATION.yaml.",
        show_default=False,
    ),
]


@app.command()
def start(
    application: Application, *, saved: File = None, context: Context = None, yes: Yes = False
) -> None:
    """Save the objects of an Application, and apply it without automated sync.

    Argo CD then shows the differences, and changes nothing. Continue with
    `ops takeover sync`.

    Exit status: 0 applied, 1 refused: the file or the Application already
    exists, or the cluster could not be queried.
    """
    takeover = Takeover.of(application, Cluster(context))
    file = _file(application, saved)
    found = takeover.save()
    names = listed(found.objects) or "none"
    terminal.info(f"Objects of {application} in the cluster: {names}.")
    terminal.confirm(
        f"Save them to {file}, and apply Application {application} without automated sync?", yes=yes
    )
    found.write(file, application)
    takeover.start()
    terminal.show(
        f"Application {application} is applied, without a sync. Continue with "
        f"`python -m ops takeover sync {application}`, or go back with `… undo {application}`."
    )


@app.command()
def sync(
    application: Application,
    *,
    context: Context = None,
    patience: Annotated[int, typer.Option(min=1, help="Minutes to wait for the sync.")] = 10,
    yes: Yes = False,
) -> None:
    """Sync an Application once, and wait until it is Synced.

    Exit status: 0 synced, 1 failed or timed out (Argo CD continues the sync).
    """
    takeover = Takeover.of(application, Cluster(context))
    terminal.confirm(f"Sync Application {application} now?", yes=yes)
    takeover.sync()
    with terminal.waiting(f"Argo CD syncs {application}"):
        state = takeover.wait(patience * 60)
    terminal.show(f"{application}: {state}.")


@app.command()
def undo(
    application: Application, *, saved: File = None, context: Context = None, yes: Yes = False
) -> None:
    """Remove an Application without its objects, and restore the saved ones.

    Deletes the objects that did not exist before. Keeps, and lists, those whose
    deletion could lose data or other objects, such as Namespaces and claims. A
    Secret that an ExternalSecret has adopted stays, with its current values.

    Refuses while the Application of its namespace or the root Application is in
    the cluster.

    Exit status: 0 restored, 1 refused or failed; run it again to continue.
    """
    takeover = Takeover.of(application, Cluster(context))
    file = _file(application, saved)
    former = Saved.read(file, application)
    takeover.require_undoable()
    added = takeover.added_since(former)
    kept = f" Keeps {listed(added.kept)}." if added.kept else ""
    terminal.info(
        f"Removes Application {application}, restores {former.count}, and deletes "
        f"{listed(added.removable) or 'nothing'}.{kept}"
    )
    terminal.confirm("Continue?", yes=yes)
    takeover.undo(former, added)
    terminal.show(f"{application} is restored from {file}; delete the file to start again.")
    if added.kept:
        terminal.show("Not deleted, because data or other objects could be lost:")
        for item in added.kept:
            terminal.show(f"  {how_to_remove(item)}")


def _file(application: str, saved: Path | None) -> Path:
    return saved or Path(f"saved-{application}.yaml")
