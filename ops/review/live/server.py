"""The API server as a review asks it: lists, and dry runs of what Argo CD would apply."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from constructs_lib.manifests.kinds import Kind
from ops.cluster import Answer, ClusterError, Connection, Object
from ops.review.live.ownership import ARGO_CD

In = TypeVar("In")
Out = TypeVar("Out")

_AT_ONCE = 8
"""Requests under way; the API server's own limit for one client is far above that."""
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_OBJECTS = "application/json"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_NO_PERMISSION = re.compile(
    r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'( in the namespace "(?P<namespace>[^"]+)")?'
)


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


@dataclass
class Server:
    """One API server; nothing that is asked of it here changes anything."""

    connection: Connection
    lacking: set[str] = field(default_factory=set)
    """The permissions that it has been found to lack, as `patch deployments.apps in cerebro`."""

    def each(self, ask: Callable[[In], Out], items: Iterable[In]) -> list[Out]:
        """Ask several things at once. The first error ends them all."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            try:
                return list(pool.map(ask, items))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def check_permissions(self) -> None:
        """Raise ClusterError naming every permission that was missing."""
        if self.lacking:
            raise ClusterError(
                f"context {self.connection.context} lacks permissions in the cluster: "
                f"{', '.join(sorted(self.lacking))}; docs/review.md has a role that has them"
            )

    @cached_property
    def served(self) -> Served:
        """Every kind that the server serves."""
        groups = self._read("/apis")["groups"]
        preferred = {"v1", *(group["preferredVersion"]["groupVersion"] for group in groups)}
        versions = [one["groupVersion"] for group in groups for one in group["versions"]]
        found: dict[tuple[str, str], Resource] = {}
        silent = []
        for version, resources in self.each(self._resources, ["v1", *versions]):
            if resources is None:
                silent.append(version)
            for one in resources or ():
                found.setdefault((one.api_version, one.kind), one)
        return Served(
            found,
            {(one.group, one.kind): one for one in found.values() if one.api_version in preferred},
            tuple(silent),
        )

    def items(
        self, resource: Resource, namespace: str, *, metadata: bool, optional: bool
    ) -> list[Object] | None:
        """The objects of a collection, whole or their metadata alone.

        None where they cannot be listed; unless that is `optional`, the permission counts as
        lacking.
        """
        ask = self.connection.exchange if optional else self._ask
        accept = _METADATA if metadata else _OBJECTS
        answer = ask("GET", resource.path(namespace), accept=accept)
        if not answer.accepted:
            return None
        items = answer.content.get("items") or ()
        return [
            {**item, "apiVersion": resource.api_version, "kind": resource.kind} for item in items
        ]

    def secrets(self, resource: Resource, namespace: str) -> list[Object] | None:
        """The metadata and the type of each Secret, as `kubectl get secrets` asks for them."""
        answer = self._ask("GET", resource.path(namespace), accept=_TABLE)
        if not answer.accepted:
            return None
        named = {"apiVersion": resource.api_version, "kind": resource.kind}
        columns = [one["name"].lower() for one in answer.content["columnDefinitions"]]
        return [
            {
                **named,
                "metadata": row["object"]["metadata"],
                "type": row["cells"][columns.index("type")],
            }
            for row in answer.content.get("rows") or ()
        ]

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """An object; None if there is none."""
        answer = self._ask("GET", resource.path(namespace, name))
        return answer.content if answer.accepted else None

    def applied(self, resource: Resource, body: Object, *, force: bool) -> Answer:
        """What Argo CD's server-side apply would make of an object."""
        metadata = body["metadata"]
        path = resource.path(metadata.get("namespace", ""), metadata["name"])
        return self._try("PATCH", path, body, _APPLY, force=str(force).lower())

    def merged(self, resource: Resource, namespace: str, name: str, patch: Object) -> Answer:
        """What a merge patch would make of an object."""
        return self._try("PATCH", resource.path(namespace, name), patch, _MERGE)

    def created(self, resource: Resource, body: Object) -> Answer:
        """What would come of a new object."""
        path = resource.path(body["metadata"].get("namespace", ""))
        return self._try("POST", path, body, "application/json")

    def _try(self, method: str, path: str, body: Object, content: str, **query: str) -> Answer:
        dry = {"fieldManager": ARGO_CD, "dryRun": "All", "fieldValidation": "Warn", **query}
        return self._ask(method, path, query=dry, body=body, content_type=content)

    def _ask(self, method: str, path: str, **options: Any) -> Answer:
        answer = self.connection.exchange(method, path, **options)
        if answer.status == 403 and (found := _NO_PERMISSION.search(answer.message)):
            resource = ".".join(filter(None, found.group("resource", "group")))
            place = found["namespace"]
            self.lacking.add(f"{found['verb']} {resource}{(place and f' in {place}') or ''}")
        elif answer.status > 500 or (answer.status == 500 and method == "GET"):
            raise ClusterError(
                f"the API server fails at {method} {path}: {answer.message or answer.status}; "
                "try again, or look at the server"
            )
        return answer

    def _read(self, path: str) -> Object:
        answer = self._ask("GET", path)
        if not answer.accepted:
            raise ClusterError(f"the cluster refuses GET {path}: {answer.message}")
        return answer.content

    def _resources(self, version: str) -> tuple[str, list[Resource] | None]:
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        answer = self.connection.exchange("GET", root)
        if not answer.accepted:
            return version, None
        return version, [
            Resource(version, one["kind"], one["name"], one["namespaced"], frozenset(one["verbs"]))
            for one in answer.content.get("resources") or ()
            if "/" not in one["name"]
        ]
