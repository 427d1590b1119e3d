"""Prompts: hidden input, and Ctrl-C without a change."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalogue.parameters import Parameters
from tests.ops.day_two.api_server import ApiServer
from tests.ops.day_two.conftest import SECRET, Account
from tests.ops.day_two.world import World
from tests.ops.session import Session, command_lines

pytestmark = pytest.mark.deploy  # eleven commands, each takes seconds to start

PASSWORD = Parameters.CLICKHOUSE_PASSWORD
NEW, AGAIN, KEY = (
    f"New value of {PASSWORD.path}: ",
    "Repeat for confirmation: ",
    "API key of tier3: ",
)

Start = Callable[..., "Session"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def start(home: Path, world: World) -> Iterator[Start]:
    """Starts commands; their output and files must not contain values."""
    assert world
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


def test_ctrl_c_at_every_question_changes_nothing(
    start: Start, account: Account, api: ApiServer
) -> None:
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
    account.put(PASSWORD, f"{SECRET}-before")
    for session, answers, question in dialogs:
        for asked, answer in answers:
            session.answer(asked, answer)
        session.interrupt(question)
    for session, _, question in dialogs:
        status, shown = session.ended()
        assert (question, status) == (question, 130)
        assert "Interrupted. Nothing was changed." in shown
        assert "Traceback" not in shown
    assert (account.version(PASSWORD), api.changes) == (2, [])


def test_enter_declines(start: Start, account: Account) -> None:
    session = start("secrets", "set", PASSWORD.path)
    session.answer(NEW, SECRET)
    session.answer(AGAIN, f"{SECRET}-mistyped")
    session.answer("Error: The two entered values do not match.", SECRET)
    session.answer(AGAIN, SECRET)
    session.answer(f"Write a new version of {PASSWORD.path}?", "")
    status, shown = session.ended()
    assert (status, account.version(PASSWORD)) == (1, 1)
    assert "Nothing was changed." in shown


def test_of_two_concurrent_writers_the_second_gets_an_error(start: Start, account: Account) -> None:
    question = f"Write a new version of {PASSWORD.path}?"
    sessions = {name: start("secrets", "set", PASSWORD.path) for name in ("first", "second")}
    for name, session in sessions.items():
        session.answer(NEW, f"{SECRET}-{name}")
        session.answer(AGAIN, f"{SECRET}-{name}")
    for session in sessions.values():
        session.wait_for(question)
    assert SECRET not in command_lines()
    ends = {}
    for name, session in sessions.items():
        session.answer("[y/N]: ", "y")
        ends[name] = session.ended()
    assert (ends["first"][0], ends["second"][0]) == (0, 4)
    assert "version 2 by root. Your value is version 3, which is current" in ends["second"][1]
    assert account.value(PASSWORD) == f"{SECRET}-second"
