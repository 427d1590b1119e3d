"""Containers of a pod template, and the Secrets and ConfigMaps that pods read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from constructs_lib.manifests.objects import at
from constructs_lib.model import Manifest

_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
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
        return {field: self[field] for field in _PROBES if self.get(field)}

    @property
    def hooks(self) -> dict[str, Manifest]:
        """The lifecycle hooks that are set, by field."""
        lifecycle = at(self, "lifecycle")
        return {field: lifecycle[field] for field in _HOOKS if lifecycle.get(field)}

    @property
    def sleeps_before_stop(self) -> float:
        """The seconds that its preStop hook sleeps; 0 if the command is not recognized."""
        hook = at(self.hooks, "preStop")
        if seconds := at(hook, "sleep").get("seconds"):
            return float(seconds)
        command = " ".join(map(str, at(hook, "exec").get("command") or ())).split()
        for word, following in pairwise(command):
            if word.rpartition("/")[2] == "sleep":
                text = following.strip(";").removesuffix("s")
                return float(text) if text.replace(".", "", 1).isdigit() else 0
        return 0

    @property
    def may_start_for(self) -> int:
        """The seconds until the startupProbe gives up, with the defaults of Kubernetes."""
        probe = at(self, "startupProbe")
        checks: int = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
        return checks + int(probe.get("initialDelaySeconds", 0))


class ConfigSource(NamedTuple):
    """A Secret or ConfigMap that pods read, or one of its keys."""

    kind: str
    """`Secret` or `ConfigMap`."""
    name: str
    key: str | None = None
    """None: all keys."""
    optional: bool = False
    """Whether pods start without it."""

    @classmethod
    def of(cls, place: Manifest) -> Iterator[ConfigSource]:
        """What a volume, an entry of `envFrom` or a `valueFrom` reads."""
        for field, kind in _SOURCES.items():
            reference = at(place, field)
            if name := reference.get("secretName") or reference.get("name"):
                items = reference.get("items") or ()
                for key in (reference.get("key"), *(item["key"] for item in items)):
                    yield cls(kind, name, key, bool(reference.get("optional")))
