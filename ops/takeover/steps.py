"""The steps of the takeover of one Application, and the objects from before it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from constructs_lib.manifests.argocd import NAMESPACE, covers
from constructs_lib.manifests.objects import Key, Kind, Objects
from constructs_lib.manifests.objects import Object as Declared
from constructs_lib.model import Manifest
from constructs_lib.model.text import plural
from ops.cluster import APPLY_PATCH, FIELD_MANAGER, MERGE_PATCH, Cluster
from ops.errors import ClusterError, OpsError
from ops.review.live.normalize import LAST_APPLIED, normalized
from ops.review.load import of_cluster, read
from ops.review.revisions import Repository

POLL_SECONDS = 1.0
_DONE = ("Succeeded", "Failed", "Error")
_REMOVABLE: frozenset[Kind] = frozenset(
    (group, kind)
    for group, kinds in {
        "": ("ConfigMap", "LimitRange", "ResourceQuota", "Service", "ServiceAccount"),
        "apps": ("DaemonSet", "Deployment"),
        "autoscaling": ("HorizontalPodAutoscaler",),
        "batch": ("CronJob", "Job"),
        "external-secrets.io": ("ClusterSecretStore", "ExternalSecret", "SecretStore"),
        "networking.k8s.io": ("Ingress", "NetworkPolicy"),
        "policy": ("PodDisruptionBudget",),
        "rbac.authorization.k8s.io": ("Role", "RoleBinding"),
    }.items()
    for kind in kinds
)
"""Kinds that hold nothing but what dist/ says: a deletion loses no data and no other objects."""
_LOSSES = {
    "Application": "may delete all objects that it syncs",
    "Namespace": "deletes everything in it",
    "PersistentVolumeClaim": "may delete its data",
    "StatefulSet": "may delete its claims, and their data",
}
"""What the deletion of an object of another kind does."""


@dataclass(frozen=True)
class Saved:
    """Objects that can be restored."""

    objects: tuple[Manifest, ...]

    @classmethod
    def of(cls, stored: Iterable[Manifest]) -> Saved:
        """Keep the fields of live objects that a user set."""
        return cls(tuple(map(_restorable, stored)))

    @classmethod
    def read(cls, file: Path, application: str) -> Saved:
        """Raises OpsError if the file is missing, or is not whole, or of another Application."""
        try:
            text = file.read_text("utf-8")
            objects = [one for one in yaml.safe_load_all(text) if one]
            found = cls(tuple(objects))
            _ = found.keys
        except OSError as error:
            raise OpsError(
                f"{file} cannot be read: {error.strerror}; pass the file with --saved"
            ) from error
        except (yaml.YAMLError, UnicodeError, KeyError, TypeError, AttributeError) as error:
            raise OpsError(
                f"{file} has no saved objects; pass another file with --saved"
            ) from error
        if not text.startswith(found._header(application)):
            raise OpsError(
                f"{file} does not have the saved objects of {application}, or not all of them; "
                "pass another file with --saved"
            )
        return found

    @property
    def keys(self) -> set[Key]:
        return {Declared.of(one).key for one in self.objects}

    @property
    def count(self) -> str:
        """`4 objects`."""
        return plural(len(self.objects), "object")

    def _header(self, application: str) -> str:
        return (
            f"# {self.count} saved by `ops takeover start {application}`, restored by "
            f"`ops takeover undo {application}`.\n"
        )

    def write(self, file: Path, application: str) -> None:
        """Raises OpsError if the file exists: it may be the only backup."""
        try:
            with open(file, "x", encoding="utf-8", opener=_private) as opened:
                opened.write(self._header(application) + yaml.safe_dump_all(self.objects))
        except FileExistsError as error:
            raise OpsError(
                f"{file} already exists and may be needed for `undo`; delete it, or pass another "
                "file with --saved"
            ) from error
        except OSError as error:
            raise OpsError(f"{file} cannot be written: {error.strerror}") from error


def listed(objects: Iterable[Manifest]) -> str:
    """`Deployment cerebro/api, Service cerebro/api`; empty without objects."""
    return ", ".join(str(Declared.of(one).key) for one in objects)


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner can read: a manifest applied by hand may have a password."""
    return os.open(path, flags, 0o600)


def _restorable(stored: Manifest) -> Manifest:
    item = normalized(stored)
    applied = (stored["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    if applied:
        item["metadata"].setdefault("annotations", {})[LAST_APPLIED] = applied
    return item


class Added(NamedTuple):
    """The objects of an Application that were not in the cluster before the takeover."""

    removable: list[Manifest]
    kept: list[Manifest]
    """Objects whose deletion could lose data or other objects."""

    @classmethod
    def of(cls, stored: Iterable[Manifest]) -> Added:
        added = cls([], [])
        for item in stored:
            key = Declared.of(item).key
            removable = (key.group, key.kind) in _REMOVABLE
            (added.removable if removable else added.kept).append(item)
        return added


def how_to_remove(item: Manifest) -> str:
    """A kept object, what its deletion does, and the command for it."""
    key = Declared.of(item).key
    kind = ".".join(filter(None, (key.kind.lower(), key.group)))
    inside = f" --namespace {key.namespace}" if key.namespace else ""
    loss = _LOSSES.get(key.kind, "may delete what belongs to it")
    return f"{key}: deleting it {loss}; `kubectl delete {kind} {key.name}{inside}`"


@dataclass(frozen=True)
class Takeover:
    """An Application in dist/ of the working tree, and its cluster."""

    application: Declared
    project: Declared
    declared: Objects
    """The objects that it syncs."""
    later: tuple[Declared, ...]
    """The Applications of its namespaces, and the root Application."""
    cluster: Cluster

    @classmethod
    def of(cls, name: str, cluster: Cluster) -> Takeover:
        """Raises OpsError if dist/ does not have the Application."""
        objects = Objects(of_cluster(read(Repository(Path.cwd()).working_tree())))
        named = {one.name: one for one in objects.of_kinds("Application")}
        if name not in named:
            raise OpsError(
                f"dist/ has no Application {name}; use one of: {', '.join(sorted(named))}"
            )
        application = named[name]
        project = next(
            one for one in objects.of_kinds("AppProject") if one.name == application.spec["project"]
        )
        covered = Objects(one for one in objects if covers(application, one.file))
        inside = {one.namespace for one in covered}
        namespaces = [one for one in objects.of_kinds("Namespace") if one.name in inside]
        others = [one for one in named.values() if one.name != name]
        held = (application, *namespaces)  # in this order: root holds the other Applications, too
        later = tuple(other for one in held for other in others if covers(other, one.file))
        return cls(application, project, covered, later, cluster)

    def save(self) -> Saved:
        """Return its objects in the cluster. Raises OpsError if Argo CD already syncs it."""
        if self._live(self.application.manifest):
            raise OpsError(
                f"Application {self.application.name} is already in the cluster; "
                "`ops takeover sync` syncs it, `ops takeover undo` removes it"
            )
        stored = [self._live(one.manifest) for one in self.declared]
        return Saved.of(one for one in stored if one)

    def start(self) -> None:
        """Apply the AppProject, and the Application without automated sync."""
        manual = deepcopy(self.application.manifest)
        manual["spec"]["syncPolicy"].pop("automated", None)
        for manifest in (self.project.manifest, manual):
            query = {"fieldManager": FIELD_MANAGER, "force": "true"}
            self._change("PATCH", manifest, query=query, content_type=APPLY_PATCH)

    def sync(self) -> None:
        """Make Argo CD sync once. Raises OpsError if the Application is not in the cluster."""
        if not self._live(self.application.manifest):
            raise OpsError(
                f"Application {self.application.name} is not in the cluster; "
                f"`ops takeover start {self.application.name}` applies it"
            )
        options = self.application.spec["syncPolicy"].get("syncOptions") or []
        by = {"initiatedBy": {"username": "ops takeover"}}
        operation = {**by, "sync": {"syncOptions": options}}
        patch = {**self._named(self.application), "operation": operation}
        query = {"fieldManager": FIELD_MANAGER}
        self._change("PATCH", patch, query=query, content_type=MERGE_PATCH)

    def wait(self, seconds: float) -> str:
        """Wait for the sync; return `Synced and Healthy`. Raises OpsError if it fails."""
        deadline = time.monotonic() + seconds
        while True:
            found = self._live(self.application.manifest) or {}
            status = found.get("status") or {}
            state = status.get("operationState") or {}
            sync, health = (
                (status.get(field) or {}).get("status", "Unknown") for field in ("sync", "health")
            )
            if "operation" not in found and state.get("phase") in _DONE:
                if state["phase"] != "Succeeded":
                    raise OpsError(f"the sync failed: {state.get('message', '')}")
                if sync == "Synced" and health != "Progressing":
                    return f"{sync} and {health}"
            if time.monotonic() > deadline:
                raise OpsError(
                    f"timeout after {seconds / 60:.0f} minutes ({sync}, {health}): "
                    f"{state.get('message', '')}; check it in Argo CD, or run this again"
                )
            time.sleep(POLL_SECONDS)

    def require_undoable(self) -> None:
        """Raise OpsError while a later Application would undo the undo, or break the pods."""
        for other in self.later:
            if not self._live(other.manifest):
                continue
            if covers(other, self.application.file):
                run = f"`kubectl --namespace {NAMESPACE}"
                patch = '{"metadata": {"finalizers": null}}'
                raise OpsError(
                    f"Application {other.name} is in the cluster and would create Application "
                    f"{self.application.name} again; first remove it without its Applications: "
                    f"{run} patch application {other.name} --type merge --patch '{patch}'`, then "
                    f"{run} delete application {other.name}`"
                )
            raise OpsError(
                f"Application {other.name} is in the cluster, and its policies apply to the pods "
                f"of {self.application.name}; first run `ops takeover undo {other.name}`"
            )

    def added_since(self, former: Saved) -> Added:
        """Return its objects in the cluster that are not in the saved file."""
        known = {*former.keys, self.application.key}
        live = (self._live(one.manifest) for one in self.declared if one.key not in known)
        return Added.of(item for item in live if item)

    def undo(self, former: Saved, added: Added) -> None:
        """Remove only the Application, restore the saved objects, and delete removable ones."""
        if self._live(self.application.manifest):
            named = self._named(self.application)
            orphaning = {**named, "metadata": {**named["metadata"], "finalizers": None}}
            self._change("PATCH", orphaning, content_type=MERGE_PATCH)
            self._delete(self.application.manifest)
        for item in former.objects:
            self._restore(item)
        for item in added.removable:
            self._delete(item)

    def _restore(self, item: Manifest) -> None:
        live = self._live(item)
        if live:
            metadata = {**item["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}
            self._change("PUT", {**item, "metadata": metadata})
        else:
            self._change("POST", item)

    def _delete(self, item: Manifest) -> None:
        """Keep the Secret of a deleted ExternalSecret: it may be the only copy."""
        policy = "Orphan" if item["kind"] == "ExternalSecret" else "Background"
        self._change("DELETE", item, query={"propagationPolicy": policy})

    def _live(self, manifest: Manifest) -> Manifest | None:
        """Return the object in the cluster; None if it does not exist."""
        key = Declared.of(manifest).key
        resource = self.cluster.resource(manifest["apiVersion"], key.kind)
        return self.cluster.read(resource.path(key.name, key.namespace))

    def _change(self, method: str, manifest: Manifest, **options: Any) -> None:
        """Send a request about an object; the options are `query` and `content_type`."""
        key = Declared.of(manifest).key
        resource = self.cluster.resource(manifest["apiVersion"], key.kind)
        path = resource.path(None if method == "POST" else key.name, key.namespace)
        body = None if method == "DELETE" else manifest
        response = self.cluster.exchange(method, path, body=body, **options)
        if not response.accepted and (method, response.status) != ("DELETE", 404):
            reason = response.message or response.status
            raise ClusterError(f"the cluster refuses {method} of {key}: {reason}")

    @staticmethod
    def _named(item: Declared) -> Manifest:
        metadata = {"name": item.name, "namespace": item.namespace or NAMESPACE}
        return {"apiVersion": item.manifest["apiVersion"], "kind": item.kind, "metadata": metadata}
