"""The API server as a review asks it: lists, and dry runs of what Argo CD would apply."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ops.cluster import Answer, ClusterError, Connection, Object
from ops.cluster.discovery import Resource, Served, discover
from ops.review.live.ownership import ARGO_CD

_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_OBJECTS = "application/json"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_NO_PERMISSION = re.compile(
    r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'( in the namespace "(?P<namespace>[^"]+)")?'
)


@dataclass
class Server:
    """One API server; nothing that is asked of it here changes anything."""

    connection: Connection
    lacking: set[str] = field(default_factory=set)
    """The permissions that it has been found to lack, as `patch deployments.apps in cerebro`."""

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
        return discover(self.connection)

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
