"""Everything that a review reads from a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from constructs_lib.manifests.argocd import GROUP, NAMESPACE
from constructs_lib.manifests.fields import unreadable
from constructs_lib.manifests.objects import Key, Kind, Objects
from constructs_lib.manifests.objects import Object as Declared
from constructs_lib.model import Manifest
from ops.cluster.client import Resource, each
from ops.review.live.server import Server
from ops.review.live.trial import Trial, attempt

APPLICATION: Kind = (GROUP, "Application")
SECRET: Kind = ("", "Secret")
_READ: frozenset[Kind] = frozenset(
    (group, kind)
    for group, kinds in {
        "": (
            "ConfigMap",
            "LimitRange",
            "PersistentVolumeClaim",
            "Pod",
            "ReplicationController",
            "ResourceQuota",
            "Service",
            "ServiceAccount",
        ),
        "apps": ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"),
        "autoscaling": ("HorizontalPodAutoscaler",),
        "batch": ("CronJob", "Job"),
        "external-secrets.io": ("ExternalSecret",),
        "networking.k8s.io": ("Ingress", "NetworkPolicy"),
        "policy": ("PodDisruptionBudget",),
        "rbac.authorization.k8s.io": ("Role", "RoleBinding"),
    }.items()
    for kind in kinds
)
"""Kinds that the rules need in full, including objects that are not in dist/."""
_CONTROLLER_KINDS: frozenset[Kind] = frozenset(
    {
        ("", "Endpoints"),
        ("", "Event"),
        ("", "PodTemplate"),
        ("apps", "ControllerRevision"),
        ("cilium.io", "CiliumEndpoint"),
        ("coordination.k8s.io", "Lease"),
        ("discovery.k8s.io", "EndpointSlice"),
        ("elbv2.k8s.aws", "TargetGroupBinding"),
        ("events.k8s.io", "Event"),
        ("metrics.k8s.io", "PodMetrics"),
        ("networking.k8s.aws", "PolicyEndpoint"),
    }
)
"""Kinds that only controllers write."""
_DEFAULT_OBJECTS = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
_OF_SERVICE_ACCOUNT = "kubernetes.io/service-account.name"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The objects of the cluster, and the result of a sync."""

    trials: tuple[Trial, ...]
    """One for each object of dist/."""
    leaving: tuple[tuple[str, Manifest], ...]
    """Objects that Argo CD syncs and dist/ no longer has: name of the Application, and object."""
    neighbors: tuple[Manifest, ...]
    """Other objects in the namespaces of dist/. Secrets, and kinds that the rules do not read, have
    only metadata."""
    secrets: Mapping[tuple[str, str], Manifest]
    """Metadata and type of each Secret, by namespace and name."""
    applications: Mapping[str, Manifest]
    """Every Application in the cluster, by name."""
    trackers: Mapping[Key, tuple[str, ...]]
    """The Applications that list an object in their status."""
    unseen: tuple[str, ...]
    """Kinds that could not be listed."""
    versions: Mapping[Kind, list[str]]
    """The served API versions of each kind in dist/."""

    def is_read(self, item: Manifest) -> bool:
        """Whether a neighbor has been read in full."""
        return _kind(item) in _READ and not unreadable(item)


def take(server: Server, declared: Objects) -> Snapshot:
    """Read the cluster. Raises ClusterError with every missing permission."""
    lists = list(_lists(server, declared))
    listings = each(partial(_listed, server), lists)
    unseen = [
        one.resource.name for one, items in zip(lists, listings, strict=True) if items is None
    ]
    found = {key_of(item): item for items in listings for item in items or ()}
    found |= _by_name(server, declared, found)
    server.check_permissions()
    trials = each(lambda one: attempt(server, one, found.get(one.key)), declared)
    applications = {
        key.name: item for key, item in found.items() if (key.group, key.kind) == APPLICATION
    }
    trackers = _trackers(applications)
    leaving = tuple(_leaving(server, declared, found, applications))
    server.check_permissions()
    ours = {item.key for item in declared} | {key_of(item) for _, item in leaving}
    namespaces = _namespaces(declared)
    return Snapshot(
        trials=tuple(trials),
        leaving=leaving,
        neighbors=tuple(
            item
            for key, item in found.items()
            if key not in ours and key.namespace in namespaces and not _is_generated(item)
        ),
        secrets={
            (key.namespace, key.name): item
            for key, item in found.items()
            if (key.group, key.kind) == SECRET
        },
        applications=applications,
        trackers=trackers,
        unseen=(*dict.fromkeys(unseen), *server.served.silent),
        versions={kind: server.served.versions(kind) for kind in _kinds(declared)},
    )


def key_of(item: Manifest) -> Key:
    return Declared.of(item).key


@dataclass(frozen=True)
class _List:
    resource: Resource
    namespace: str
    needed: bool


def _lists(server: Server, declared: Objects) -> Iterator[_List]:
    """The lists to read: everything in the namespaces of dist/, and its kinds elsewhere."""
    versions = {(item.key.group, item.kind): item.manifest["apiVersion"] for item in declared}
    resources = {
        kind: server.served.get(versions.get(kind, one.group_version), one.kind) or one
        for kind, one in server.served.preferred.items()
        if one.namespaced and "list" in one.verbs
    }
    inside = _namespaces(declared)
    for namespace in sorted(inside):
        for kind, one in resources.items():
            if kind not in _CONTROLLER_KINDS:
                yield _List(one, namespace, kind in versions or kind in _READ or kind == SECRET)
    elsewhere = {(item.namespace, (item.key.group, item.kind)) for item in declared}
    for namespace, kind in sorted({*elsewhere, (NAMESPACE, APPLICATION)}):
        if namespace and namespace not in inside and kind in resources:
            yield _List(resources[kind], namespace, needed=True)


def _listed(server: Server, one: _List) -> list[Manifest] | None:
    kind = (one.resource.group, one.resource.kind)
    if kind == SECRET:
        return server.secrets(one.resource, one.namespace)
    whole = kind in _READ or one.needed
    return server.items(one.resource, one.namespace, metadata=not whole, optional=not one.needed)


def _by_name(
    server: Server, declared: Objects, found: Mapping[Key, Manifest]
) -> dict[Key, Manifest]:
    """Cluster-scoped objects, which are read by name."""
    wanted = [
        (item.key, resource)
        for item in declared
        if not item.namespace
        and item.key not in found
        and (resource := server.served.get(item.manifest["apiVersion"], item.kind))
    ]
    items = each(lambda one: server.get(one[1], "", one[0].name), wanted)
    return {key: item for (key, _), item in zip(wanted, items, strict=True) if item}


def _trackers(applications: Mapping[str, Manifest]) -> dict[Key, tuple[str, ...]]:
    found: dict[Key, tuple[str, ...]] = {}
    for name, application in applications.items():
        for key, _ in _resources(application):
            found[key] = (*found.get(key, ()), name)
    return found


def _resources(application: Manifest) -> Iterator[tuple[Key, str]]:
    """The objects in the status of an Application, with their API versions."""
    for one in (application.get("status") or {}).get("resources") or ():
        group, version = one.get("group", ""), one.get("version", "")
        key = Key(group, one["kind"], one.get("namespace", ""), one["name"])
        yield key, f"{group}/{version}".removeprefix("/")


def _leaving(
    server: Server,
    declared: Objects,
    found: Mapping[Key, Manifest],
    applications: Mapping[str, Manifest],
) -> Iterator[tuple[str, Manifest]]:
    """Objects of the Applications of dist/, and of those they sync, that are not in dist/."""
    ours = [item.name for item in declared.of_kinds("Application")]
    seen = {item.key for item in declared}
    for name in ours:  # the loop appends to it
        for key, version in _resources(applications.get(name, {})):
            resource = server.served.get(version, key.kind)
            if key in seen or not resource:
                continue
            seen.add(key)
            item = found.get(key) or server.get(resource, key.namespace, key.name)
            if item:
                yield name, item
            if item and (key.group, key.kind) == APPLICATION:
                ours.append(key.name)


def _namespaces(declared: Objects) -> set[str]:
    return {item.name for item in declared.of_kinds("Namespace")}


def _kinds(declared: Iterable[Declared]) -> set[Kind]:
    return {(item.key.group, item.kind) for item in declared}


def _kind(item: Manifest) -> Kind:
    key = key_of(item)
    return key.group, key.kind


def _is_generated(item: Manifest) -> bool:
    """Whether a controller created it."""
    metadata = item["metadata"]
    return bool(
        metadata.get("ownerReferences")
        or _OF_SERVICE_ACCOUNT in (metadata.get("annotations") or {})
        or (item["kind"], metadata["name"]) in _DEFAULT_OBJECTS
    )
