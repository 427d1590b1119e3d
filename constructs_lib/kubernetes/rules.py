"""What no single construct can see: rules over all charts of an App.

Each rule is a function from the App to sentences that name the object and say what to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from constructs_lib import capacity
from constructs_lib.kubernetes.argocd import NAMESPACE as ARGO_CD
from constructs_lib.model import Manifest
from constructs_lib.quantity import spell

if TYPE_CHECKING:
    from constructs_lib.kubernetes.app import App


def problems(app: App) -> list[str]:
    """Everything the rules find, in the order of the rules."""
    return [sentence for rule in RULES for sentence in rule(app)]


def no_two_objects_alike(app: App) -> Iterator[str]:
    """An object that two charts declare would be fought over by their Applications."""
    declared: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for chart in app.files:
        for item in chart.manifests:
            metadata = item["metadata"]
            group = item["apiVersion"].rpartition("/")[0]
            key = (group, item["kind"], metadata.get("namespace", ""), metadata["name"])
            declared[key].append(chart.path)
    for (_, kind, namespace, name), paths in declared.items():
        if len(paths) > 1:
            yield (
                f"{kind} {namespace}/{name} is declared {len(paths)} times, in "
                f"{', '.join(paths)}; rename one of the workloads"
            )


def no_two_files_alike(app: App) -> Iterator[str]:
    """Two charts of one folder and name would overwrite each other."""
    names = [chart.path for chart in app.files]
    for path in sorted({path for path in names if names.count(path) > 1}):
        yield f"{path} is written by two charts; rename one"


def namespaces_are_made(app: App) -> Iterator[str]:
    """A namespace that is mistyped would be made by Argo CD, without quota and pull secret."""
    made = {item["metadata"]["name"] for item in _objects(app) if item["kind"] == "Namespace"}
    if not made:
        return
    for chart in app.files:
        strays = {item["metadata"].get("namespace") for item in chart.manifests} - made
        for namespace in sorted(strays - {None, ARGO_CD}):
            yield (
                f"{chart.path} is for the namespace {namespace}, which no Namespace makes; "
                f"there are {', '.join(sorted(made))}"
            )


def hosts_are_served_once(app: App) -> Iterator[str]:
    """A host of the platform that no Ingress serves, one served twice, one that is not known."""
    served: dict[str, list[str]] = defaultdict(list)
    for item in _objects(app):
        if item["kind"] == "Ingress":
            metadata = item["metadata"]
            for rule in item["spec"]["rules"]:
                served[rule["host"]].append(f"{metadata['namespace']}/{metadata['name']}")
    for host, ingresses in served.items():
        if len(ingresses) > 1:
            yield f"host {host} is served by {', '.join(ingresses)}; give each a host of its own"
        if host not in app.platform.hosts:
            yield (
                f"Ingress {ingresses[0]} serves {host}, which the certificate does not cover; "
                "add it to catalogue/hosts.py"
            )
    for host in app.platform.hosts:
        if host not in served:
            yield f"host {host} of catalogue/hosts.py is served by no Ingress; remove it"


def parameters_are_read(app: App) -> Iterator[str]:
    """A parameter that nobody reads would be made, and kept secret, for nothing."""
    read = {parameter.path for chart in app.files for parameter in chart.parameters}
    awaited = {
        parameter.path
        for chart in app.files
        for pending in chart.pending
        for parameter in pending.parameters
    }
    known = set(app.platform.parameters)
    for path in sorted(known - read - awaited):
        yield f"parameter {path} is read by no service; remove it from catalogue/parameters.py"
    for path in sorted((read | awaited) - known):
        yield (
            f"parameter {path} is read, but not one of the catalogue, so nobody would make it; "
            "add it to catalogue/parameters.py"
        )


def pins_are_used(app: App) -> Iterator[str]:
    """A pin of an image that no pod runs is left over from a service that was removed."""
    used = {
        container["image"].removeprefix(f"{app.platform.registry}/").partition(":")[0]
        for item in _objects(app)
        if (template := capacity.pod_template(item))
        for container in template["spec"]["containers"]
    }
    for service in sorted(set(app.platform.images) - used):
        yield f"catalogue/images/{service}.pin pins an image that no pod runs; remove it"


def quotas_hold(app: App) -> Iterator[str]:
    """At the worst moment, every pod must still be admitted."""
    objects = list(_objects(app))
    allowed = capacity.quotas(objects)
    for namespace, sums in capacity.peak(objects).items():
        for name, value in sums.items():
            limit = allowed.get(namespace, {}).get(name)
            if limit is not None and value > limit:
                binary = capacity.is_bytes(name)
                yield (
                    f"namespace {namespace}: {name} adds up to {spell(value, binary=binary)} at "
                    f"the worst moment, above its quota of {spell(limit, binary=binary)}; raise "
                    f"the quota in charts/cluster or lower what its workloads ask for"
                )


def _objects(app: App) -> Iterator[Manifest]:
    for chart in app.files:
        yield from chart.manifests


RULES = (
    no_two_files_alike,
    no_two_objects_alike,
    namespaces_are_made,
    hosts_are_served_once,
    parameters_are_read,
    pins_are_used,
    quotas_hold,
)
