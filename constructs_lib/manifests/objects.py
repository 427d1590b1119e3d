"""Kubernetes objects from an App, files or a cluster, their containers, and collections."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from constructs_lib.model import Manifest


class Key(NamedTuple):
    """The identity of an object, without the API version."""

    group: str
    kind: str
    namespace: str
    """Empty for a cluster-scoped object."""
    name: str

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {place}{self.name}"


@dataclass(frozen=True, eq=False)
class Object:
    """One object and its source."""

    key: Key
    manifest: Manifest
    file: str = ""
    """Its file; empty if none."""
    line: int = 0
    """Its first line in the file; 0 if unknown."""

    @classmethod
    def of(cls, manifest: Manifest, file: str = "", line: int = 0) -> Object:
        metadata = manifest["metadata"]
        namespace = metadata.get("namespace") or ""
        key = Key(group(manifest), manifest["kind"], namespace, metadata["name"])
        return cls(key, manifest, file, line)

    @property
    def kind(self) -> str:
        """Such as `Deployment`."""
        return self.key.kind

    @property
    def name(self) -> str:
        """`metadata.name`."""
        return self.key.name

    @property
    def namespace(self) -> str:
        """`metadata.namespace`; empty for a cluster-scoped object."""
        return self.key.namespace

    @property
    def spec(self) -> Manifest:
        return self.manifest.get("spec") or {}

    @property
    def annotations(self) -> dict[str, str]:
        return self.manifest["metadata"].get("annotations") or {}

    @property
    def labels(self) -> dict[str, str]:
        return self.manifest["metadata"].get("labels") or {}


class Objects:
    """A collection of objects, indexed by kind and key. `get` returns the last one of a key."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self.every = tuple(objects)

    @classmethod
    def of(cls, manifests: Iterable[Manifest]) -> Objects:
        """The objects of manifests without a file."""
        return cls(map(Object.of, manifests))

    def __iter__(self) -> Iterator[Object]:
        return iter(self.every)

    @cached_property
    def objects(self) -> dict[Key, Object]:
        """The objects by key."""
        return {item.key: item for item in self.every}

    def get(self, key: Key) -> Object | None:
        return self.objects.get(key)

    def of_kinds(self, *kinds: str) -> Iterator[Object]:
        """The objects of the given kinds of GROUPS, in the order of the kinds."""
        for kind in kinds:
            yield from self._by_kind.get(kind, ())

    @cached_property
    def namespaces(self) -> frozenset[str]:
        """The namespaces of all objects."""
        return frozenset(item.key.namespace for item in self.every)

    @cached_property
    def _by_kind(self) -> dict[str, list[Object]]:
        kinds: dict[str, list[Object]] = {}
        for item in self.every:
            if GROUPS.get(item.kind) == item.key.group:
                kinds.setdefault(item.key.kind, []).append(item)
        return kinds


once_per_objects = lru_cache(maxsize=8)
"""Keeps the results of a function for the last few Objects: of a synth, or of both sides."""

Kind = tuple[str, str]
"""API group (empty for the core group) and kind: `("apps", "Deployment")`."""

KINDS = tomllib.loads(Path(__file__).with_name("kinds.toml").read_text("utf-8"))
"""What is known of kinds."""
GROUPS: Mapping[str, str] = {
    kind: group for group, kinds in KINDS["read"].items() for kind in kinds
}
"""The API group of each kind whose fields are read. Other groups have kinds of the same names."""
CLUSTER_SCOPED: frozenset[Kind] = frozenset(
    (group, kind) for group, kinds in KINDS["cluster-scoped"].items() for kind in kinds
)

POD_TEMPLATES: Mapping[Kind, tuple[str, ...]] = {
    ("", "Pod"): (),
    ("", "ReplicationController"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("argoproj.io", "Rollout"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("batch", "Job"): ("spec", "template"),
}
"""The path to the pod template, by kind. A Pod is its own template."""


def at(manifest: Manifest, *path: str) -> Manifest:
    """The mapping at a path; empty if it does not exist."""
    found = manifest
    for step in path:
        found = found.get(step) or {}
    return found


def stated(manifest: Manifest, field: str, default: Any) -> Any:
    """The value of a field; the default if it is missing or null."""
    value = manifest.get(field)
    return default if value is None else value


def group(manifest: Manifest) -> str:
    """The API group of an object: `apps`, or empty for the core group."""
    return str(manifest.get("apiVersion", "")).rpartition("/")[0]


def pod_template(manifest: Manifest) -> Manifest | None:
    """The pod template of an object, or the Pod itself.

    None for other kinds, and for a workload that references an external template.
    """
    # the resources of the stack have no kind
    path = POD_TEMPLATES.get((group(manifest), manifest.get("kind", "")))
    if path is None:
        return None
    template = at(manifest, *path)
    return template if template.get("spec") else None


def is_identified(manifest: object) -> bool:
    """Whether apiVersion, kind and name are non-empty strings."""
    if not isinstance(manifest, Mapping) or not isinstance(manifest.get("metadata"), Mapping):
        return False
    identity = (manifest.get("apiVersion"), manifest.get("kind"), manifest["metadata"].get("name"))
    return all(isinstance(part, str) and part for part in identity)


def is_cluster_scoped(manifest: Manifest) -> bool:
    """Whether an object is cluster-scoped. Unknown kinds are considered namespaced."""
    return (group(manifest), manifest.get("kind", "")) in CLUSTER_SCOPED


def gives_power(group: str, kind: str) -> bool:
    """Whether a kind is privileged: it can affect the cluster or other namespaces."""
    privileged = KINDS["privileged"].get(group, ())
    return kind in privileged or "*" in privileged or (group, kind) in CLUSTER_SCOPED


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches the labels. An empty selector matches everything.

    Raises ValueError for an invalid operator.
    """
    selector = selector or {}
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_matches(one, labels) for one in selector.get("matchExpressions") or ())


def _matches(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case operator:
            raise ValueError(f"label selectors have no operator {operator}")


PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_HOOKS = ("preStop", "postStart")
_SOURCES = {
    **dict.fromkeys(("secret", "secretRef", "secretKeyRef"), "Secret"),
    **dict.fromkeys(("configMap", "configMapRef", "configMapKeyRef"), "ConfigMap"),
}
"""The kind that each field of a volume, of `envFrom` or of `valueFrom` reads."""


class Container(dict[str, Any]):
    """The manifest of a container, with properties for fields that may be missing."""

    def __str__(self) -> str:
        return f"container {self.get('name')}"

    @property
    def security(self) -> Manifest:
        """Its `securityContext`."""
        return at(self, "securityContext")

    @property
    def requests(self) -> Manifest:
        return at(self, "resources", "requests")

    @property
    def limits(self) -> Manifest:
        return at(self, "resources", "limits")

    @property
    def ports(self) -> list[Manifest]:
        return self.get("ports") or []

    @property
    def arguments(self) -> list[str]:
        """Its `args`, then its `command`."""
        return [str(text) for field in ("args", "command") for text in self.get(field) or ()]

    @property
    def probes(self) -> dict[str, Manifest]:
        """The probes that are set, by field."""
        return {field: self[field] for field in PROBES if self.get(field)}

    @property
    def hooks(self) -> dict[str, Manifest]:
        """The lifecycle hooks that are set, by field."""
        lifecycle = at(self, "lifecycle")
        return {field: lifecycle[field] for field in _HOOKS if lifecycle.get(field)}

    @property
    def sleeps_before_stop(self) -> float | None:
        """The seconds that its preStop hook sleeps; None if the hook does something else."""
        hook = at(self.hooks, "preStop")
        if not hook:
            return 0
        if "sleep" in hook:
            return float(at(hook, "sleep").get("seconds") or 0)
        command = " ".join(map(str, at(hook, "exec").get("command") or ())).split()
        for word, following in pairwise(command):
            if word.rpartition("/")[2] == "sleep":
                text = following.strip(";").removesuffix("s")
                return float(text) if text.replace(".", "", 1).isdigit() else None
        return None

    def tolerates(self, probe: str) -> int:
        """The seconds for which it may fail a probe, with the defaults of Kubernetes."""
        stated = at(self, probe)
        return int(stated.get("periodSeconds", 10) * stated.get("failureThreshold", 3))

    @property
    def may_start_for(self) -> float:
        """The seconds until the startup probe, or else the liveness probe, gives up."""
        probe = next((name for name in ("startupProbe", "livenessProbe") if self.get(name)), None)
        if not probe:
            return inf
        return self.tolerates(probe) + int(self[probe].get("initialDelaySeconds", 0))


class ConfigSource(NamedTuple):
    """A Secret or ConfigMap that pods read, or one of its keys."""

    kind: str
    """`Secret` or `ConfigMap`."""
    name: str
    key: str | None = None
    """None: all keys."""
    optional: bool = False
    """Whether pods start without it."""
    live: bool = False
    """Whether running pods see changes: of files that are not mounted by `subPath`."""

    @classmethod
    def of(cls, place: Manifest, mount: Manifest | None = None) -> Iterator[ConfigSource]:
        """What a volume, at a mount, an entry of `envFrom` or a `valueFrom` reads."""
        live = mount is not None and not {"subPath", "subPathExpr"} & mount.keys()
        file = (mount or {}).get("subPath")
        for field, kind in _SOURCES.items():
            reference = at(place, field)
            if name := reference.get("secretName") or reference.get("name"):
                keys = [item["key"] for item in reference.get("items") or ()]
                for key in keys or [reference.get("key") or file]:
                    yield cls(kind, name, key, bool(reference.get("optional")), live)
        for source in at(place, "projected").get("sources") or ():
            yield from (read._replace(live=live) for read in cls.of(source))
