"""The entry point of the commands."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from constructs_lib.errors import DeclarationError, PlatformError
from ops import rollback
from ops.commands import app
from ops.errors import CanceledError, OpsError, Status
from ops.review.model import ReviewError
from tests.conftest import run
from tests.ops.checkouts import CODE, copy, ops
from tests.ops.conftest import invoke


def noted(error: Exception, note: str) -> Exception:
    error.add_note(note)
    return error


def test_slow_libraries_are_imported_on_use() -> None:
    slow = ("aws_cdk", "cdk8s", "humanize", "jsii", "kubernetes", "rich")
    modules = "ops.commands, ops.review.command"
    script = f"import sys, {modules}; print([one for one in {slow} if one in sys.modules])"
    assert run(sys.executable, "-c", script).stdout == "[]\n"


@pytest.mark.parametrize(
    ("end", "status", "shown"),
    [
        (None, 0, ""),
        (Status.NOT_CHECKED, 3, ""),
        (OpsError("one\ntwo"), 1, "error: one\nerror: two\n"),
        (noted(OpsError("one"), "Nothing was changed."), 1, "error: one\nNothing was changed.\n"),
        (ReviewError("one"), 2, "error: one\n"),
        (PlatformError(["one", "two"]), 1, "error: one\nerror: two\n"),
        (DeclarationError("wrong", where="here"), 1, "error: here: wrong"),
        (CanceledError("Nothing was changed.", Status.FAILED), 1, "Nothing was changed.\n"),
        (typer.Abort(), 130, "\nInterrupted. Nothing was changed.\n"),
        (KeyboardInterrupt(), 130, "\nInterrupted.\n"),
    ],
)
def test_how_a_command_ends(
    monkeypatch: pytest.MonkeyPatch, end: BaseException | Status | None, status: int, shown: str
) -> None:
    def command() -> Status | None:
        if isinstance(end, BaseException):
            raise end
        return end

    monkeypatch.setattr(rollback, "rollback", command)
    done = invoke("rollback")
    assert (done.exit_code, done.stdout) == (status, "")
    assert done.stderr.startswith(shown)
    assert bool(done.stderr) == bool(shown)


def test_a_bug_is_not_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "rollback", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        invoke("rollback")


def with_context(command: Any, *names: str) -> Iterator[list[str]]:
    """Every command that has the option --context, as a list of words."""
    if any("--context" in parameter.opts for parameter in command.params):
        yield list(names)
    if hasattr(command, "list_commands"):
        for name in command.list_commands(None):
            yield from with_context(command.get_command(None, name), *names, name)


CONTEXT_COMMANDS = list(with_context(typer.main.get_command(app)))


@pytest.mark.parametrize("command", CONTEXT_COMMANDS, ids=" ".join)
def test_an_empty_context_is_not_the_current_one(command: list[str]) -> None:
    for option in (["--context", ""], ["--context= "]):
        done = invoke(*command, *option)
        assert done.exit_code == 2
        assert "The name is empty; omit --context" in " ".join(done.stderr.split())
    assert len(CONTEXT_COMMANDS) > 8


def test_an_invalid_setting_prints_one_line(tmp_path: Path) -> None:
    own = copy(CODE, tmp_path / "checkout")
    settings = own / "catalogue" / "installation.py"
    settings.write_text(settings.read_text().replace('"eu-central-1"', '"Frankfurt"'))
    status, said, wrong = ops(own, "secrets", "status")
    assert (status, said) == (1, "")
    assert wrong.startswith("error: region 'Frankfurt' does not match ")
    assert wrong.count("\n") == 1


def test_without_standard_input_no_prompt() -> None:
    command = f"{sys.executable} -m ops manifest refresh --ask-key <&-"
    done = run("sh", "-c", command)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the terminal is not interactive; pass the value")
