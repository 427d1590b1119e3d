"""What an ExternalSecret reads, and the Secret that it makes."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.model import Manifest

EVERY_KEY = "every key"
"""In place of the name of a key, where a whole parameter is taken apart into keys."""


def secret_of(external_secret: Manifest) -> str:
    """The name of the Secret that External Secrets makes of it."""
    target = (external_secret.get("spec") or {}).get("target") or {}
    return str(target.get("name") or external_secret["metadata"]["name"])


def remote_keys(external_secret: Manifest) -> Iterator[tuple[str, str]]:
    """Each key that it reads, and the path of its parameter."""
    spec = external_secret.get("spec") or {}
    for entry in spec.get("data") or ():
        if path := (entry.get("remoteRef") or {}).get("key"):
            yield entry["secretKey"], path
    for source in spec.get("dataFrom") or ():
        if path := (source.get("extract") or {}).get("key"):
            yield EVERY_KEY, path
