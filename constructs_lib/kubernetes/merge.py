"""Merges a fragment into a Kubernetes object. Lists are merged by the keys that Kubernetes uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constructs_lib.errors import DeclarationError
from constructs_lib.model import Manifest

_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "data": ("secretKey",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "metrics": ("type",),
    "ownerReferences": ("uid",),
    "ports": ("name", "containerPort", "port"),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""The merge key of each list: Kubernetes' `patchMergeKey`, except that ports are matched by name if
they have one. `data` is the list of an ExternalSecret."""


def merge(manifest: Manifest, fragment: Mapping[str, Any]) -> Manifest:
    """A copy of `manifest` with `fragment` merged in. See `KubeObject.merge` for the rules."""
    return _mapping(manifest, fragment, "")


def _mapping(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> dict[str, Any]:
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
            merged[key] = _value(merged.get(key), value, at, key)
    return merged


def _value(old: Any, new: Any, path: str, field: str) -> Any:
    if old is None:
        return _new(new, path)
    if isinstance(old, Mapping) != isinstance(new, Mapping) or (
        isinstance(old, list) != isinstance(new, list)
    ):
        raise DeclarationError(
            f"{path} is {_shape(old)}, but {_shape(new)} in the fragment; use the same type"
        )
    if isinstance(new, Mapping):
        return _mapping(old, new, path)
    if isinstance(new, list) and all(isinstance(item, Mapping) for item in (*old, *new)):
        return _list(old, new, path, _KEYS.get(field, ()))
    return new


def _new(value: Any, path: str) -> Any:
    """A new value, in which nothing can be removed or matched."""
    if isinstance(value, Mapping):
        return _mapping({}, value, path)
    if isinstance(value, list):
        return [_new(item, path) for item in value]
    return value


def _list(old: list[Any], new: list[Any], path: str, keys: tuple[str, ...]) -> list[Any]:
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
            merged[place] = _mapping(merged[place], item, at)
        elif item not in merged:
            merged.append(_new(item, at))
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
