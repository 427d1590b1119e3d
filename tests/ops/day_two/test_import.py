"""`ops secrets import`: from the Secrets of a cluster into SSM, value by value."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

import pytest
import typer

from catalogue.parameters import Parameters
from ops import terminal
from tests.ops.day_two.api_server import ApiServer, Object
from tests.ops.day_two.conftest import SECRET, Account, Run
from tests.ops.day_two.world import World

HOST, USER, PASSWORD, KEYS = (
    Parameters.CLICKHOUSE_HOST,
    Parameters.CLICKHOUSE_USER,
    Parameters.CLICKHOUSE_PASSWORD,
    Parameters.API_KEYS,
)
OF_API = "Secret cerebro/cerebro-api-secrets, key CLICKHOUSE_PASSWORD"


@pytest.fixture(autouse=True)
def by_hand(world: World, api: ApiServer) -> None:
    """Start without Secrets."""
    assert world
    for path in [path for path in api.objects if "/secrets/" in path]:
        del api.objects[path]
        api.answers[path] = (404, {"message": "not found"})


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Answers of the user; each is replaced by its question."""
    given: list[object] = []
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


def put(api: ApiServer, name: str, namespace: str = "cerebro", **values: str) -> None:
    """Create a Secret by hand."""
    path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
    created = {"creationTimestamp": "2026-01-01T00:00:00Z"}
    metadata: Object = {"name": name, "namespace": namespace, **created}
    data = {key: b64encode(value.encode()).decode() for key, value in values.items()}
    api.objects[path] = {"kind": "Secret", "metadata": metadata, "data": data}
    api.answers.pop(path, None)


def test_each_value_is_written_after_a_question(
    run: Run, api: ApiServer, account: Account, answers: list[object]
) -> None:
    put(api, "cerebro-api-secrets", CLICKHOUSE_USER=f"user-{SECRET}", CLICKHOUSE_PASSWORD=SECRET)
    answers += [True, False]
    done = run("secrets", "import")
    assert done.exit_code == 0
    assert answers == [
        f"Import {USER.path} from Secret cerebro/cerebro-api-secrets, key CLICKHOUSE_USER?",
        f"Import {PASSWORD.path} from {OF_API}?",
    ]
    assert account.value(USER) == f"user-{SECRET}"
    assert account.value(PASSWORD) == PASSWORD.placeholder
    assert done.stdout.splitlines()[-1] == (
        f"{len(Parameters)} parameters: 1 imported, 1 not imported, "
        f"{len(Parameters) - 2} not in the cluster."
    )
    assert api.changes == []


def test_nothing_in_ssm_is_overwritten_without_a_question(
    run: Run, api: ApiServer, account: Account, answers: list[object]
) -> None:
    account.put(PASSWORD, f"former-{SECRET}")
    put(api, "cerebro-api-secrets", CLICKHOUSE_PASSWORD=SECRET)
    done = run("secrets", "import", "--yes")
    assert done.exit_code == 0
    assert "has another value, set" in done.stderr
    assert account.value(PASSWORD) == f"former-{SECRET}"
    answers += [True]
    assert run("secrets", "import").exit_code == 0
    assert str(answers[0]).endswith(f"(version 2). Overwrite it from {OF_API}?")
    assert account.value(PASSWORD) == SECRET


def test_an_identical_value_is_not_written_again(
    run: Run, api: ApiServer, account: Account
) -> None:
    version = account.put(PASSWORD, SECRET)
    put(api, "cerebro-api-secrets", CLICKHOUSE_PASSWORD=SECRET)
    done = run("secrets", "import", "--yes")
    assert done.exit_code == 0
    assert f"{PASSWORD.path}: already the same in SSM ({OF_API})" in done.stdout
    assert account.version(PASSWORD) == version


def test_two_values_of_one_parameter(
    run: Run, api: ApiServer, account: Account, answers: list[object]
) -> None:
    put(api, "cerebro-api-secrets", CLICKHOUSE_USER="one")
    put(api, "clickhouse-credentials", "crawlers", CH_USER="two")
    done = run("secrets", "import", "--yes")
    assert done.exit_code == 1
    assert f"{USER.path} has 2 values in the cluster:" in done.stderr
    assert account.value(USER) == USER.placeholder
    answers += [2, True]
    assert run("secrets", "import").exit_code == 0
    assert answers[0] == "Which value is right?"
    assert account.value(USER) == "two"


@pytest.mark.parametrize(
    ("parameter", "key", "value", "reason"),
    [
        (HOST, "CLICKHOUSE_URL", f"https://{SECRET}", "it is not a bare host name"),
        (PASSWORD, "CLICKHOUSE_PASSWORD", f"{SECRET}\n", "it begins or ends with a space"),
        (PASSWORD, "CLICKHOUSE_PASSWORD", f"{SECRET}\N{REPLACEMENT CHARACTER}", "it is not UTF-8"),
    ],
)
def test_an_invalid_value_is_refused(
    run: Run,
    api: ApiServer,
    account: Account,
    *,
    parameter: Parameters,
    key: str,
    value: str,
    reason: str,
) -> None:
    put(api, "cerebro-api-secrets", **{key: value})
    done = run("secrets", "import", "--yes")
    assert done.exit_code == 1
    assert reason in done.stderr
    assert "set it with `ops secrets set`" in done.stderr
    assert account.value(parameter) == parameter.placeholder


def test_ctrl_c_lists_the_imported_values(
    run: Run, api: ApiServer, account: Account, answers: list[object]
) -> None:
    put(api, "cerebro-api-secrets", CLICKHOUSE_USER="one", CLICKHOUSE_PASSWORD=SECRET)
    answers += [True, typer.Abort()]
    done = run("secrets", "import")
    assert done.exit_code == 130
    assert f"Interrupted. Already imported: {USER.path}." in done.stderr
    assert account.value(USER) == "one"
    assert account.value(PASSWORD) == PASSWORD.placeholder


def test_a_terminal_that_is_not_interactive_needs_yes(
    run: Run, api: ApiServer, account: Account
) -> None:
    put(api, "cerebro-api-secrets", CLICKHOUSE_PASSWORD=SECRET)
    assert "the terminal is not interactive; nothing was changed. Pass --yes" in run.refused(
        "secrets", "import"
    )
    assert account.value(PASSWORD) == PASSWORD.placeholder


def test_a_missing_parameter_stops_before_the_first_question(
    run: Run, api: ApiServer, account: Account, answers: list[object]
) -> None:
    put(api, "cerebro-api-secrets", CLICKHOUSE_USER="one", API_KEYS=SECRET)
    account.ssm.delete_parameter(Name=KEYS.path)
    assert f"{KEYS.path} does not exist in" in run.refused("secrets", "import")
    assert answers == []
