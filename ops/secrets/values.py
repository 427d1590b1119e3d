"""What can be said of a secret value before it is written. No message repeats the value."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from catalogue.parameters import Parameters
from constructs_lib.errors import DeclarationError
from constructs_lib.names import check_fqdn
from ops.asking import SecretValue
from ops.aws import LARGEST_BYTES
from ops.errors import OpsError

TIERS = ("tier0", "tier1", "tier2", "tier3")
"""What cerebro-api knows; any other name is read as no access at all."""
REGISTRY = "ghcr.io"


def check(parameter: Parameters, value: SecretValue) -> None:
    """Refuse, with OpsError, a value that the readers of `parameter` could not use."""
    try:
        _check(parameter, value.text)
    except ValueError as error:
        raise OpsError(f"that is no value for {parameter.path}: {error}") from None


def _check(parameter: Parameters, text: str) -> None:
    if not text.strip():
        raise ValueError("it is empty")
    if text == parameter.placeholder:
        raise ValueError("it is the placeholder")
    if len(text.encode()) > LARGEST_BYTES:
        raise ValueError(f"it has {len(text.encode())} bytes, and SSM holds {LARGEST_BYTES}")
    _CHECKS.get(parameter, _one_line)(text)


def api_keys(text: str) -> dict[str, str]:
    """The tier of each key of an API key registry, as cerebro-api reads it.

    Raises ValueError for anything else, naming entries by their place, not by the key.
    """
    entries = _json(text, _Entries)
    if not isinstance(entries, _Entries):
        raise ValueError(  # noqa: TRY004 as for what is no JSON
            'it is no JSON object: {"<key>": {"user": …, "tier": …, "org": …}, …}'
        )
    tiers: dict[str, str] = {}
    for place, (key, entry) in enumerate(entries, start=1):
        if not is_header_value(key):
            raise ValueError(
                f"the key of entry {place} is empty, begins or ends with a space, or has "
                "characters that no HTTP header takes"
            )
        if key in tiers:
            raise ValueError(f"entry {place} has the key of an earlier one")
        tier = dict(entry).get("tier") if isinstance(entry, _Entries) else entry
        if tier not in TIERS:
            raise ValueError(f"entry {place} has no tier of {', '.join(TIERS)}")
        tiers[key] = tier
    return tiers


def is_header_value(text: str) -> bool:
    """Whether an HTTP header can carry it as it is, which is how a client shows its key."""
    return bool(text) and text.isascii() and text.isprintable() and text == text.strip()


def _api_key_registry(text: str) -> None:
    if not api_keys(text):
        raise ValueError("it holds no key, so nobody could call the API")


class _Entries(list[tuple[str, Any]]):
    """A JSON object, of which no entry is dropped."""


def _json(text: str, objects: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    try:
        return json.loads(text, object_pairs_hook=objects)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("it is JSON within JSON without end") from None


def _host(text: str) -> None:
    try:
        check_fqdn(text)
    except DeclarationError:
        raise ValueError(
            "it is no bare host name; leave out scheme, port and path, in lower case"
        ) from None


def _url(text: str) -> None:
    _one_line(text)
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in text):
        raise ValueError("it is no URL; write https://host/path")


def _docker_config(text: str) -> None:
    content = _json(text, dict)
    logins = content.get("auths") if isinstance(content, dict) else None
    login = logins.get(REGISTRY) if isinstance(logins, dict) else None
    if not isinstance(login, dict):
        raise ValueError(  # noqa: TRY004 as for what is no JSON
            f'it has no login for {REGISTRY}: {{"auths": {{"{REGISTRY}": …}}}}'
        )
    if login.get("username") and login.get("password"):
        return
    try:
        user, colon, password = base64.b64decode(login["auth"], validate=True).partition(b":")
    except (KeyError, TypeError, binascii.Error):
        user, colon, password = b"", b"", b""
    if not (user and colon and password):
        raise ValueError(
            f"its login for {REGISTRY} is neither username and password nor auth, which is "
            "base64 of user:password"
        )


def _one_line(text: str) -> None:
    if text != text.strip():
        raise ValueError("it begins or ends with a space or a line break")
    if not text.isprintable():
        raise ValueError("it has line breaks or other characters that cannot be seen")


_CHECKS: dict[Parameters, Callable[[str], object]] = {
    Parameters.API_KEYS: _api_key_registry,
    Parameters.BEACON_NODE_URL: _url,
    Parameters.CLICKHOUSE_HOST: _host,
    Parameters.EXECUTION_RPC_URL: _url,
    Parameters.GHCR_DOCKERCONFIGJSON: _docker_config,
}
