"""Rules for references: every named object, Secret and key must exist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache

from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.references import (
    EVERY_KEY,
    Reference,
    keys_of,
    of_object,
    of_workload,
    remote_keys,
    secret_of,
)
from constructs_lib.manifests.workload import Workload, workloads
from constructs_lib.rules.model import PODS, Problems, Rendered, repeated, rule


def _is_known(objects: Objects, namespace: str) -> bool:
    """Whether the namespace is declared here, so that all of its objects are known."""
    return objects.get(Key("", "Namespace", "", namespace)) is not None


def _unknown(references: Iterator[Reference], objects: Objects) -> Iterator[str]:
    for to, what in references:
        secret = to.kind == "Secret" and (to.namespace, to.name) in keys_of(objects)
        if not secret and objects.get(to) is None:
            yield f"{what} refers to {to}, which is not declared"


@rule(
    "ExternalSecret",
    risk="secret",
    remedy="remove it, or correct the name in the workload",
    needs_platform=True,
)
def unread_secret(item: Object, rendered: Rendered) -> Problems:
    """A Secret that no pod reads is an unnecessary copy that can leak."""
    secret = secret_of(item.manifest)
    if secret not in _read_secrets(rendered.objects).get(item.namespace, ()):
        yield f"creates the Secret {secret}, but no pod reads it"


@lru_cache(maxsize=2)
def _read_secrets(objects: Objects) -> Mapping[str, set[str]]:
    """The Secrets in use in each namespace."""
    found: dict[str, set[str]] = defaultdict(set)
    for workload in workloads(objects):
        found[workload.namespace].update(workload.secrets, workload.pull_secrets)
    for ingress in objects.of_kinds("Ingress"):
        for to, _ in of_object(ingress):
            found[ingress.namespace].add(to.name)
    return found


@rule(PODS, risk="downtime", remedy="declare it, or correct the name")
def dangling_pod_reference(workload: Workload, rendered: Rendered) -> Problems:
    """A pod that refers to a missing object does not start."""
    if _is_known(rendered.objects, workload.namespace):
        yield from _unknown(of_workload(workload), rendered.objects)


@rule(PODS, risk="secret", remedy="declare it, or correct the name")
def missing_secret(workload: Workload, rendered: Rendered) -> Problems:
    """A pod does not start if its Secret or ConfigMap, or a key of it, is missing."""
    if not _is_known(rendered.objects, workload.namespace):
        return
    secrets = keys_of(rendered.objects)
    for read in workload.reads:
        place = (workload.namespace, read.name)
        item = rendered.objects.get(Key("", read.kind, *place))
        keys: frozenset[str] | None = None
        if read.kind == "Secret" and place in secrets:
            keys = secrets[place]
        elif item is not None:
            parts = (item.manifest.get(field) or {} for field in ("data", "binaryData"))
            keys = frozenset(key for part in parts for key in part)
        elif not read.optional:
            yield f"reads the {read.kind} {read.name}, which is not declared"
            continue
        if read.key and keys is not None and read.key not in keys and not read.optional:
            yield f"reads the key {read.key}, which does not exist in {read.kind} {read.name}"


@rule(
    "ExternalSecret",
    "HorizontalPodAutoscaler",
    "Ingress",
    "RoleBinding",
    "ClusterRoleBinding",
    "Application",
    risk="downtime",
    remedy="declare it, or correct the name",
)
def dangling_reference(item: Object, rendered: Rendered) -> Problems:
    """An object that refers to a missing object has no effect."""
    if _is_known(rendered.objects, item.namespace) or item.kind == "Application":
        yield from _unknown(of_object(item), rendered.objects)


@rule("ExternalSecret", risk="secret", remedy="correct the ExternalSecret")
def incomplete_external_secret(item: Object, _: Rendered) -> Problems:
    """External Secrets must own the Secret that it creates, and fill all of its keys."""
    target = item.spec.get("target") or {}
    if target.get("creationPolicy", "Owner") != "Owner":
        yield f"does not own its Secret (creationPolicy: {target['creationPolicy']})"
    if target.get("deletionPolicy", "Retain") != "Retain":
        yield f"deletes keys that are missing in SSM (deletionPolicy: {target['deletionPolicy']})"
    if str(item.spec.get("refreshInterval", "1h")).rstrip("hms") in ("", "0"):
        yield "is never refreshed (refreshInterval: 0)"
    keys = [key for key, _ in remote_keys(item.manifest)]
    if not keys:
        yield "reads no parameters"
    yield from (f"reads two parameters into {key}" for key in repeated(keys) if key != EVERY_KEY)
    template = (target.get("template") or {}).get("data") or {}
    for name, text in template.items():
        if not any(f".{key} " in str(text) for key in keys) and EVERY_KEY not in keys:
            yield f"creates the key {name} without a parameter that it reads"
