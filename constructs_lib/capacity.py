"""What the pods of a namespace ask for, summed up from manifests, and its quota beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from constructs_lib.model import Manifest
from constructs_lib.quantity import amount


def peak(objects: Iterable[Manifest]) -> dict[str, dict[str, Fraction]]:
    """By namespace, what all workloads ask for at the worst moment.

    That is a rolling update of every web service, with the old pods still ending, while every
    job runs.
    """
    sums: dict[str, dict[str, Fraction]] = {}
    for item in objects:
        namespace = item["metadata"].get("namespace", "")
        total = sums.setdefault(namespace, {})
        for name, value in _of(item):
            total[name] = total.get(name, Fraction(0)) + value
    return {namespace: total for namespace, total in sums.items() if total}


def total(sums: Mapping[str, Mapping[str, Fraction]]) -> dict[str, Fraction]:
    """What all namespaces ask for together, by resource."""
    together: dict[str, Fraction] = {}
    for each in sums.values():
        for name, asked in each.items():
            together[name] = together.get(name, Fraction(0)) + asked
    return together


def is_bytes(resource: str) -> bool:
    """Whether a resource, `requests.memory` or the like, is counted in bytes."""
    return "memory" in resource or "storage" in resource


def quotas(objects: Iterable[Manifest]) -> dict[str, dict[str, Fraction]]:
    """By namespace, what its ResourceQuota allows."""
    return {
        item["metadata"]["namespace"]: {
            name: amount(limit) for name, limit in item["spec"]["hard"].items()
        }
        for item in objects
        if item["kind"] == "ResourceQuota"
    }


def _of(item: Manifest) -> Iterator[tuple[str, Fraction]]:
    if item["kind"] == "PersistentVolumeClaim":
        yield "persistentvolumeclaims", Fraction(1)
    pods = Fraction(_pods_at_once(item))
    template = pod_template(item)
    if not template:
        return
    yield "pods", pods
    for container in template["spec"]["containers"]:
        for bound in ("requests", "limits"):
            for name, quantity in container["resources"][bound].items():
                yield f"{bound}.{name}", amount(quantity) * pods


def _pods_at_once(item: Manifest) -> int:
    spec = item.get("spec", {})
    if item["kind"] != "Deployment":
        return 1
    replicas: int = spec.get("replicas", 1)
    rolling = spec.get("strategy", {}).get("rollingUpdate")
    return 2 * replicas + int(rolling["maxSurge"]) if rolling else replicas


def pod_template(item: Manifest) -> Manifest | None:
    """The pod template of a Deployment, Job or CronJob; None for any other kind."""
    match item["kind"]:
        case "Deployment" | "Job":
            template: Manifest = item["spec"]["template"]
        case "CronJob":
            template = item["spec"]["jobTemplate"]["spec"]["template"]
        case _:
            return None
    return template
