"""A usage error does not repeat a secret value that was typed as an argument."""

import sys

import pytest

from catalogue.parameters import Parameters
from tests.conftest import run as run_process
from tests.ops.day_two.conftest import SECRET, Run

PASSWORD = Parameters.CLICKHOUSE_PASSWORD.path
SET, ROTATE, REFRESH = ("secrets", "set"), ("secrets", "rotate"), ("manifest", "refresh")
FILE = "Type the secret value at the hidden prompt, or pass it with --file PATH."
KEY_FILE = "Type the API key at the prompt of --ask-key, or pass it with --key-file PATH."
OTHER = "`ops secrets set` takes a secret value, at its hidden prompt."
NO_OPTION = "No such option."


def in_one_line(shown: str) -> str:
    """Return the text of Typer's box."""
    return " ".join(shown.replace("\N{BOX DRAWINGS LIGHT VERTICAL}", " ").split())


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ((SECRET,), "Unexpected arguments."),
        (("two", SECRET), "Unexpected arguments."),
        (("--", f"-{SECRET}"), "Unexpected arguments."),
        (("--yes", SECRET), "Unexpected arguments."),
        ((f"--{SECRET}",), NO_OPTION),
        ((f"-{SECRET}",), NO_OPTION),
        ((f"--password={SECRET}",), NO_OPTION),
        ((f"-----BEGIN {SECRET}-----",), NO_OPTION),
        ((f"--fil={SECRET}",), "No such option; did you mean --file?"),
        (("--version", SECRET), "Invalid value for '--version', which takes <int>."),
        ((f"--yes={SECRET}",), "Option '--yes' does not take a value."),
        (("--file",), "Option '--file' requires an argument."),
    ],
)
@pytest.mark.parametrize("command", [SET, ROTATE], ids=" ".join)
def test_a_value_beside_the_parameter(
    run: Run, command: tuple[str, ...], typed: tuple[str, ...], problem: str
) -> None:
    done = run(*command, PASSWORD, *typed)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{problem} {FILE}" in in_one_line(done.stderr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("secrets", "import", PASSWORD, SECRET), f"Unexpected arguments. {OTHER}"),
        (("secrets", "status", PASSWORD, SECRET), f"Unexpected arguments. {OTHER}"),
        ((*REFRESH, SECRET), f"Unexpected arguments. {KEY_FILE}"),
        ((*REFRESH, "--ask-key", SECRET), f"Unexpected arguments. {KEY_FILE}"),
        (
            (*REFRESH, f"--ask-key={SECRET}"),
            f"Option '--ask-key' does not take a value. {KEY_FILE}",
        ),
        ((*REFRESH, f"--key={SECRET}"), f"did you mean --ask-key or --key-file? {KEY_FILE}"),
        ((*ROTATE, PASSWORD, "--patience", SECRET), "'--patience', which takes <int range>."),
        ((*SET, "--yes"), f"Missing argument 'PARAMETER'. {FILE}"),
    ],
)
def test_other_usage_errors(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in in_one_line(done.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        (*SET, PASSWORD, "--file", "-", "--version", "1"),
        (*ROTATE, PASSWORD, "--continue", "--version", "1"),
        ("secrets", "status", "--context", "other"),
        (*REFRESH, "--ask-key", "--key-file", "-"),
        ("rollback", "nebula", "--to", "abc", "--list"),
    ],
)
def test_mutually_exclusive_options(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_in_its_own_process() -> None:
    done = run_process(sys.executable, "-m", "ops", *SET, PASSWORD, SECRET)
    assert (done.returncode, done.stdout) == (2, "")
    assert FILE in in_one_line(done.stderr)
    assert SECRET not in done.stderr
