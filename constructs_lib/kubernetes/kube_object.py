"""An object that a construct made: what it holds, and how a chart changes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cdk8s
from constructs import IConstruct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.manifest import plain
from constructs_lib.manifests.shape import is_identified
from constructs_lib.merge import merge
from constructs_lib.model import Manifest


class KubeObject:
    """One Kubernetes object of a construct, as `web.deployment`.

    It is plain data, which costs no message to Node until somebody patches it. A change takes
    effect at once and passes through the same rules as everything else.
    """

    def __init__(self, owner: IConstruct, manifest: Manifest) -> None:
        self.owner = owner
        """The construct that made it."""
        self._manifest = manifest
        self._derived: dict[str, Callable[[], str]] = {}

    @property
    def api_version(self) -> str:
        """As `apps/v1`."""
        return str(self._manifest["apiVersion"])

    @property
    def kind(self) -> str:
        """As `Deployment`."""
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
        """Apply RFC 6902 operations, as `cdk8s.ApiObject.add_json_patch` does.

        `web.deployment.add_json_patch(JsonPatch.add("/spec/template/spec/priorityClassName",
        "high"))`. Values are plain data, under the names that Kubernetes gives the fields.

        Raises DeclarationError for an operation whose path does not exist, or whose test fails;
        the object then keeps what it held.
        """
        if not all(isinstance(one, cdk8s.JsonPatch) for one in operations):
            raise DeclarationError(
                'add_json_patch takes operations, as cdk8s.JsonPatch.remove("/spec/a")',
                where=self,
            )
        import jsonpatch  # few charts patch anything
        import jsonpointer

        patched = self._manifest
        for operation in _operations(operations):
            try:
                patched = jsonpatch.apply_patch(patched, [operation])
            except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
                raise DeclarationError(
                    f"{operation['op']} {operation['path']} does not apply ({error}); correct the "
                    "path, or add what it is in first",
                    where=self,
                ) from error
        self._replace(patched)

    def merge(self, fragment: Mapping[str, Any]) -> None:
        """Merge a fragment, as `kubectl patch` does: `web.deployment.merge({"spec": ...})`.

        Mappings are merged key by key, and None removes a field. Containers, variables, volumes,
        ports and other lists that Kubernetes merges by a key are matched by it, and what has no
        counterpart is added. A list of objects without such a key (tolerations, egress rules) is
        extended; a list of plain values (args) is replaced. Structs of `cdk8s_plus_27.k8s` are
        taken as values.

        Raises DeclarationError for a field to remove that is not there, and for a fragment that
        does not fit the object.
        """
        if not isinstance(fragment, Mapping):
            raise DeclarationError('merge takes a mapping, as {"spec": {...}}', where=self)
        try:
            self._replace(merge(self._manifest, plain(dict(fragment))))
        except DeclarationError as error:
            raise error.at(self) from error

    def extend(self, *path: str, item: Any) -> None:
        """Add `item` to the list at `path`, which is made if it is not there."""
        *parents, last = path
        place: Any = self._manifest
        for key in parents:
            place = place.setdefault(key, {})
        items = place.setdefault(last, [])
        content = plain(item)
        if content not in items:
            items.append(content)

    def derive_annotation(self, key: str, value: Callable[[], str]) -> None:
        """Set an annotation to what `value` gives when the object is written."""
        self._derived[key] = value

    def to_json(self) -> Manifest:
        """The object as it is written, as `cdk8s.ApiObject.to_json` gives it."""
        if not self._derived:
            return self._manifest
        metadata = self._manifest["metadata"]
        derived = {key: value() for key, value in self._derived.items()}
        annotations = {**metadata.get("annotations", {}), **derived}
        return {**self._manifest, "metadata": {**metadata, "annotations": annotations}}

    def _replace(self, manifest: Manifest) -> None:
        if not is_identified(manifest):
            raise DeclarationError(
                "apiVersion, kind and metadata.name say what an object is; keep them", where=self
            )
        content = plain(manifest)
        leading = {key: content.pop(key) for key in ("apiVersion", "kind", "metadata")}
        self._manifest = {**leading, **content}


def _operations(operations: tuple[cdk8s.JsonPatch, ...]) -> list[dict[str, Any]]:
    """What each operation says, in one message to Node: a JsonPatch shows nothing of itself."""
    carrier = cdk8s.JsonPatch.add("/patches", list(operations))
    patches = cdk8s.JsonPatch.apply({}, carrier)["patches"]
    return [patch["operation"] for patch in patches]
