"""API discovery, and parallel requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

from constructs_lib.manifests.objects import Kind
from ops.cluster.connection import ClusterError, Connection

In = TypeVar("In")
Out = TypeVar("Out")

_AT_ONCE = 8
"""Parallel requests, far below the API server's own limit for one client."""


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
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str = "", name: str = "") -> str:
        """Return the path of an object, or of the collection without a name."""
        root = _root(self.api_version)
        inside = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{root}{inside}/{self.plural}{name and f'/{name}'}"


class Served(NamedTuple):
    """The resources that the API server serves."""

    resources: Mapping[tuple[str, str], Resource]
    """By API version and kind."""
    preferred: Mapping[Kind, Resource]
    """By group and kind, in the server's preferred version."""
    silent: tuple[str, ...]
    """API versions with unknown resources, because the server behind them is down."""

    def get(self, api_version: str, kind: str) -> Resource | None:
        """Return the resource of a kind in a version, if it is served."""
        return self.resources.get((api_version, kind))

    def versions(self, kind: Kind) -> list[str]:
        """Return the API versions that serve a kind."""
        return sorted(
            one.api_version for one in self.resources.values() if (one.group, one.kind) == kind
        )


def each(ask: Callable[[In], Out], items: Iterable[In]) -> list[Out]:
    """Call `ask` for all items in parallel. The first error cancels the rest."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            return list(pool.map(ask, items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def discover(connection: Connection) -> Served:
    """Return every kind that the server serves. Raises ClusterError."""
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


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _resources(connection: Connection, version: str) -> tuple[str, list[Resource] | None]:
    answer = connection.exchange("GET", _root(version))
    if not answer.accepted:
        return version, None
    return version, [
        Resource(version, one["kind"], one["name"], one["namespaced"], frozenset(one["verbs"]))
        for one in answer.content.get("resources") or ()
        if "/" not in one["name"]
    ]
