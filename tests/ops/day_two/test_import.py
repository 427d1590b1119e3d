"""`ops secrets import`: from the Secrets of a cluster into SSM, value by value."""

from base64 import b64encode
from collections.abc import Iterator

import pytest
import typer

from catalogue.parameters import Parameters
from ops import terminal
from tests.ops.day_two.conftest import SECRET, Run
from tests.ops.day_two.world import World

HOST, USER = Parameters.CLICKHOUSE_HOST, Parameters.CLICKHOUSE_USER
PASSWORD, KEYS = Parameters.CLICKHOUSE_PASSWORD, Parameters.API_KEYS
Answers = list[object]
OF_API = "Secret cerebro/cerebro-api-secrets, key CLICKHOUSE_PASSWORD"


@pytest.fixture(autouse=True)
def by_hand(world: World) -> None:
    """Start without Secrets."""
    for path in [path for path in world.api.objects if "/secrets/" in path]:
        del world.api.objects[path]
        world.api.answers[f"GET {path}"] = (404, {"message": "not found"})


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Answers of the user; each is replaced by its question."""
    given: Answers = []
    asked: Iterator[int] = iter(range(100))

    def answer(question: str, *_: object) -> object:
        place = next(asked)
        reply, given[place] = given[place], question
        if isinstance(reply, BaseException):
            raise reply
        return reply

    monkeypatch.setattr(terminal, "is_interactive", lambda: True)
    monkeypatch.setattr(terminal, "ask_yes_or_no", answer)
    monkeypatch.setattr(terminal, "choose", answer)
    return given


def put(world: World, name: str, namespace: str = "cerebro", **values: str) -> None:
    """Create a Secret by hand."""
    path = world.path("Secret", namespace, name)
    data = {key: b64encode(value.encode()).decode() for key, value in values.items()}
    world.api.objects[path] = {"metadata": {"creationTimestamp": world.tick()}, "data": data}
    world.api.answers.pop(f"GET {path}", None)


def test_each_value_is_written_after_a_question(world: World, run: Run, answers: Answers) -> None:
    put(world, "cerebro-api-secrets", CLICKHOUSE_USER=f"user-{SECRET}", CLICKHOUSE_PASSWORD=SECRET)
    answers += [True, False]
    done = run("secrets", "import")
    assert done.exit_code == 0
    assert answers == [
        f"Import {USER.path} from Secret cerebro/cerebro-api-secrets, key CLICKHOUSE_USER?",
        f"Import {PASSWORD.path} from {OF_API}?",
    ]
    assert world.account.value(USER) == f"user-{SECRET}"
    assert world.account.value(PASSWORD) == PASSWORD.placeholder
    assert done.stdout.splitlines()[-1] == (
        f"{len(Parameters)} parameters: 1 imported, 1 not imported, "
        f"{len(Parameters) - 2} not in the cluster."
    )
    assert world.api.changed == []


def test_a_value_in_ssm_is_overwritten_after_a_question(
    world: World, run: Run, answers: Answers
) -> None:
    world.account.put(PASSWORD, f"former-{SECRET}")
    put(world, "cerebro-api-secrets", CLICKHOUSE_PASSWORD=SECRET)
    answers += [True]
    assert run("secrets", "import").exit_code == 0
    assert str(answers[0]).endswith(f"(version 2). Overwrite it from {OF_API}?")
    assert world.account.value(PASSWORD) == SECRET


REFUSED = "; set it with `ops secrets set`"


@pytest.mark.parametrize(
    ("key", "value", "stored", "status", "messages"),
    [
        (PASSWORD, SECRET, SECRET, 0, [f"{PASSWORD.path}: already the same in SSM ({OF_API})"]),
        (PASSWORD, SECRET, f"former-{SECRET}", 0, ["has another value, set"]),
        (PASSWORD, f"{SECRET}\n", "", 1, ["it begins or ends with a space", REFUSED]),
        (PASSWORD, f"{SECRET}\N{REPLACEMENT CHARACTER}", "", 1, ["it is not UTF-8", REFUSED]),
        (HOST, f"https://{SECRET}", "", 1, ["it is not a bare host name", REFUSED]),
    ],
)
def test_without_a_question_no_value_is_overwritten_or_invalid(
    world: World,
    run: Run,
    *,
    key: Parameters,
    value: str,
    stored: str,
    status: int,
    messages: list[str],
) -> None:
    world.account.put(key, stored or key.placeholder)
    name = "CLICKHOUSE_URL" if key is HOST else key.name
    put(world, "cerebro-api-secrets", **{name: value})
    done = run("secrets", "import", "--yes")
    assert done.exit_code == status
    assert all(message in done.output for message in messages)
    assert (world.account.version(key), world.account.value(key)) == (2, stored or key.placeholder)


def test_two_values_of_one_parameter(world: World, run: Run, answers: Answers) -> None:
    put(world, "cerebro-api-secrets", CLICKHOUSE_USER="one")
    put(world, "clickhouse-credentials", "crawlers", CH_USER="two")
    done = run("secrets", "import", "--yes")
    assert done.exit_code == 1
    assert f"{USER.path} has 2 values in the cluster:" in done.stderr
    assert world.account.value(USER) == USER.placeholder
    answers += [2, True]
    assert run("secrets", "import").exit_code == 0
    assert answers[0] == "Which value is right?"
    assert world.account.value(USER) == "two"


def test_ctrl_c_lists_the_imported_values(world: World, run: Run, answers: Answers) -> None:
    put(world, "cerebro-api-secrets", CLICKHOUSE_USER="one", CLICKHOUSE_PASSWORD=SECRET)
    answers += [True, typer.Abort()]
    done = run("secrets", "import")
    assert done.exit_code == 130
    assert f"Interrupted. Already imported: {USER.path}." in done.stderr
    assert world.account.value(USER) == "one"
    assert world.account.value(PASSWORD) == PASSWORD.placeholder


def test_a_terminal_that_is_not_interactive_needs_yes(world: World, run: Run) -> None:
    put(world, "cerebro-api-secrets", CLICKHOUSE_PASSWORD=SECRET)
    problem = "the terminal is not interactive; nothing was changed. Pass --yes"
    assert problem in run.refused("secrets", "import")
    assert world.account.value(PASSWORD) == PASSWORD.placeholder


def test_a_missing_parameter_stops_before_the_first_question(
    world: World, run: Run, answers: Answers
) -> None:
    put(world, "cerebro-api-secrets", CLICKHOUSE_USER="one", API_KEYS=SECRET)
    world.account.ssm.delete_parameter(Name=KEYS.path)
    assert f"{KEYS.path} does not exist in" in run.refused("secrets", "import")
    assert answers == []
