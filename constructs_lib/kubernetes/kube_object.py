"""Kubernetes objects created by constructs, and how charts patch them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cdk8s
from constructs import IConstruct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.manifest import plain
from constructs_lib.kubernetes.merge import merge
from constructs_lib.manifests.shape import is_identified
from constructs_lib.model import Manifest


class KubeObject:
    """One Kubernetes object of a construct, such as `web.deployment`.

    It is plain data and needs no message to Node until it is patched. Patches take effect
    immediately; the rules check the patched object.
    """

    def __init__(self, owner: IConstruct, manifest: Manifest) -> None:
        self.owner = owner
        """The construct that created it."""
        self._manifest = manifest
        self._derived: dict[str, Callable[[], str]] = {}

    @property
    def api_version(self) -> str:
        """Such as `apps/v1`."""
        return str(self._manifest["apiVersion"])

    @property
    def kind(self) -> str:
        """Such as `Deployment`."""
        return str(self._manifest["kind"])

    @property
    def name(self) -> str:
        """`metadata.name`."""
        return str(self._manifest["metadata"]["name"])

    @property
    def namespace(self) -> str | None:
        """`metadata.namespace`; None for a cluster-scoped object."""
        namespace: str | None = self._manifest["metadata"].get("namespace")
        return namespace

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {place}{self.name}"

    def add_json_patch(self, *operations: cdk8s.JsonPatch) -> None:
        """Apply RFC 6902 operations, like `cdk8s.ApiObject.add_json_patch`.

        `web.deployment.add_json_patch(JsonPatch.add("/spec/template/spec/priorityClassName",
        "high"))`. Values are plain data with Kubernetes field names.

        Raises DeclarationError if a path does not exist or a test fails; the object is then
        unchanged.
        """
        if not all(isinstance(one, cdk8s.JsonPatch) for one in operations):
            raise DeclarationError(
                'add_json_patch expects operations such as cdk8s.JsonPatch.remove("/spec/a")',
                where=self,
            )
        import jsonpatch  # here, as few charts need it
        import jsonpointer

        patched = self._manifest
        for operation in _operations(operations):
            try:
                patched = jsonpatch.apply_patch(patched, [operation])
            except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
                raise DeclarationError(
                    f"{operation['op']} {operation['path']} does not apply ({error}); correct the "
                    "path, or add its parent first",
                    where=self,
                ) from error
        self._replace(patched)

    def merge(self, fragment: Mapping[str, Any]) -> None:
        """Merge a fragment, like `kubectl patch`: `web.deployment.merge({"spec": ...})`.

        Mappings are merged recursively; None removes a field. Lists with a merge key in Kubernetes
        (containers, variables, volumes, ports) are merged by that key. Other lists of objects
        (tolerations, egress rules) are appended to; lists of plain values (args) are replaced.
        Values can be structs of `cdk8s_plus_27.k8s`.

        Raises DeclarationError if a field to remove does not exist, or the types differ.
        """
        if not isinstance(fragment, Mapping):
            raise DeclarationError('merge expects a mapping such as {"spec": {...}}', where=self)
        try:
            self._replace(merge(self._manifest, plain(dict(fragment))))
        except DeclarationError as error:
            raise error.at(self) from error

    def extend(self, *path: str, item: Any) -> None:
        """Add `item` to the list at `path`, creating the list if necessary."""
        *parents, last = path
        place: Any = self._manifest
        for key in parents:
            place = place.setdefault(key, {})
        items = place.setdefault(last, [])
        content = plain(item)
        if content not in items:
            items.append(content)

    def derive_annotation(self, key: str, value: Callable[[], str]) -> None:
        """Set an annotation to the result of `value()` when the object is written."""
        self._derived[key] = value

    def to_json(self) -> Manifest:
        """The object as it is written, like `cdk8s.ApiObject.to_json`."""
        if not self._derived:
            return self._manifest
        metadata = self._manifest["metadata"]
        derived = {key: value() for key, value in self._derived.items()}
        annotations = {**metadata.get("annotations", {}), **derived}
        return {**self._manifest, "metadata": {**metadata, "annotations": annotations}}

    def _replace(self, manifest: Manifest) -> None:
        if not is_identified(manifest):
            raise DeclarationError(
                "apiVersion, kind and metadata.name are required; keep them", where=self
            )
        content = plain(manifest)
        leading = {key: content.pop(key) for key in ("apiVersion", "kind", "metadata")}
        self._manifest = {**leading, **content}


def _operations(operations: tuple[cdk8s.JsonPatch, ...]) -> list[dict[str, Any]]:
    """The operations as plain data, read with one message to Node, as JsonPatch has no getters."""
    carrier = cdk8s.JsonPatch.add("/patches", list(operations))
    patches = cdk8s.JsonPatch.apply({}, carrier)["patches"]
    return [patch["operation"] for patch in patches]
