"""ExternalSecrets: the parameters they read and the Secrets they create."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from constructs_lib.manifests.objects import Objects
from constructs_lib.model import Manifest

DOCKER_CONFIG = "kubernetes.io/dockerconfigjson"
"""The type of a pull secret."""
EVERY_KEY = "every key"
"""The key name if a whole parameter is extracted into keys."""


def secret_of(external_secret: Manifest) -> str:
    """The name of the Secret that it creates."""
    return str(_target(external_secret).get("name") or external_secret["metadata"]["name"])


def secret_type(external_secret: Manifest) -> str:
    """The type of the Secret that it creates."""
    return str(_template(external_secret).get("type") or "Opaque")


def _target(external_secret: Manifest) -> Manifest:
    return (external_secret.get("spec") or {}).get("target") or {}


def _template(external_secret: Manifest) -> Manifest:
    return _target(external_secret).get("template") or {}


def remote_keys(external_secret: Manifest) -> Iterator[tuple[str, str]]:
    """Each key with the path of its parameter."""
    spec = external_secret.get("spec") or {}
    for entry in spec.get("data") or ():
        if path := (entry.get("remoteRef") or {}).get("key"):
            yield entry["secretKey"], path
    for source in spec.get("dataFrom") or ():
        if path := (source.get("extract") or {}).get("key"):
            yield EVERY_KEY, path


@lru_cache(maxsize=4)
def keys_of(objects: Objects) -> Mapping[tuple[str, str], frozenset[str] | None]:
    """The keys of all Secrets, plain or created by ExternalSecrets, by namespace and name.

    None if the keys are known only in the cluster.
    """
    found: dict[tuple[str, str], frozenset[str] | None] = {}
    for item in objects.of_kinds("Secret"):
        parts = (item.manifest.get(field) or {} for field in ("data", "stringData"))
        found[item.namespace, item.name] = frozenset(key for part in parts for key in part)
    for item in objects.of_kinds("ExternalSecret"):
        template = _template(item.manifest).get("data")
        read = dict(remote_keys(item.manifest))
        unknown = EVERY_KEY in read or bool(item.spec.get("dataFrom"))
        keys = None if unknown else frozenset(template or read)
        found[item.namespace, secret_of(item.manifest)] = keys
    return found
