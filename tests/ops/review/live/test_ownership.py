"""Field ownership, and objects without the fields of one manager."""

from typing import Any

from ops.review.diff import spell
from ops.review.live.dry_run import CLIENT_SIDE_APPLY, data_keys, exclusive_fields, without

CONTAINER = 'k:{"name":"api"}'


def managed(**owners: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"manager": name.replace("_", "-"), "operation": "Update", "fieldsV1": fields}
        for name, fields in owners.items()
    ]


def deployment(**owners: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "api", "by": "hand"}, "managedFields": managed(**owners)},
        "spec": {
            "replicas": 2,
            "containers": [
                {"name": "api", "image": "one", "env": [{"name": "A", "value": "1"}]},
                {"name": "helper", "image": "two"},
            ],
            "finalizers": ["a/one", "b/two"],
        },
    }


BY_HAND = {
    "f:metadata": {"f:labels": {".": {}, "f:app": {}, "f:by": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:containers": {
            CONTAINER: {".": {}, "f:name": {}, "f:image": {}, "f:env": {".": {}, 'k:{"name":"A"}': {
                ".": {}, "f:name": {}, "f:value": {}}}},
            'k:{"name":"helper"}': {".": {}, "f:name": {}, "f:image": {}},
        },
        "f:finalizers": {".": {}, 'v:"a/one"': {}, 'v:"b/two"': {}},
    },
}  # fmt: skip
DECLARED = {
    "f:metadata": {"f:labels": {"f:app": {}}},
    "f:spec": {
        "f:containers": {CONTAINER: {".": {}, "f:name": {}, "f:image": {}}},
        "f:finalizers": {'v:"b/two"': {}},
    },
}


def test_fields_of_only_one_manager_are_removed() -> None:
    item = deployment(kubectl_client_side_apply=BY_HAND, argocd_controller=DECLARED)
    left = without(CLIENT_SIDE_APPLY, item)
    assert left["metadata"]["labels"] == {"app": "api"}
    assert left["spec"] == {
        "containers": [{"name": "api", "image": "one"}],
        "finalizers": ["b/two"],
    }
    assert item == deployment(kubectl_client_side_apply=BY_HAND, argocd_controller=DECLARED)


def test_exclusive_fields_have_readable_paths() -> None:
    item = deployment(kubectl_client_side_apply=BY_HAND, argocd_controller=DECLARED)
    item["metadata"]["managedFields"].append(
        {"manager": "scaler", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    )
    assert [spell(path) for path in exclusive_fields(CLIENT_SIDE_APPLY, item)] == [
        "metadata.labels.by",
        "spec.replicas",
        "spec.containers[api].env[A]",
        "spec.containers[helper]",
        "spec.finalizers[a/one]",
    ]
    assert exclusive_fields("scaler", item) == exclusive_fields("unknown", item) == []


def test_the_keys_of_a_secret_are_read_without_its_values() -> None:
    first: dict[str, Any] = {"f:data": {".": {}, "f:USER": {}}, "f:type": {}}
    metadata = {"managedFields": managed(one=first, two={"f:data": {"f:PASSWORD": {}}})}
    assert data_keys(metadata) == frozenset({"USER", "PASSWORD"})
    assert data_keys({"managedFields": managed(one={"f:type": {}})}) is None
    assert data_keys({}) is None
