"""Mutation tests of the rules: break one field of the rendered objects at a time.

The base is dist/ as committed, plus a workload of each kind that dist/ does not contain. A mutant
survives if no rule reports it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import yaml

from catalogue.platform import AnalyticsPlatform, current
from charts.dist import FOLDER
from charts.output import read
from constructs_lib.manifests.argocd import DIST
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.schema import unreadable
from constructs_lib.manifests.text import unwritable
from constructs_lib.model import Manifest, Parameter, Pending
from constructs_lib.model.waivers import Result
from constructs_lib.rules import violations
from constructs_lib.rules.model import Rendered
from tests.conftest import manifest
from tests.mutants.editing import added, broken, edits_of

_API = f"{DIST}/cerebro/cerebro-api.k8s.yaml"
_NEW_KINDS = ("StatefulSet", "DaemonSet", "ReplicaSet", "Pod")


class Mutant(NamedTuple):
    """The objects with one broken field."""

    name: str
    """`Deployment cerebro/cerebro-api: hostNetwork`."""
    objects: Sequence[Object]


@cache
def start() -> tuple[Object, ...]:
    """The base of every mutant; it has no violations."""
    found = [
        Object.of(content, f"{DIST}/{path}")
        for path, text in sorted(read(FOLDER).items())
        if path.endswith(".yaml")
        for content in yaml.load_all(text, yaml.CSafeLoader)
    ]
    for item in found:
        _extend_limits(item)
    return (*found, *_of_other_kinds(found))


def _extend_limits(item: Object) -> None:
    """Let the AppProject and the quota admit the additional kinds."""
    if item.kind == "AppProject" and item.name == "gnosis-analytics":
        allowed = item.spec["namespaceResourceWhitelist"]
        needed = [
            *({"group": "" if kind == "Pod" else "apps", "kind": kind} for kind in _NEW_KINDS),
            {"group": "autoscaling", "kind": "HorizontalPodAutoscaler"},
        ]
        allowed += [kind for kind in needed if kind not in allowed]
    if item.kind == "ResourceQuota" and item.namespace == "cerebro":
        item.spec["hard"] = {
            name: re.sub(r"^[\d.]+", lambda number: str(3 * Decimal(number[0])), hard)
            for name, hard in item.spec["hard"].items()
        }


@cache
def platform() -> AnalyticsPlatform:
    return current()


def _of_other_kinds(found: Sequence[Object]) -> Iterator[Object]:
    """A workload of each additional kind with its supporting objects, and an autoscaler."""
    own = {
        item.kind: item.manifest
        for item in found
        if item.file == _API and item.name == "cerebro-api"
    }
    for kind in _NEW_KINDS:
        name = kind.lower()
        for supporting in ("ServiceAccount", "NetworkPolicy"):
            yield Object.of(_renamed(own[supporting], name, ingress=False), _API)
        yield Object.of(_workload(_renamed(own["Deployment"], name), kind), _API)
    scaled = _renamed(own["Deployment"], "scaled")
    del scaled["spec"]["replicas"]
    for supporting in ("ServiceAccount", "NetworkPolicy", "PodDisruptionBudget"):
        yield Object.of(_renamed(own[supporting], "scaled", ingress=False), _API)
    yield Object.of(scaled, _API)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3}
    scaler = manifest("autoscaling/v2/HorizontalPodAutoscaler", spec, "scaled", "cerebro")
    yield Object.of(scaler, _API)


def _renamed(item: Manifest, name: str, *, ingress: bool = True) -> Manifest:
    text = yaml.dump(item).replace(": cerebro-api\n", f": {name}\n")
    text = text.replace("cerebro-api-secrets", "cerebro-mcp-secrets").replace(
        f"name: {name}\n        ports:", "name: cerebro-api\n        ports:"
    )
    renamed: Manifest = yaml.safe_load(text)
    if not ingress:
        renamed.get("spec", {}).pop("ingress", None)
    return renamed


def _workload(deployment: Manifest, kind: str) -> Manifest:
    spec = deployment["spec"]
    del spec["strategy"]
    version = "v1" if kind == "Pod" else "apps/v1"
    if kind in ("DaemonSet", "Pod"):
        spec.pop("replicas")
    if kind == "Pod":
        template = spec["template"]
        metadata = {**deployment["metadata"], "labels": template["metadata"]["labels"]}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": template["spec"]}
    if kind == "StatefulSet":
        spec["serviceName"] = "cerebro-api"
    return {**deployment, "apiVersion": version, "kind": kind}


def mutants() -> Iterator[Mutant]:
    """All edits of all objects, and all additions."""
    base = start()
    for index, item in enumerate(base):
        for edit in edits_of(item.kind):
            for label, edited in broken(item.manifest, edit):
                if edited != item.manifest:
                    changed = [Object.of(edited, item.file)] if edited else []
                    objects = [*base[:index], *changed, *base[index + 1 :]]
                    yield Mutant(f"{item.key}: {label}", objects)
    for item in map(Object.of, added()):
        yield Mutant(f"added: {item.kind}", [*base, replace(item, file=_API)])


def refusals(objects: Sequence[Object]) -> list[Result]:
    """All violations; instead, if there are any, the fields that cannot be read or written."""
    changed = [item for item in objects if item not in start()]
    malformations = [
        Result("unreadable", str(item.key), problem)
        for item in changed or objects
        for problem in (*unreadable(item.manifest), *unwritable(item.manifest))
    ]
    if malformations:
        return malformations
    return [*violations(rendered(objects))]


def rendered(objects: Sequence[Object], **changes: Any) -> Rendered:
    """The input of the rules, which has no violations without a change of the objects."""
    return Rendered(Objects(objects), platform(), (_pending(),), **changes)


@cache
def _pending() -> Pending:
    """A job that is not rendered yet, and reads the parameters that no other job reads."""
    unread = (
        violation.text.split()[1]
        for violation in violations(Rendered(Objects(start()), platform()))
        if violation.check == "mismatching-parameters"
    )
    parameters = (Parameter(path, "A pending parameter", "placeholder") for path in unread)
    return Pending("pending", (), tuple(parameters))
