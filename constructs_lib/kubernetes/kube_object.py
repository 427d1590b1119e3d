"""Kubernetes objects created by constructs, and how charts patch them."""

from collections.abc import Callable, Mapping
from typing import Any

import cdk8s

from constructs_lib.errors import DeclarationError, declaring_line
from constructs_lib.manifests.objects import Object, is_identified
from constructs_lib.model import Manifest

_NAMED = (
    *("containers", "env", "ephemeralContainers", "imagePullSecrets", "initContainers"),
    *("secrets", "volumes"),
)
_MERGE_KEYS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_NAMED, ("name",)),
    "data": ("secretKey",),
    "hostAliases": ("ip",),
    "metrics": ("type",),
    "ownerReferences": ("uid",),
    "ports": ("name", "containerPort", "port"),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
}
"""The merge key of each list: Kubernetes' `patchMergeKey`, except that ports are matched by name if
they have one. `data` is the list of an ExternalSecret."""


class KubeObject:
    """One Kubernetes object of a construct, such as `web.deployment`.

    It is plain data, and no construct in Node. Patches take effect immediately; the rules check the
    patched object.
    """

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        """Create the object; fields that are None are omitted."""
        self.declared = self.changed = declaring_line()
        """The lines that declared it, and last changed it."""
        self._manifest = _in_order(manifest, omit_none=True)
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
        return str(Object.of(self._manifest).key)

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

        # JsonPatch has no getters: one message to Node returns the operations as plain data
        carrier = cdk8s.JsonPatch.add("/patches", list(operations))
        patched = self._manifest
        for patch in cdk8s.JsonPatch.apply({}, carrier)["patches"]:
            operation = patch["operation"]
            try:
                patched = jsonpatch.apply_patch(patched, [operation])
            except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
                reason = str(error).partition(" in {")[0]  # without the object
                if operation["op"] == "test":
                    reason = "the value is another"
                paths = " to ".join(filter(None, (operation.get("from"), operation["path"])))
                raise DeclarationError(
                    f"{operation['op']} {paths} does not apply ({reason}); correct the path, or "
                    "add its parent first",
                    where=self,
                ) from error
        self._replace(patched)

    def merge(self, fragment: Mapping[str, Any]) -> None:
        """Merge a fragment, like `kubectl patch`: `web.deployment.merge({"spec": ...})`.

        Mappings are merged recursively; None removes a field. Lists with a merge key in Kubernetes
        (containers, variables, volumes, ports) are merged by that key. Other lists of objects
        (tolerations, egress rules) are appended to; lists of plain values (args) are replaced.

        Raises DeclarationError if a field to remove does not exist, or the types differ.
        """
        if not isinstance(fragment, Mapping):
            raise DeclarationError('merge expects a mapping such as {"spec": {...}}', where=self)
        try:
            self._replace(_merged(self._manifest, _plain(fragment), ""))
        except DeclarationError as error:
            raise error.at(self) from error

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
        self._manifest = _in_order(manifest)
        self.changed = declaring_line()


def _in_order(manifest: Mapping[str, Any], *, omit_none: bool = False) -> Manifest:
    """The object with its keys in output order: as in every manifest, then alphabetical."""
    content = _plain(manifest, omit_none=omit_none)
    leading = {key: content.pop(key) for key in ("apiVersion", "kind", "metadata")}
    return {**leading, **content}


def _plain(value: Any, *, omit_none: bool = False) -> Any:
    """The value as JSON would have it, with sorted keys."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping):
        return {
            key: _plain(value[key], omit_none=omit_none)
            for key in sorted(value)
            if value[key] is not None or not omit_none
        }
    if isinstance(value, (list, tuple)):
        return [_plain(item, omit_none=omit_none) for item in value]
    raise DeclarationError(
        f"a {type(value).__name__} is not plain data; write mappings, lists, strings and numbers, "
        "with the field names of Kubernetes"
    )


def _merged(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> dict[str, Any]:
    """A copy of a mapping with a fragment merged in."""
    merged = dict(old)
    for key, value in new.items():
        at = f"{path}/{key}"
        if not isinstance(key, str) or key.startswith("$"):
            raise DeclarationError(
                f"{at} is a patch directive, which merge does not support; to remove a field, use "
                "None or a JsonPatch"
            )
        if value is None:
            if key not in merged:
                raise DeclarationError(f"{at} does not exist, so None cannot remove it; omit it")
            del merged[key]
        else:
            merged[key] = _merged_value(merged.get(key), value, at, key)
    return merged


def _merged_value(old: Any, new: Any, path: str, field: str) -> Any:
    """The value of a field; `old` is None if it is new, and nothing in it can be removed."""
    if old is not None and _shape(old) != _shape(new):
        raise DeclarationError(
            f"{path} is {_shape(old)}, but {_shape(new)} in the fragment; use the same type"
        )
    if isinstance(new, Mapping):
        return _merged(old or {}, new, path)
    if not isinstance(new, list):
        return new
    if old is not None and all(isinstance(item, Mapping) for item in (*old, *new)):
        return _merged_list(old, new, path, _MERGE_KEYS.get(field, ()))
    return [_merged_value(None, item, path, field) for item in new]


def _merged_list(old: list[Any], new: list[Any], path: str, keys: tuple[str, ...]) -> list[Any]:
    merged = list(old)
    for item in new:
        key = next((key for key in keys if key in item), None)
        if keys and key is None:
            raise DeclarationError(f"an item of {path} has no {keys[0]}, the merge key; add it")
        counterparts = [place for place, one in enumerate(merged) if key and _same(one, item, key)]
        at = f"{path}/{item[key] if key else len(merged)}"
        if len(counterparts) > 1:
            raise DeclarationError(f"{at} matches several items; use a JsonPatch with its index")
        if counterparts:
            (place,) = counterparts
            merged[place] = _merged(merged[place], item, at)
        elif item not in merged:
            merged.append(_merged({}, item, at))
    return merged


def _same(old: Mapping[str, Any], new: Mapping[str, Any], key: str) -> bool:
    """Whether two items match. Ports without a name must also have the same protocol."""
    protocols = {one.get("protocol", "TCP") for one in (old, new)}
    alike = old.get(key) == new[key]
    return alike and (key not in ("port", "containerPort") or len(protocols) == 1)


def _shape(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list) else "a plain value"
