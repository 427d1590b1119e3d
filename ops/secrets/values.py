"""Validation of secret values before they are written. Messages never contain the value."""

import base64
import binascii
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from catalogue.parameters import Parameters
from constructs_lib.errors import DeclarationError
from constructs_lib.model.names import FQDN
from ops.aws import LARGEST_BYTES
from ops.errors import OpsError
from ops.terminal import SecretValue, is_header_value

TIERS = ("tier0", "tier1", "tier2", "tier3")
"""The tiers of cerebro-api; any other name means no access."""
REGISTRY = "ghcr.io"


def check(parameter: Parameters, value: SecretValue) -> None:
    """Raise OpsError for a value that the readers of `parameter` cannot use."""
    text = value.text
    try:
        size = len(text.encode())
        _require(text.strip(), "it is empty")
        # a reader put it in place of bytes
        _require("\N{REPLACEMENT CHARACTER}" not in text, "it is not UTF-8 text")
        _require(text != parameter.placeholder, "it is the placeholder")
        _require(size <= LARGEST_BYTES, f"it has {size} bytes; the maximum is {LARGEST_BYTES}")
        _CHECKS.get(parameter, _one_line)(text)
    except ValueError as error:
        raise OpsError(f"invalid value for {parameter.path}: {error}") from None


def _require(condition: object, problem: str) -> None:
    if not condition:
        raise ValueError(problem)


def api_keys(text: str) -> dict[str, str]:
    """Return the tier of each key of an API key registry, as cerebro-api reads it.

    Raises ValueError if it is invalid, with the positions of entries instead of their keys.
    """
    entries = _json(text, _Entries)
    expected = 'it is not a JSON object: {"<key>": {"user": …, "tier": …, "org": …}, …}'
    _require(isinstance(entries, _Entries), expected)
    tiers: dict[str, str] = {}
    for place, (key, entry) in enumerate(entries, start=1):
        _require(
            is_header_value(key),
            f"the key of entry {place} is empty, begins or ends with a space, or has characters "
            "that HTTP headers do not allow",
        )
        _require(key not in tiers, f"entry {place} repeats an earlier key")
        tier: Any = dict(entry).get("tier") if isinstance(entry, _Entries) else entry
        _require(tier in TIERS, f"entry {place} has no valid tier ({', '.join(TIERS)})")
        tiers[key] = tier
    return tiers


def _api_key_registry(text: str) -> None:
    _require(api_keys(text), "it has no keys, so no client could call the API")


class _Entries(list[tuple[str, Any]]):
    """A JSON object that keeps duplicate keys."""


def _json(text: str, objects: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    try:
        return json.loads(text, object_pairs_hook=objects)
    except json.JSONDecodeError as error:
        raise ValueError(f"invalid JSON (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _host(text: str) -> None:
    try:
        FQDN.check(text)
    except DeclarationError:
        raise ValueError(
            "it is not a bare host name; omit scheme, port and path, and use lower case"
        ) from None


def _url(text: str) -> None:
    _one_line(text)
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        usable = False
    _require(usable and " " not in text, "it is not a URL; use https://host/path")


def _docker_config(text: str) -> None:
    content = _json(text, dict)
    logins = content.get("auths") if isinstance(content, dict) else None
    login: Any = logins.get(REGISTRY) if isinstance(logins, dict) else None
    expected = f'it has no login for {REGISTRY}: {{"auths": {{"{REGISTRY}": …}}}}'
    _require(isinstance(login, dict), expected)
    user, password = login.get("username"), login.get("password")
    if not (user and password):
        with suppress(KeyError, TypeError, binascii.Error):
            user, _, password = base64.b64decode(login["auth"], validate=True).partition(b":")
    _require(
        user and password,
        f"its login for {REGISTRY} has neither username and password nor auth, which is base64 of "
        "user:password",
    )


def _one_line(text: str) -> None:
    _require(text == text.strip(), "it begins or ends with a space or a line break")
    _require(text.isprintable(), "it has line breaks or other invisible characters")


_CHECKS: dict[Parameters, Callable[[str], object]] = {
    Parameters.API_KEYS: _api_key_registry,
    Parameters.BEACON_NODE_URL: _url,
    Parameters.CLICKHOUSE_HOST: _host,
    Parameters.EXECUTION_RPC_URL: _url,
    Parameters.GHCR_DOCKERCONFIGJSON: _docker_config,
}
