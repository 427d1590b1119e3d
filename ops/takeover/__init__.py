"""`ops takeover`: one Application of dist/ at a time, on a platform that already runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops import terminal
from ops.asking import confirm
from ops.cluster import Cluster
from ops.errors import handle_errors
from ops.options import Context, Yes
from ops.takeover.saved import Saved
from ops.takeover.steps import Takeover

app = typer.Typer(
    add_completion=False,
    help="Hand a running platform over to Argo CD, one Application at a time; docs/takeover.md "
    "is the guide.",
    no_args_is_help=True,
)

Application = Annotated[
    str, typer.Argument(metavar="APPLICATION", help="One of dist/argocd: `cerebro-api`.")
]
File = Annotated[
    Path | None,
    typer.Option(
        "--saved",
        help="The file that keeps the objects as they are before. Default: "
        "saved-APPLICATION.yaml in the current folder.",
        show_default=False,
    ),
]


@app.command()
@handle_errors
def start(
    application: Application, *, saved: File = None, context: Context = None, yes: Yes = False
) -> None:
    """Save the objects of an Application, and apply it without automated sync.

    Argo CD then shows what differs, and changes nothing. `ops takeover sync`
    is the next step.

    Exit status: 0 applied, 1 refused: the file or the Application is there
    already, or the cluster could not be asked.
    """
    takeover = Takeover.of(application, Cluster(context))
    file = _file(application, saved)
    found = takeover.save()
    terminal.tell(found.summary(application))
    confirm(
        f"Save them to {file}, and apply Application {application} without automated sync?", yes=yes
    )
    found.write(file)
    takeover.start()
    terminal.show(
        f"Application {application} is applied; it changes nothing. Next: "
        f"`python -m ops takeover sync {application}`, or back: `… undo {application}`."
    )


@app.command()
@handle_errors
def sync(
    application: Application,
    *,
    context: Context = None,
    patience: Annotated[int, typer.Option(min=1, help="Minutes that the sync may take.")] = 10,
    yes: Yes = False,
) -> None:
    """Have Argo CD sync an Application once, and wait until it is Synced.

    Exit status: 0 synced, 1 failed, or not done in time; it goes on in Argo CD.
    """
    takeover = Takeover.of(application, Cluster(context))
    confirm(f"Sync Application {application} now?", yes=yes)
    takeover.sync()
    with terminal.waiting(f"Argo CD syncs {application}"):
        state = takeover.wait(patience * 60)
    terminal.show(f"{application}: {state}.")


@app.command()
@handle_errors
def undo(
    application: Application, *, saved: File = None, context: Context = None, yes: Yes = False
) -> None:
    """Remove an Application without its objects, and put these back as they were saved.

    What was not there before is deleted. A Secret that an ExternalSecret has
    adopted stays, with the values that it has.

    Exit status: 0 as it was, 1 refused or failed; run it again to go on.
    """
    takeover = Takeover.of(application, Cluster(context))
    file = _file(application, saved)
    former = Saved.read(file)
    made = takeover.made_since(former)
    terminal.tell(
        f"Removes Application {application}, puts back {former.count}, and deletes "
        f"{', '.join(str(key) for key, _ in made) or 'nothing'}."
    )
    confirm("Go on?", yes=yes)
    takeover.undo(former, made)
    terminal.show(f"{application} is as it was saved in {file}; delete the file to start again.")


def _file(application: str, saved: Path | None) -> Path:
    return saved or Path(f"saved-{application}.yaml")
