"""What a review reads from the API server, and the dry runs that it requests."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from constructs_lib.manifests.argocd import GROUP, NAMESPACE
from constructs_lib.manifests.objects import GROUPS, Key, Kind, Object, Objects
from constructs_lib.model import Manifest
from ops.cluster.client import JSON, Client, Discovery, Resource, Response, in_parallel
from ops.errors import ClusterError

ARGO_CD = "argocd-controller"
"""The field manager of Argo CD's server-side apply."""
APPLICATION: Kind = (GROUP, "Application")
SECRET: Kind = ("", "Secret")
READ_KINDS = frozenset(
    (group, kind) for kind, group in GROUPS.items() if kind != "Secret" and group != GROUP
)
"""Kinds that the rules need in full, including objects that are not in dist/."""
KNOWN = tomllib.loads(Path(__file__).with_name("known.toml").read_text("utf-8"))
_CONTROLLER_KINDS = {
    (group, kind) for group, kinds in KNOWN["controller-kinds"].items() for kind in kinds
}
_OF_SERVICE_ACCOUNT = "kubernetes.io/service-account.name"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
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

    def list_objects(
        self, resource: Resource, namespace: str, *, whole: bool
    ) -> list[Manifest] | None:
        """The objects in a namespace; None if they cannot be listed.

        Only their metadata, unless the review needs `whole` objects; of Secrets, also the type.
        """
        secrets = (resource.group, resource.kind) == SECRET
        accept = _TABLE if secrets else JSON if whole else _METADATA_LIST
        request = self._request if whole else self.client.exchange
        response = request("GET", resource.path(namespace=namespace), accept=accept)
        if not response.accepted:
            return None
        items = response.content.get("items") or ()
        if secrets:  # the table of `kubectl get secrets`
            columns = [column["name"].lower() for column in response.content["columnDefinitions"]]
            place = columns.index("type")
            items = [
                {"metadata": row["object"]["metadata"], "type": row["cells"][place]}
                for row in response.content.get("rows") or ()
            ]
        named = {"apiVersion": resource.group_version, "kind": resource.kind}
        return [{**item, **named} for item in items]

    def get(self, api_version: str, key: Key) -> Manifest | None:
        """An object, of a Secret only metadata; None if it does not exist or is not served."""
        resource = self.client.resources.get(api_version, key.kind)
        if not resource:
            return None
        accept = _METADATA if key[:2] == SECRET else JSON
        response = self._request("GET", resource.path(key.name, key.namespace), accept=accept)
        named = {"apiVersion": api_version, "kind": key.kind}
        return {**response.content, **named} if response.accepted else None

    def dry_run(
        self,
        resource: Resource,
        manifest: Manifest,
        patch: str | None = None,
        body: Manifest | list[Manifest] | None = None,
        **query: str,
    ) -> Response:
        """Dry-run a request of Argo CD: the creation of an object, or a patch with a content type.

        The body of a patch is the object by default.
        """
        metadata = manifest["metadata"]
        path = resource.path(metadata["name"] if patch else None, metadata.get("namespace"))
        query |= {"fieldManager": ARGO_CD, "dryRun": "All", "fieldValidation": "Warn"}
        return self._request(
            "PATCH" if patch else "POST",
            path,
            query=query,
            body=body or manifest,
            content_type=patch or JSON,
        )

    def _request(self, method: str, path: str, **options: Any) -> Response:
        response = self.client.exchange(method, path, **options)
        if response.status == 403 and (found := _NO_PERMISSION.search(response.message)):
            resource = ".".join(filter(None, found.group("resource", "group")))
            place = found["namespace"]
            self.missing.add(f"{found['verb']} {resource}{(place and f' in {place}') or ''}")
        elif response.status > 500 or (response.status == 500 and method == "GET"):
            raise ClusterError(
                f"the API server failed on {method} {path}: {response.message or response.status}; "
                "try again, or check the API server"
            )
        return response


@dataclass(frozen=True, kw_only=True)
class ClusterState:
    """The objects that a review reads from a cluster."""

    declared: Objects
    """The objects of dist/."""
    stored: Mapping[Key, Manifest]
    """Those of dist/, all others in its namespaces, and all Applications. Secrets, and kinds that
    the rules do not read, have only metadata."""
    leaving: Mapping[Key, str]
    """What Argo CD syncs and dist/ no longer has, with the name of the Application."""
    unlisted: tuple[str, ...]
    """Kinds that could not be listed."""

    @cached_property
    def applications(self) -> dict[str, Manifest]:
        """Every Application, by name."""
        return {key.name: item for key, item in self.stored.items() if key[:2] == APPLICATION}

    @cached_property
    def trackers(self) -> dict[Key, list[str]]:
        """The Applications that list an object in their status."""
        found = defaultdict(list)
        for name, application in self.applications.items():
            for key, _ in _tracked(application):
                found[key].append(name)
        return found

    @cached_property
    def outside(self) -> dict[Key, Manifest]:
        """Other objects in the namespaces of dist/, except those that controllers create."""
        namespaces = {item.name for item in self.declared.of_kinds("Namespace")}
        return {
            key: item
            for key, item in self.stored.items()
            if key.namespace in namespaces
            and key not in self.declared.objects
            and key not in self.leaving
            and not item["metadata"].get("ownerReferences")
            and _OF_SERVICE_ACCOUNT not in (item["metadata"].get("annotations") or {})
            and KNOWN["default-objects"].get(key.kind) != key.name
        }


def read_cluster(server: Server, declared: Objects) -> ClusterState:
    """Read the cluster. Raises ClusterError with every missing permission."""
    listings = list(_listings(server.client.resources, declared))
    lists = in_parallel(
        lambda listing: server.list_objects(*listing[:2], whole=listing[2]), listings
    )
    answers = zip(listings, lists, strict=True)
    unlisted = [resource.name for (resource, *_), items in answers if items is None]
    stored = {Object.of(item).key: item for items in lists for item in items or ()}
    named = [item for item in declared if not item.namespace and item.key not in stored]
    found = in_parallel(lambda item: server.get(item.manifest["apiVersion"], item.key), named)
    stored |= {Object.of(item).key: item for item in found if item}
    leaving = dict(_leaving(server, declared, stored))
    server.check_permissions()
    return ClusterState(
        declared=declared,
        stored=stored,
        leaving=leaving,
        unlisted=(*dict.fromkeys(unlisted), *server.client.resources.silent),
    )


def _listings(served: Discovery, declared: Objects) -> Iterator[tuple[Resource, str, bool]]:
    """The kinds in the namespaces of dist/, and its own kinds elsewhere.

    With each, whether the review needs whole objects; otherwise metadata is enough, or nothing.
    """
    versions = {item.key[:2]: item.manifest["apiVersion"] for item in declared}
    resources = {
        kind: served.get(versions.get(kind, preferred.group_version), preferred.kind) or preferred
        for kind, preferred in served.preferred.items()
        if preferred.namespaced and "list" in preferred.verbs
    }
    inside = {item.name for item in declared.of_kinds("Namespace")}
    for namespace in sorted(inside):
        for kind, resource in resources.items():
            if kind not in _CONTROLLER_KINDS:
                yield resource, namespace, kind in {*versions, *READ_KINDS, SECRET}
    elsewhere = {(item.namespace, item.key[:2]) for item in declared}
    for namespace, kind in sorted({*elsewhere, (NAMESPACE, APPLICATION)}):
        if namespace and namespace not in inside and kind in resources:
            yield resources[kind], namespace, True


def _tracked(application: Manifest) -> Iterator[tuple[Key, str]]:
    """The objects in the status of an Application, with their API versions."""
    for resource in (application.get("status") or {}).get("resources") or ():
        group, version = resource.get("group", ""), resource.get("version", "")
        key = Key(group, resource["kind"], resource.get("namespace", ""), resource["name"])
        yield key, f"{group}/{version}".removeprefix("/")


def _leaving(
    server: Server, declared: Objects, stored: dict[Key, Manifest]
) -> Iterator[tuple[Key, str]]:
    """Objects of the Applications of dist/, and of those they sync, that are not in dist/.

    Adds to `stored` those that are not in its namespaces.
    """
    ours = [item.key for item in declared.of_kinds("Application")]
    seen = {item.key for item in declared}
    for application in ours:  # the loop appends to it
        for key, version in _tracked(stored.get(application, {})):
            if key in seen or not server.client.resources.get(version, key.kind):
                continue
            seen.add(key)
            item = stored.get(key) or server.get(version, key)
            if item:
                stored[key] = item
                yield key, application.name
                if key[:2] == APPLICATION:
                    ours.append(key)
