"""Setting a value in SSM, and concurrent writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import Result

from catalogue.parameters import Parameters
from ops.aws import Description, ParameterStore
from ops.terminal import SecretValue
from tests.ops.day_two.conftest import SECRET, Account, Run

PASSWORD, KEYS = Parameters.CLICKHOUSE_PASSWORD, Parameters.API_KEYS
USER = Parameters.CLICKHOUSE_USER


def set_to(run: Run, parameter: Parameters, value: str | bytes) -> Result:
    return run("secrets", "set", parameter.path, "--file", "-", "--yes", given=value)


def test_a_value_from_standard_input_or_a_file_is_written(
    account: Account, run: Run, tmp_path: Path
) -> None:
    done = set_to(run, PASSWORD, f"{SECRET}-1\n")
    assert (done.exit_code, account.value(PASSWORD)) == (0, f"{SECRET}-1")

    file = tmp_path / "password"
    file.write_text(f"{SECRET}-2")
    done = run("secrets", "set", "clickhouse/password", "--file", str(file), "--yes")
    assert (done.exit_code, account.value(PASSWORD)) == (0, f"{SECRET}-2")
    assert done.stdout == f"{PASSWORD.path} is set: version 3.\n"


def test_it_prints_the_readers_and_keeps_key_and_type(account: Account, run: Run) -> None:
    account.put(KEYS, "{}", KeyId="alias/of-the-operator")
    registry = json.dumps({f"{SECRET}-{number}": "tier3" for number in range(200)})
    done = set_to(run, KEYS, registry)
    assert done.exit_code == 0
    for part in (
        "(API key registry (JSON)): version 2, the placeholder",
        "within the hour, into cerebro/cerebro-api-secrets",
        "restarted by Reloader, if the cluster has it: cerebro/cerebro-api\n",
        "longer than 4 KB",
    ):
        assert part in done.stderr
    (described,) = ParameterStore().describe([KEYS.path]).values()
    assert (described.key, described.tier) == ("alias/of-the-operator", "Intelligent-Tiering")


def test_the_same_value_is_not_written_again(account: Account, run: Run) -> None:
    for _ in range(2):
        done = set_to(run, PASSWORD, SECRET)
        assert (done.exit_code, account.version(PASSWORD)) == (0, 2)
    assert "already has this value: version 2" in done.stdout


def test_an_earlier_version_comes_back(account: Account, run: Run) -> None:
    account.put(PASSWORD, f"{SECRET}-good")
    account.put(PASSWORD, f"{SECRET}-bad")
    done = run("secrets", "set", PASSWORD.path, "--version", "2", "--yes")
    assert (done.exit_code, account.value(PASSWORD)) == (0, f"{SECRET}-good")
    missing = run("secrets", "set", PASSWORD.path, "--version", "9", "--yes")
    assert "has no version 9; its history has versions 1 to 4" in missing.stderr


def test_a_refused_value_changes_nothing(account: Account, run: Run) -> None:
    for parameter in (PASSWORD, USER):
        account.ssm.delete_parameter(Name=parameter.path)
    account.put(USER, "plain", Type="String", Overwrite=False)
    before = account.values()
    cases: tuple[tuple[tuple[str, ...], str | bytes, str], ...] = (
        ((PASSWORD.path, "--file", "-", "--yes"), SECRET, "`make deploy-secrets` creates it"),
        (("clickhouse/pasword", "--yes"), "", "did you mean /cerebro/clickhouse/password"),
        ((KEYS.path, "--file", "-", "--yes"), SECRET, "invalid value"),
        ((KEYS.path, "--file", "-"), f'{{"{SECRET}": "tier1"}}', "nothing was changed. Pass --yes"),
        ((KEYS.path, "--yes"), "", "pass the value with --file PATH"),
        ((KEYS.path, "--file", SECRET, "--yes"), "", "the file of --file cannot be read: No such"),
        ((SECRET, "--yes"), "", "the parameter is not in catalogue/parameters.py; "),
        ((USER.path, "--yes"), "", "is a String, which cannot become a SecureString"),
        ((KEYS.path, "--file", "-", "--yes"), b"\xff\xfe",
         "standard input cannot be read: it is not UTF-8 text"),
    )  # fmt: skip
    for arguments, given, message in cases:
        done = run("secrets", "set", *arguments, given=given)
        assert done.exit_code == 1
        assert message in done.stderr
        assert account.values() == before


def meanwhile(account: Account, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Write `value` as another user, between the lookup and the write of the command."""
    write = ParameterStore.put

    def put(store: ParameterStore, path: str, mine: SecretValue, now: Description) -> int:
        account.put(PASSWORD, value)
        return write(store, path, mine, now)

    monkeypatch.setattr(ParameterStore, "put", put)


def test_a_concurrent_write_names_both_versions(
    account: Account, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(account, monkeypatch, f"{SECRET}-theirs")
    done = set_to(run, PASSWORD, f"{SECRET}-mine")
    assert done.exit_code == 4
    assert "another user wrote" in done.stderr
    assert "version 2 by root. Your value is version 3, which is current" in done.stderr
    assert f"ops secrets set {PASSWORD.path} --version 2" in done.stderr
    assert account.value(PASSWORD) == f"{SECRET}-mine"
    history = account.ssm.get_parameter_history(Name=PASSWORD.path, WithDecryption=True)
    values = [version["Value"] for version in history["Parameters"]]
    assert sorted(values) == sorted([PASSWORD.placeholder, f"{SECRET}-theirs", f"{SECRET}-mine"])


def test_a_retried_write_is_not_a_concurrent_write(
    account: Account, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(account, monkeypatch, SECRET)  # as after a lost response and a retry
    done = set_to(run, PASSWORD, SECRET)
    assert (done.exit_code, account.version(PASSWORD)) == (0, 3)


def test_a_version_that_the_history_lacks_counts_as_a_concurrent_write(
    account: Account, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(account, monkeypatch, f"{SECRET}-theirs")
    monkeypatch.setattr(ParameterStore, "history", lambda *_: {})
    done = set_to(run, PASSWORD, f"{SECRET}-mine")
    assert done.exit_code == 4
    assert "at the same time: version 2. Your value is version 3" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("secrets", "set", PASSWORD.path, "--file", "-", "--version", "1"),
        ("secrets", "rotate", PASSWORD.path, "--continue", "--version", "1"),
        ("secrets", "status", "--context", "other"),
        ("manifest", "refresh", "--ask-key", "--key-file", "-"),
        ("rollback", "nebula", "--to", "abc", "--list"),
    ],
)
def test_mutually_exclusive_options(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
