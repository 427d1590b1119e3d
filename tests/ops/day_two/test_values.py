"""Validation of values before they are written, without repeating them."""

from __future__ import annotations

import sys

import pytest

from catalogue.parameters import Parameters
from ops.errors import OpsError
from ops.secrets.values import api_keys, check
from ops.terminal import SecretValue

KEYS, HOST, URL = Parameters.API_KEYS, Parameters.CLICKHOUSE_HOST, Parameters.EXECUTION_RPC_URL
LOGIN, PASSWORD = Parameters.GHCR_DOCKERCONFIGJSON, Parameters.CLICKHOUSE_PASSWORD
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
