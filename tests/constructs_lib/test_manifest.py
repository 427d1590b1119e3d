"""Our plain data equals the output of cdk8s for every kind and field."""

from __future__ import annotations

import inspect
import json
import typing
from datetime import UTC, datetime
from typing import Any

import pytest
from cdk8s_plus_27 import k8s

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.manifest import int_or_string, manifest, plain, quantity

_KINDS = sorted(
    name.removesuffix("Props")
    for name in dir(k8s)
    if name.startswith("Kube") and name.endswith("Props") and "List" not in name
    # an eviction request, which is never in a manifest; its enum has no serialized form
    if name != "KubeEvictionProps"
)


_LEAVES: dict[Any, Any] = {
    str: "text",
    bool: True,
    int: 1,
    float: 1,
    datetime: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    k8s.Quantity: quantity("1Gi"),
    k8s.IntOrString: int_or_string(80),
}
_samples: dict[Any, Any] = {}
_under_way: set[Any] = set()


def sample(hint: Any) -> Any:
    """A sample value of a type, with all fields of all nested structs set."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union:
        return sample(arguments[0])
    if origin is list:
        return [sample(arguments[0])]
    if origin is typing.get_origin(typing.Mapping[str, str]):
        return {"key": sample(arguments[1])}
    if hint in _LEAVES:
        return _LEAVES[hint]
    return struct(hint) if getattr(hint, "__module__", "") == k8s.__name__ else {"any": "thing"}


def struct(of: Any) -> Any:
    """A cached sample struct. In a recursive type, only the required fields are set."""
    if of in _samples:
        return _samples[of]
    props = [p for p in inspect.signature(of.__init__).parameters.values() if p.name != "self"]
    if of in _under_way:
        props = [p for p in props if p.default is inspect.Parameter.empty]
        return of(**{p.name: sample(read_type(of, p.name)) for p in props})
    _under_way.add(of)
    _samples[of] = of(**{p.name: sample(read_type(of, p.name)) for p in props})
    return _samples[of]


def read_type(of: Any, name: str) -> Any:
    hints = typing.get_type_hints(getattr(of, name).fget, vars(k8s))
    return hints["return"]


def test_structs_still_check_their_types() -> None:
    for _ in range(2):
        with pytest.raises(TypeError, match="type of argument name must be"):
            k8s.ObjectMeta(name=1)  # type: ignore[arg-type]


def test_other_values_are_rejected() -> None:
    metadata = k8s.ObjectMeta(name="one")
    with pytest.raises(DeclarationError, match="nor a struct"):
        plain({"metadata": metadata, "value": object()})


@pytest.mark.parametrize("kind", _KINDS)
def test_plain_data_equals_what_cdk8s_writes(kind: str) -> None:
    props = struct(getattr(k8s, f"{kind}Props"))
    theirs = getattr(k8s, kind).manifest(**props._values)
    assert json.loads(json.dumps(manifest(props))) == theirs
