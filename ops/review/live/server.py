"""Requests to the API server: lists, and dry runs of what Argo CD would apply."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ops.cluster import Answer, ClusterError, Connection, Object
from ops.cluster.connection import APPLY_PATCH, MERGE_PATCH
from ops.cluster.discovery import Resource, Served, discover
from ops.review.live.ownership import ARGO_CD

_OBJECTS = "application/json"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_NO_PERMISSION = re.compile(
    r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'( in the namespace "(?P<namespace>[^"]+)")?'
)


@dataclass
class Server:
    """One API server; no request changes anything."""

    connection: Connection
    missing: set[str] = field(default_factory=set)
    """Missing permissions: `patch deployments.apps in cerebro`."""

    def check_permissions(self) -> None:
        """Raise ClusterError with every missing permission."""
        if self.missing:
            raise ClusterError(
                f"context {self.connection.context} lacks permissions in the cluster: "
                f"{', '.join(sorted(self.missing))}; bind the ClusterRole in docs/review.md"
            )

    @cached_property
    def served(self) -> Served:
        return discover(self.connection)

    def items(
        self, resource: Resource, namespace: str, *, metadata: bool, optional: bool
    ) -> list[Object] | None:
        """The objects of a collection, or only their metadata.

        None if they cannot be listed; unless `optional`, the permission is then missing.
        """
        request = self.connection.exchange if optional else self._request
        accept = _METADATA if metadata else _OBJECTS
        answer = request("GET", resource.path(namespace), accept=accept)
        if not answer.accepted:
            return None
        items = answer.content.get("items") or ()
        return [
            {**item, "apiVersion": resource.api_version, "kind": resource.kind} for item in items
        ]

    def secrets(self, resource: Resource, namespace: str) -> list[Object] | None:
        """The metadata and type of each Secret, from the table of `kubectl get secrets`."""
        answer = self._request("GET", resource.path(namespace), accept=_TABLE)
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
        """An object; None if it does not exist."""
        answer = self._request("GET", resource.path(namespace, name))
        return answer.content if answer.accepted else None

    def apply(self, resource: Resource, body: Object, *, force: bool) -> Answer:
        """Dry-run Argo CD's server-side apply."""
        metadata = body["metadata"]
        path = resource.path(metadata.get("namespace", ""), metadata["name"])
        return self._dry_run("PATCH", path, body, APPLY_PATCH, force=str(force).lower())

    def merge(self, resource: Resource, namespace: str, name: str, patch: Object) -> Answer:
        """Dry-run a merge patch."""
        return self._dry_run("PATCH", resource.path(namespace, name), patch, MERGE_PATCH)

    def create(self, resource: Resource, body: Object) -> Answer:
        """Dry-run the creation of an object."""
        path = resource.path(body["metadata"].get("namespace", ""))
        return self._dry_run("POST", path, body, "application/json")

    def _dry_run(self, method: str, path: str, body: Object, content: str, **query: str) -> Answer:
        options = {"fieldManager": ARGO_CD, "dryRun": "All", "fieldValidation": "Warn", **query}
        return self._request(method, path, query=options, body=body, content_type=content)

    def _request(self, method: str, path: str, **options: Any) -> Answer:
        answer = self.connection.exchange(method, path, **options)
        if answer.status == 403 and (found := _NO_PERMISSION.search(answer.message)):
            resource = ".".join(filter(None, found.group("resource", "group")))
            place = found["namespace"]
            self.missing.add(f"{found['verb']} {resource}{(place and f' in {place}') or ''}")
        elif answer.status > 500 or (answer.status == 500 and method == "GET"):
            raise ClusterError(
                f"the API server failed on {method} {path}: {answer.message or answer.status}; "
                "try again, or check the API server"
            )
        return answer
