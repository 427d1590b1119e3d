"""The commands, one module each."""

import typer

from constructs_lib.node import use_environments_node
from ops import jobs, manifest, secrets
from ops.checklist import checklist
from ops.deploy import deploy_secrets
from ops.pin import pin
from ops.review.command import review
from ops.rollback import rollback

app = typer.Typer(
    name="ops",
    help="What people do with this platform, one command each.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def main() -> None:
    """What people do with this platform, one command each."""
    use_environments_node()


app.command()(checklist)
app.command()(deploy_secrets)
app.command()(pin)
app.command()(review)
app.command()(rollback)
app.add_typer(jobs.app, name="jobs")
app.add_typer(manifest.app, name="manifest")
app.add_typer(secrets.app, name="secrets")
