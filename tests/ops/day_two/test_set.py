"""Setting a value in SSM: what is refused, without repeating it, and concurrent writes."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from catalogue.parameters import Parameters
from ops import aws
from ops.aws import AwsUnreachableError, Version
from ops.errors import OpsError
from ops.secrets.values import api_keys, check
from ops.terminal import SecretValue
from tests.ops.day_two.conftest import SECRET, Run
from tests.ops.day_two.world import Account

PASSWORD, KEYS = Parameters.CLICKHOUSE_PASSWORD, Parameters.API_KEYS
USER, HOST = Parameters.CLICKHOUSE_USER, Parameters.CLICKHOUSE_HOST
URL, LOGIN = Parameters.EXECUTION_RPC_URL, Parameters.GHCR_DOCKERCONFIGJSON


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
    (written,) = aws.read([KEYS.path], described=True).values()
    assert (written.key, written.tier) == ("alias/of-the-operator", "Intelligent-Tiering")


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


GIVEN = ("--file", "-", "--yes")


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        ((PASSWORD.path, *GIVEN), SECRET, "`make deploy-secrets` creates it"),
        ((USER.path, "--yes"), "", "is a String, which cannot become a SecureString"),
        (("clickhouse/pasword", "--yes"), "", "did you mean /cerebro/clickhouse/password"),
        ((SECRET, "--yes"), "", "the parameter is not in catalogue/parameters.py; "),
        ((KEYS.path, *GIVEN), SECRET, "invalid value"),
        ((KEYS.path, *GIVEN), b"\xff\xfe", "standard input cannot be read: it is not UTF-8 text"),
        ((KEYS.path, "--file", "-"), f'{{"{SECRET}": "tier1"}}', "nothing was changed. Pass --yes"),
        ((KEYS.path, "--yes"), "", "pass the value with --file PATH"),
        ((KEYS.path, "--file", SECRET, "--yes"), "", "the file of --file cannot be read: No such"),
        (
            (HOST.path, "--version", "9", "--yes"),
            "",
            "no version 9; its history has versions 1 to 2",
        ),
    ],
)
def test_a_refused_value_changes_nothing(
    account: Account, run: Run, *, arguments: tuple[str, ...], given: str | bytes, message: str
) -> None:
    for parameter in (PASSWORD, USER):
        account.ssm.delete_parameter(Name=parameter.path)
    account.put(USER, "plain", Type="String", Overwrite=False)
    account.put(HOST, "clickhouse.example.org")
    before = account.values()
    assert message in run.refused("secrets", "set", *arguments, given=given)
    assert account.values() == before


def test_a_parameter_without_a_known_key_is_not_written(
    account: Account, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "describe", lambda _: {})
    arguments = ("secrets", "set", PASSWORD.path, *GIVEN)
    assert "SSM does not list" in run.refused(*arguments, given=SECRET)
    assert account.version(PASSWORD) == 1


MINE, THEIRS = f"{SECRET}-mine", f"{SECRET}-theirs"


@pytest.mark.parametrize(
    ("theirs", "is_listed", "status", "message"),
    [
        pytest.param(THEIRS, True, 4, "2 by root. Your value is version 3, which is current; "
                     f"to restore theirs, run `ops secrets set {PASSWORD.path} --version 2`",
                     id="another user"),
        pytest.param(THEIRS, False, 4, "at the same time: version 2. Your value is version 3",
                     id="another user, not in the history yet"),
        pytest.param(MINE, True, 0, "", id="a repeated request, because the response was lost"),
    ],
)  # fmt: skip
def test_a_version_between_the_lookup_and_the_write(
    account: Account,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    *,
    theirs: str,
    is_listed: bool,
    status: int,
    message: str,
) -> None:
    write = aws.put

    def put(path: str, mine: SecretValue, now: Version) -> int:
        account.put(PASSWORD, theirs)
        return write(path, mine, now)

    monkeypatch.setattr(aws, "put", put)
    if not is_listed:
        monkeypatch.setattr(aws, "history", lambda _: {})
    done = set_to(run, PASSWORD, MINE)
    assert (done.exit_code, account.version(PASSWORD), account.value(PASSWORD)) == (status, 3, MINE)
    assert message in done.stderr
    assert ("another user wrote" in done.stderr) == (status == 4)


@pytest.mark.parametrize(
    ("asked", "end", "status", "message"),
    [
        ("put", AwsUnreachableError("no answer"), 1, "no answer. It is unknown whether the value"),
        ("put", KeyboardInterrupt(), 130, "It is unknown whether the value was written; run this"),
        ("history", KeyboardInterrupt(), 130, "Your value is version 3. It is unknown whether ano"),
    ],
)
def test_a_write_without_an_answer(
    account: Account,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    *,
    asked: str,
    end: BaseException,
    status: int,
    message: str,
) -> None:
    write = aws.put

    def put(*arguments: Any) -> int:
        account.put(PASSWORD, THEIRS)
        return write(*arguments)

    def ends(*_: object) -> None:
        raise end

    monkeypatch.setattr(aws, "put", put)
    monkeypatch.setattr(aws, asked, ends)
    done = set_to(run, PASSWORD, MINE)
    assert done.exit_code == status
    assert message in done.stderr


NESTED = "it is not a JSON object" if sys.version_info >= (3, 13) else "it is nested too deeply"
"""From Python 3.13 on, the parser reads as many levels as a value has characters."""


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (KEYS, '{"sk_live_1": {"user": "alice", "tier": "tier3", "org": null}, "k2": "tier0"}'),
        (KEYS, '{\n  "sk_live_1": {"tier": "tier1"}\n}'),
        (HOST, "abc123.eu-central-1.aws.clickhouse.cloud"),
        (URL, "https://rpc.example.org/v1/key?x=1"),
        (URL, "http://10.0.0.7:8545"),
        (LOGIN, '{"auths": {"ghcr.io": {"auth": "dXNlcjpwYXNz"}}}'),
        (LOGIN, '{"auths": {"ghcr.io": {"username": "user", "password": "pass"}}}'),
        (PASSWORD, 'a b"c$d{e}é'),
    ],
)
def test_valid_values(parameter: Parameters, value: str) -> None:
    check(parameter, SecretValue(value))


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        (KEYS, '{"s3cret": "tier3"', "invalid JSON (line 1, column 19)"),
        (KEYS, '["s3cret"]', "it is not a JSON object"),
        (KEYS, '{"s3cret": "pro"}', "entry 1 has no valid tier (tier0, tier1, tier2, tier3)"),
        (KEYS, '{"a": "tier0", "s3cret": {"user": "x"}}', "entry 2 has no valid tier"),
        (KEYS, '{"a": "tier0", "s3cret": ["tier1"]}', "entry 2 has no valid tier"),
        (KEYS, '{"s3cret": "tier0", "s3cret": "tier3"}', "entry 2 repeats an earlier key"),
        (KEYS, '{" s3cret": "tier0"}', "entry 1 is empty, begins or ends with a space, or has"),
        (KEYS, '{"s3cret\\nx": "tier0"}', "characters that HTTP headers do not allow"),
        (KEYS, '{"s3cretключ": "tier0"}', "characters that HTTP headers do not allow"),
        (KEYS, "{ }", "it has no keys, so no client could call the API"),
        (KEYS, 4000 * "[" + 4000 * "]", NESTED),
        (KEYS, "{}", "it is the placeholder"),
        (HOST, "https://s3cret.example.org", "it is not a bare host name"),
        (HOST, "s3cret.example.org:8443", "it is not a bare host name"),
        (HOST, "s3cret", "it is not a bare host name"),
        (URL, "s3cret.example.org", "it is not a URL"),
        (URL, "https://s3cret.example.org:99999/", "it is not a URL"),
        (URL, "https://s3cret example.org/", "it is not a URL"),
        (LOGIN, '{"auths": {"docker.io": {"auth": "s3cret"}}}', "it has no login for ghcr.io"),
        (LOGIN, '{"auths": {"ghcr.io": {"auth": "s3cret"}}}', "neither username and password nor"),
        (LOGIN, '{"auths": {"ghcr.io": {}}}', "neither username and password nor auth"),
        (PASSWORD, "s3cret ", "it begins or ends with a space"),
        (PASSWORD, "s3c\nret", "it has line breaks"),
        (PASSWORD, "s3cret\N{REPLACEMENT CHARACTER}", "it is not UTF-8 text"),
        (PASSWORD, "", "it is empty"),
        (PASSWORD, "s3cret" * 2000, "it has 12000 bytes; the maximum is 8192"),
    ],
)
def test_invalid_values_are_refused_without_repeating_them(
    parameter: Parameters, value: str, message: str
) -> None:
    with pytest.raises(OpsError) as refused:
        check(parameter, SecretValue(value))
    assert str(refused.value).startswith(f"invalid value for {parameter.path}: ")
    assert message in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_the_tiers_of_a_registry() -> None:
    registry = '{"a": "tier1", "b": {"user": "bob", "tier": "tier3"}}'
    assert api_keys(registry) == {"a": "tier1", "b": "tier3"}
