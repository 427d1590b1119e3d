"""The command line of `python -m ops`: one module a command."""

import typer

from ops.review.command import review

app = typer.Typer(
    name="ops",
    help="What people do with this platform, one command each.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def main() -> None:
    """What people do with this platform, one command each."""


app.command()(review)

if __name__ == "__main__":
    app(prog_name="python -m ops")
