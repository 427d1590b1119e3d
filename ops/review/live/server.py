"""Requests to the API server: lists, and dry runs of what Argo CD would apply."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from constructs_lib.model import Manifest
from ops.cluster import APPLY_PATCH, MERGE_PATCH, ClusterError
from ops.cluster.client import Client, Discovery, Resource, Response
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

    client: Client
    missing: set[str] = field(default_factory=set)
    """Missing permissions: `patch deployments.apps in cerebro`."""

    def check_permissions(self) -> None:
        """Raise ClusterError with every missing permission."""
        if self.missing:
            raise ClusterError(
                f"context {self.client.context} lacks permissions in the cluster: "
                f"{', '.join(sorted(self.missing))}; bind the ClusterRole in docs/review.md"
            )

    @cached_property
    def served(self) -> Discovery:
        return Discovery(self.client)

    def items(
        self, resource: Resource, namespace: str, *, metadata: bool, optional: bool
    ) -> list[Manifest] | None:
        """The objects of a collection, or only their metadata.

        None if they cannot be listed; unless `optional`, the permission is then missing.
        """
        request = self.client.exchange if optional else self._request
        accept = _METADATA if metadata else _OBJECTS
        answer = request("GET", resource.path(namespace=namespace), accept=accept)
        if not answer.accepted:
            return None
        items = answer.content.get("items") or ()
        return [
            {**item, "apiVersion": resource.group_version, "kind": resource.kind} for item in items
        ]

    def secrets(self, resource: Resource, namespace: str) -> list[Manifest] | None:
        """The metadata and type of each Secret, from the table of `kubectl get secrets`."""
        answer = self._request("GET", resource.path(namespace=namespace), accept=_TABLE)
        if not answer.accepted:
            return None
        named = {"apiVersion": resource.group_version, "kind": resource.kind}
        columns = [one["name"].lower() for one in answer.content["columnDefinitions"]]
        return [
            {
                **named,
                "metadata": row["object"]["metadata"],
                "type": row["cells"][columns.index("type")],
            }
            for row in answer.content.get("rows") or ()
        ]

    def get(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """An object; None if it does not exist."""
        answer = self._request("GET", resource.path(name, namespace))
        return answer.content if answer.accepted else None

    def apply(self, resource: Resource, body: Manifest, *, force: bool) -> Response:
        """Dry-run Argo CD's server-side apply."""
        metadata = body["metadata"]
        path = resource.path(metadata["name"], metadata.get("namespace"))
        return self._dry_run("PATCH", path, body, APPLY_PATCH, force=str(force).lower())

    def merge(self, resource: Resource, namespace: str, name: str, patch: Manifest) -> Response:
        """Dry-run a merge patch."""
        return self._dry_run("PATCH", resource.path(name, namespace), patch, MERGE_PATCH)

    def create(self, resource: Resource, body: Manifest) -> Response:
        """Dry-run the creation of an object."""
        path = resource.path(namespace=body["metadata"].get("namespace"))
        return self._dry_run("POST", path, body, "application/json")

    def _dry_run(
        self, method: str, path: str, body: Manifest, content: str, **query: str
    ) -> Response:
        options = {"fieldManager": ARGO_CD, "dryRun": "All", "fieldValidation": "Warn", **query}
        return self._request(method, path, query=options, body=body, content_type=content)

    def _request(self, method: str, path: str, **options: Any) -> Response:
        answer = self.client.exchange(method, path, **options)
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
