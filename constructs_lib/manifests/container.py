"""Containers of a pod template."""

from __future__ import annotations

from typing import Any

from constructs_lib.manifests.objects import at
from constructs_lib.model import Manifest

_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_HOOKS = ("preStop", "postStart")


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
    def variables(self) -> list[Manifest]:
        """Its `env`."""
        return self.get("env") or []

    @property
    def sources(self) -> list[Manifest]:
        """Its `envFrom`."""
        return self.get("envFrom") or []

    @property
    def mounts(self) -> list[Manifest]:
        """Its `volumeMounts`."""
        return self.get("volumeMounts") or []

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
