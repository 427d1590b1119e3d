"""Merging a fragment into a Kubernetes object, its lists by the keys that Kubernetes uses."""

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
"""By field, what tells the items of its list apart: Kubernetes' `patchMergeKey`, but ports by name
where they have one; `data` is that of an ExternalSecret."""


def merge(manifest: Manifest, fragment: Mapping[str, Any]) -> Manifest:
    """A copy of `manifest` with `fragment` merged in; `KubeObject.merge` states the rules."""
    return _mapping(manifest, fragment, "")


def _mapping(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        at = f"{path}/{key}"
        if not isinstance(key, str) or key.startswith("$"):
            raise DeclarationError(
                f"{at} is a directive, which merge does not take; use None or a JsonPatch to remove"
            )
        if value is None:
            if key not in merged:
                raise DeclarationError(f"{at} is not there, so None removes nothing; correct it")
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
        raise DeclarationError(f"{path} is {_shape(old)}, and the fragment has {_shape(new)} there")
    if isinstance(new, Mapping):
        return _mapping(old, new, path)
    if isinstance(new, list) and all(isinstance(item, Mapping) for item in (*old, *new)):
        return _list(old, new, path, _KEYS.get(field, ()))
    return new


def _new(value: Any, path: str) -> Any:
    """A value where there was none: nothing in it can be removed or matched."""
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
            raise DeclarationError(f"an item of {path} has no {keys[0]} to match it by; add it")
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
    """Whether two items are one. Of ports without a name, TCP and UDP are two."""
    protocols = {one.get("protocol", "TCP") for one in (old, new)}
    alike = old.get(key) == new[key]
    return alike and (key not in ("port", "containerPort") or len(protocols) == 1)


def _shape(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list) else "a plain value"
