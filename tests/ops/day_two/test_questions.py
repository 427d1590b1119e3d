"""Prompts: hidden input, and Ctrl-C without a change."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalogue.parameters import Parameters
from tests.ops.day_two.conftest import SECRET
from tests.ops.day_two.world import Account, World
from tests.ops.session import Session

pytestmark = pytest.mark.deploy  # twenty commands, each takes seconds to start

PASSWORD = Parameters.CLICKHOUSE_PASSWORD
NEW, AGAIN = f"New value of {PASSWORD.path}: ", "Repeat for confirmation: "
KEY = "API key of tier3: "

Start = Callable[..., "Session"]


@pytest.fixture
def start(tmp_path: Path, world: World) -> Iterator[Start]:
    """Starts commands; their output and files must not contain values."""
    assert world
    home = tmp_path / "home"
    home.mkdir()
    sessions: list[Session] = []

    def begin(*arguments: str) -> Session:
        sessions.append(Session(*arguments, environment={**os.environ, "HOME": str(home)}))
        return sessions[-1]

    yield begin
    for session in sessions:
        session.kill()
        assert SECRET not in session.shown.getvalue()
    left = [file.read_bytes() for file in home.rglob("*") if file.is_file()]
    assert not [content for content in left if SECRET.encode() in content]


def test_ctrl_c_at_every_question_changes_nothing(start: Start, world: World) -> None:
    secret_set = ("secrets", "set", PASSWORD.path)
    rotate = ("secrets", "rotate", PASSWORD.path)
    run = ("jobs", "run", "click-runner-ember")
    typed: tuple[tuple[str, str], ...] = ((NEW, SECRET), (AGAIN, SECRET))
    dialogs = [
        (start(*secret_set), (), NEW),
        (start(*secret_set), typed[:1], AGAIN),
        (start(*secret_set), typed, f"Write a new version of {PASSWORD.path}?"),
        (start(*rotate), (), NEW),
        (start(*rotate), typed, f"Rotate {PASSWORD.path}?"),
        (start(*rotate, "--version", "2"), (), f"Rotate {PASSWORD.path}?"),
        (start(*run), (), "Run it now?"),
        (start("manifest", "refresh", "--ask-key"), (), KEY),
    ]
    world.account.put(PASSWORD, f"{SECRET}-before")
    for session, answers, question in dialogs:
        for asked, answer in answers:
            session.answer(asked, answer)
        session.interrupt(question)
    for session, _, question in dialogs:
        status, shown = session.ended()
        assert (question, status) == (question, 130)
        assert "Interrupted. Nothing was changed." in shown
        assert "Traceback" not in shown
    assert (world.account.version(PASSWORD), world.api.changed) == (2, [])


def test_enter_declines(start: Start, account: Account) -> None:
    session = start("secrets", "set", PASSWORD.path)
    session.answer(NEW, SECRET)
    session.answer(AGAIN, f"{SECRET}-mistyped")
    session.answer("Error: The two entered values do not match.", SECRET)
    session.answer(AGAIN, SECRET)
    session.wait_for(f"Write a new version of {PASSWORD.path}?")
    seen = session.command_lines()
    assert PASSWORD.path in seen
    assert SECRET not in seen
    session.answer("[y/N]: ", "")
    status, shown = session.ended()
    assert (status, account.version(PASSWORD)) == (1, 1)
    assert "Nothing was changed." in shown


CUT = "the terminal cuts a line at 4,095 bytes; pass the value with"


@pytest.mark.skipif(sys.platform != "linux", reason="other terminals have other limits")
def test_a_value_that_the_terminal_cuts_is_refused(start: Start, world: World) -> None:
    long = f"{SECRET}-".ljust(5000, "x")
    typed = (
        long,
        long[:4095],  # as the first part of a longer one
        *(f"{SECRET}{end}".ljust(2000, "\N{EURO SIGN}") for end in ("", "-", "--")),
    )  # of these three, two are cut inside a character
    refused = [
        *((start("secrets", "set", PASSWORD.path), NEW, value, "--file") for value in typed),
        (start("secrets", "rotate", PASSWORD.path), NEW, long, "--file"),
        (start("manifest", "refresh", "--ask-key"), KEY, long, "--key-file"),
    ]
    for session, question, value, _ in refused:
        session.answer(question, value)
    for session, _, value, option in refused:
        status, shown = session.ended()
        assert (value, status) == (value, 1)
        assert f"error: {CUT} {option} PATH" in shown
        assert "Traceback" not in shown
    assert (world.account.version(PASSWORD), world.api.changed) == (1, [])


def test_a_long_value_is_not_cut(start: Start, account: Account) -> None:
    longest = {"linux": 4094}.get(sys.platform, 1022)
    value = SECRET + "\N{EURO SIGN}" * ((longest - len(SECRET)) // 3)
    value = value.ljust(longest - len(value.encode()) + len(value), "x")
    session = start("secrets", "set", PASSWORD.path, "--yes")
    session.answer(NEW, value)
    session.answer(AGAIN, value)
    status, _ = session.ended()
    assert (status, account.value(PASSWORD)) == (0, value)


def test_typed_bytes_that_are_not_text(start: Start, account: Account) -> None:
    session = start("secrets", "set", PASSWORD.path)
    session.answer(NEW, f"{SECRET}-\udcff")
    status, shown = session.ended()
    assert (status, "Traceback" in shown) == (1, False)
    assert "error: the value is not UTF-8 text; check the locale, or pass it with" in shown
    assert account.version(PASSWORD) == 1
