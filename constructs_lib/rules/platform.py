"""What no single object can show: everything that is rendered, against the Platform and itself."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cronsim import CronSimError

from constructs_lib.manifests import capacity
from constructs_lib.manifests.argocd import NAMESPACE as ARGO_CD
from constructs_lib.manifests.capacity import quantity
from constructs_lib.manifests.external_secret import remote_keys
from constructs_lib.manifests.image import repository
from constructs_lib.manifests.kinds import is_cluster_scoped
from constructs_lib.manifests.objects import Key, Object
from constructs_lib.manifests.text import unreadable
from constructs_lib.manifests.workload import Workload
from constructs_lib.quantity import spell
from constructs_lib.rules.model import ALL, PODS, Rendered, rule
from constructs_lib.schedule import words

if TYPE_CHECKING:
    from constructs_lib.platform import Platform

_OF_KUBERNETES = re.compile(r"[a-z]*|.+\.k8s\.io")


def _platform(rendered: Rendered) -> Platform:
    if rendered.platform is None:
        raise ValueError("a rule that needs the platform is not asked without one")
    return rendered.platform


@rule("files-are-written-once", risk="update", remedy="rename one chart", needs_platform=True)
def files_are_single(rendered: Rendered) -> Iterator[str]:
    """Two charts of one folder and name would overwrite each other."""
    for path, count in sorted(Counter(rendered.files).items()):
        if count > 1:
            yield f"{path} is written by two charts; rename one"


@rule(
    "objects-are-declared-one-by-one",
    ALL,
    risk="update",
    remedy="declare each by itself",
    needs_platform=True,
)
def objects_are_single(item: Object, _: Rendered) -> Iterator[str]:
    """What is in a List is seen by no rule."""
    if item.kind.endswith("List") and "items" in item.manifest:
        yield "holds other objects"


@rule(
    "text-can-be-written",
    ALL,
    risk="update",
    remedy="remove it",
    needs_platform=True,
)
def text_can_be_written(item: Object, rendered: Rendered) -> Iterator[str]:
    """What the API server reads is what was declared, or nothing is written at all."""
    if rendered.odd is not None and item.file not in rendered.odd:
        return
    yield from (text for _, text in unreadable([item.manifest]))


@rule("schedules-are-valid", "CronJob", risk="schedule", remedy="write five cron fields")
def schedules_are_read(item: Object, _: Rendered) -> Iterator[str]:
    """The API server refuses a CronJob whose schedule it cannot read."""
    schedule = item.spec.get("schedule")
    try:
        words(str(schedule))
    except CronSimError:
        yield f"{schedule!r} is not a valid schedule"


@rule("objects-are-declared-once", risk="update", remedy="rename one", needs_platform=True)
def objects_are_unique(rendered: Rendered) -> Iterator[str]:
    """An object that two charts declare would be fought over by their Applications."""
    if len(rendered.objects.objects) == len(rendered.objects.every):
        return
    declared: dict[Key, list[str]] = defaultdict(list)
    for item in rendered.objects:
        declared[item.key].append(item.file)
    for key, files in declared.items():
        if len(files) > 1:
            yield (
                f"{key} is declared {len(files)} times, in {', '.join(files)}; rename one of the "
                "workloads"
            )


@rule(
    "objects-are-in-their-scope",
    ALL,
    risk="update",
    remedy="give the chart or the object one",
    needs_platform=True,
    covers="nsa-cisa:namespaces",
)
def objects_are_in_scope(item: Object, _: Rendered) -> Iterator[str]:
    """Argo CD would put an object without a namespace into that of its Application."""
    if is_cluster_scoped(item.manifest):
        if item.namespace:
            yield "is cluster-scoped; declare it in a chart with namespace=None"
    elif not item.namespace and _OF_KUBERNETES.fullmatch(item.key.group):
        yield "has no namespace"


@rule(
    "namespaces-are-declared",
    ALL,
    risk="update",
    remedy="correct the namespace, or declare it",
    needs_platform=True,
    covers="cis-eks:4.5.1 cis-eks:4.5.3 nsa-cisa:namespaces checkov:CKV_K8S_21 "
    "kube-linter:use-namespace",
)
def namespaces_are_made(item: Object, rendered: Rendered) -> Iterator[str]:
    """Argo CD would create a mistyped namespace, without quota, policies and pull secret."""
    made = {one.name for one in rendered.objects.of_kinds("Namespace")}
    if made and item.namespace and item.namespace not in {*made, ARGO_CD}:
        yield (
            f"is for the namespace {item.namespace}, which is not declared; there are "
            f"{', '.join(sorted(made))}"
        )


@rule(
    "namespaces-are-bounded",
    "Namespace",
    risk="capacity",
    remedy="declare it with our Namespace construct",
    covers="nsa-cisa:resource-policies",
)
def namespaces_are_bounded(namespace: Object, rendered: Rendered) -> Iterator[str]:
    """One namespace must not take what the others need, whoever adds pods to it."""
    for kind in ("ResourceQuota", "LimitRange"):
        if not any(one.namespace == namespace.name for one in rendered.objects.of_kinds(kind)):
            yield f"has no {kind}"


@rule(
    "limit-ranges-admit-every-container",
    PODS,
    risk="capacity",
    remedy="change the container, or the LimitRange",
)
def limit_ranges_admit(workload: Workload, rendered: Rendered) -> Iterator[str]:
    """The API server refuses a pod outside of its namespace's LimitRange."""
    for item in rendered.objects.of_kinds("LimitRange"):
        if item.namespace != workload.namespace:
            continue
        bounds = [one for one in item.spec.get("limits") or () if one.get("type") == "Container"]
        for container in workload.every_container:
            stated = container.get("resources") or {}
            for one in bounds:
                for name, most in (one.get("max") or {}).items():
                    limit = (stated.get("limits") or {}).get(name)
                    if limit is not None and quantity(limit) > quantity(most):
                        yield f"container {container['name']}: {name} {limit} is above {most}"
                for name, least in (one.get("min") or {}).items():
                    asked = (stated.get("requests") or {}).get(name)
                    if asked is not None and quantity(asked) < quantity(least):
                        yield f"container {container['name']}: {name} {asked} is below {least}"


@rule(
    "quotas-admit-every-pod",
    risk="capacity",
    remedy="raise the quota, or lower what its workloads ask for",
    needs_platform=True,
    covers="nsa-cisa:resource-policies",
)
def quotas_hold(rendered: Rendered) -> Iterator[str]:
    """At the worst moment, every pod must still be admitted."""
    manifests = [item.manifest for item in rendered.objects]
    allowed = capacity.quotas(manifests)
    for namespace, sums in capacity.peak(manifests).items():
        for name, value in sums.items():
            limit = allowed.get(namespace, {}).get(name)
            if limit is not None and value > limit:
                binary = capacity.is_bytes(name)
                yield (
                    f"namespace {namespace}: {name} adds up to {spell(value, binary=binary)} at "
                    f"the worst moment, above its quota of {spell(limit, binary=binary)}; raise "
                    f"the quota in {_platform(rendered).sources.quotas} or lower what its "
                    "workloads ask for"
                )


@rule(
    "claims-can-be-bound",
    "PersistentVolumeClaim",
    risk="downtime",
    remedy="declare it with our Storage",
    needs_platform=True,
)
def claims_can_be_bound(claim: Object, rendered: Rendered) -> Iterator[str]:
    """A pod waits for its volume forever if no volume can be what its claim asks for."""
    storage_class = _platform(rendered).storage_class
    if claim.spec.get("storageClassName") != storage_class:
        yield (
            f"asks for the storage class {claim.spec.get('storageClassName')}, the platform's is "
            f"{storage_class or 'the default'}"
        )
    if not claim.spec.get("accessModes"):
        yield "names no accessModes"
    if not ((claim.spec.get("resources") or {}).get("requests") or {}).get("storage"):
        yield "asks for no storage"


@rule("hosts-are-served-once", risk="exposure", remedy="correct the hosts", needs_platform=True)
def hosts_are_served_once(rendered: Rendered) -> Iterator[str]:
    """A host of the platform that no Ingress serves, one served twice, one that is not known."""
    platform = _platform(rendered)
    where = platform.sources.hosts
    served: dict[str, list[str]] = defaultdict(list)
    for item in rendered.objects.of_kinds("Ingress"):
        title = str(item.key).removeprefix("Ingress ")
        hosts = dict.fromkeys(rule.get("host") for rule in item.spec.get("rules") or ())
        if None in hosts or item.spec.get("defaultBackend"):
            yield f"Ingress {title} answers for every host; give each of its rules a host"
        for host in filter(None, hosts):
            served[host].append(title)
    for host, ingresses in served.items():
        if len(ingresses) > 1:
            yield f"host {host} is served by {', '.join(ingresses)}; give each a host of its own"
        if host not in platform.hosts:
            yield (
                f"Ingress {ingresses[0]} serves {host}, which the certificate does not cover; "
                f"add it to {where}"
            )
    for host in platform.hosts:
        if host not in served:
            yield f"host {host} of {where} is served by no Ingress; remove it"


@rule("parameters-are-read", risk="secret", remedy="remove it, or add it", needs_platform=True)
def parameters_are_read(rendered: Rendered) -> Iterator[str]:
    """A parameter that is never read would be made, and kept secret, for nothing."""
    platform = _platform(rendered)
    where = platform.sources.parameters
    read = {
        path
        for item in rendered.objects.of_kinds("ExternalSecret")
        for _, path in remote_keys(item.manifest)
    }
    awaited = {parameter.path for job in rendered.pending for parameter in job.parameters}
    known = set(platform.parameters)
    for path in sorted(known - read - awaited):
        yield f"parameter {path} is read by no service; remove it from {where}"
    for path in sorted((read | awaited) - known):
        yield (
            f"parameter {path} is read, but not one of the catalogue, so no stack would make it; "
            f"add it to {where}"
        )


@rule("pins-are-used", risk="update", remedy="remove the pin", needs_platform=True)
def pins_are_used(rendered: Rendered) -> Iterator[str]:
    """A pin of an image that no pod runs: its chart is missing, or the pin is left over."""
    platform = _platform(rendered)
    used = {
        repository(image).removeprefix(f"{platform.registry}/")
        for workload in rendered.pods
        for image in workload.images
    }
    for service in sorted(set(platform.images) - used):
        yield (
            f"{platform.sources.pin.format(service=service)} pins an image that no pod runs; "
            f"list its chart in {platform.sources.charts}, or remove the pin"
        )


RULES = (
    text_can_be_written,
    claims_can_be_bound,
    files_are_single,
    objects_are_single,
    schedules_are_read,
    objects_are_unique,
    objects_are_in_scope,
    namespaces_are_made,
    namespaces_are_bounded,
    limit_ranges_admit,
    hosts_are_served_once,
    parameters_are_read,
    pins_are_used,
    quotas_hold,
)
