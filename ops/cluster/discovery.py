"""Which kinds an API server serves, and asking it several things at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

from constructs_lib.manifests.kinds import Kind
from ops.cluster.connection import ClusterError, Connection

In = TypeVar("In")
Out = TypeVar("Out")

_AT_ONCE = 8
"""Requests under way; the API server's own limit for one client is far above that."""


@dataclass(frozen=True)
class Resource:
    """A kind in one version of its API group."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str]

    @property
    def group(self) -> str:
        """Empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str = "", name: str = "") -> str:
        """Of an object, or of the collection."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        inside = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{root}{inside}/{self.plural}{name and f'/{name}'}"


class Served(NamedTuple):
    """What the API server serves."""

    resources: Mapping[tuple[str, str], Resource]
    """By API version and kind."""
    preferred: Mapping[Kind, Resource]
    """By group and kind, in the version that the server prefers."""
    silent: tuple[str, ...]
    """The API versions of which it does not say what they hold: their own server is down."""

    def versions(self, kind: Kind) -> list[str]:
        """The versions of its group that serve a kind."""
        return sorted(
            one.api_version for one in self.resources.values() if (one.group, one.kind) == kind
        )


def each(ask: Callable[[In], Out], items: Iterable[In]) -> list[Out]:
    """Ask several things at once. The first error ends them all."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            return list(pool.map(ask, items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def discover(connection: Connection) -> Served:
    """Every kind that a server serves. Raises ClusterError."""
    answer = connection.exchange("GET", "/apis")
    if not answer.accepted:
        raise ClusterError(f"the cluster refuses GET /apis: {answer.message or answer.status}")
    groups = answer.content["groups"]
    preferred = {"v1", *(group["preferredVersion"]["groupVersion"] for group in groups)}
    versions = [one["groupVersion"] for group in groups for one in group["versions"]]
    found: dict[tuple[str, str], Resource] = {}
    silent = []
    for version, resources in each(partial(_resources, connection), ["v1", *versions]):
        if resources is None:
            silent.append(version)
        for one in resources or ():
            found.setdefault((one.api_version, one.kind), one)
    return Served(
        found,
        {(one.group, one.kind): one for one in found.values() if one.api_version in preferred},
        tuple(silent),
    )


def _resources(connection: Connection, version: str) -> tuple[str, list[Resource] | None]:
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    answer = connection.exchange("GET", root)
    if not answer.accepted:
        return version, None
    return version, [
        Resource(version, one["kind"], one["name"], one["namespaced"], frozenset(one["verbs"]))
        for one in answer.content.get("resources") or ()
        if "/" not in one["name"]
    ]
