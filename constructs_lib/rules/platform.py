"""Rules that compare all rendered objects with each other and with the Platform."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from cronsim import CronSimError

from constructs_lib.manifests import capacity
from constructs_lib.manifests.argocd import NAMESPACE as ARGO_CD
from constructs_lib.manifests.image import repository
from constructs_lib.manifests.objects import Key, Object, is_cluster_scoped
from constructs_lib.manifests.references import remote_keys
from constructs_lib.manifests.text import unreadable
from constructs_lib.manifests.workload import Workload
from constructs_lib.model.quantity import amount, spell
from constructs_lib.model.schedule import words
from constructs_lib.rules.model import ALL, PODS, Problem, Problems, Rendered, rule

if TYPE_CHECKING:
    from constructs_lib.model.platform import Platform

_OF_KUBERNETES = re.compile(r"[a-z]*|.+\.k8s\.io")


def _platform(rendered: Rendered) -> Platform:
    if rendered.platform is None:
        raise ValueError("this rule needs a platform")
    return rendered.platform


@rule(ALL, risk="update", remedy="remove the character", needs_platform=True)
def unwritable_text(item: Object, rendered: Rendered) -> Problems:
    """Text must reach the API server exactly as it was declared."""
    if rendered.odd is not None and item.file not in rendered.odd:
        return
    yield from (Problem(text, remedy="") for _, text in unreadable([item.manifest]))


@rule(
    "PersistentVolumeClaim",
    risk="downtime",
    remedy="use the Storage construct",
    needs_platform=True,
)
def unbindable_claim(claim: Object, rendered: Rendered) -> Problems:
    """A pod stays Pending if no volume matches its claim."""
    storage_class = _platform(rendered).storage_class
    if claim.spec.get("storageClassName") != storage_class:
        yield (
            f"uses the storage class {claim.spec.get('storageClassName')}, but the platform uses "
            f"{storage_class or 'the default'}"
        )
    if not claim.spec.get("accessModes"):
        yield "has no accessModes"
    if not ((claim.spec.get("resources") or {}).get("requests") or {}).get("storage"):
        yield "requests no storage"


@rule(risk="update", remedy="rename one chart", needs_platform=True)
def duplicate_file(rendered: Rendered) -> Problems:
    """Two charts with the same directory and name would overwrite each other."""
    for path, count in sorted(Counter(rendered.files).items()):
        if count > 1:
            yield Problem(f"{path} is written by two charts", "rename one")


@rule(ALL, risk="update", remedy="declare each object separately", needs_platform=True)
def nested_objects(item: Object, _: Rendered) -> Problems:
    """The rules do not check objects inside a List."""
    if item.kind.endswith("List") and "items" in item.manifest:
        yield "contains other objects"


@rule("CronJob", risk="schedule", remedy="use five cron fields")
def invalid_schedule(item: Object, _: Rendered) -> Problems:
    """The API server rejects a CronJob with an invalid schedule."""
    schedule = item.spec.get("schedule")
    try:
        words(str(schedule))
    except CronSimError:
        yield f"{schedule!r} is not a valid schedule"


@rule(risk="update", remedy="rename one", needs_platform=True)
def duplicate_object(rendered: Rendered) -> Problems:
    """If two charts declare an object, their Applications revert each other's changes."""
    if len(rendered.objects.objects) == len(rendered.objects.every):
        return
    declared: dict[Key, list[str]] = defaultdict(list)
    for item in rendered.objects:
        declared[item.key].append(item.file)
    for key, files in declared.items():
        if len(files) > 1:
            yield Problem(
                f"{key} is declared {len(files)} times, in {', '.join(files)}",
                "rename one of the workloads",
            )


@rule(
    ALL, risk="update", remedy="set the namespace of the chart or the object", needs_platform=True
)
def wrong_scope(item: Object, _: Rendered) -> Problems:
    """Argo CD puts an object without a namespace into the namespace of its Application."""
    if is_cluster_scoped(item.manifest):
        if item.namespace:
            yield Problem("is cluster-scoped", "declare it in a chart with namespace=None")
    elif not item.namespace and _OF_KUBERNETES.fullmatch(item.key.group):
        yield "has no namespace"


@rule(ALL, risk="update", remedy="correct the namespace, or declare it", needs_platform=True)
def undeclared_namespace(item: Object, rendered: Rendered) -> Problems:
    """Argo CD would create a mistyped namespace without quota, policies or pull secret."""
    declared = {one.name for one in rendered.objects.of_kinds("Namespace")}
    if declared and item.namespace and item.namespace not in {*declared, ARGO_CD}:
        yield Problem(
            f"is in namespace {item.namespace}, which is not declared",
            f"the declared namespaces are {', '.join(sorted(declared))}",
        )


@rule("Namespace", risk="capacity", remedy="use the Namespace construct")
def unbounded_namespace(namespace: Object, rendered: Rendered) -> Problems:
    """A namespace must not use up the capacity of the others."""
    for kind in ("ResourceQuota", "LimitRange"):
        if not any(one.namespace == namespace.name for one in rendered.objects.of_kinds(kind)):
            yield f"has no {kind}"


@rule(PODS, risk="capacity", remedy="change the container, or the LimitRange")
def outside_limit_range(workload: Workload, rendered: Rendered) -> Problems:
    """The API server rejects pods outside the LimitRange of their namespace."""
    for item in rendered.objects.of_kinds("LimitRange"):
        if item.namespace != workload.namespace:
            continue
        bounds = [one for one in item.spec.get("limits") or () if one.get("type") == "Container"]
        for container in workload.every_container:
            stated = container.get("resources") or {}
            for one in bounds:
                for name, most in (one.get("max") or {}).items():
                    limit = (stated.get("limits") or {}).get(name)
                    if limit is not None and amount(limit) > amount(most):
                        yield f"container {container['name']}: {name} {limit} is above {most}"
                for name, least in (one.get("min") or {}).items():
                    request = (stated.get("requests") or {}).get(name)
                    if request is not None and amount(request) < amount(least):
                        yield f"container {container['name']}: {name} {request} is below {least}"


@rule(risk="exposure", remedy="correct the hosts", needs_platform=True)
def mismatching_hosts(rendered: Rendered) -> Problems:
    """Exactly one Ingress must serve each host of the platform, and no other hosts."""
    platform = _platform(rendered)
    where = platform.sources.hosts
    served: dict[str, list[str]] = defaultdict(list)
    for item in rendered.objects.of_kinds("Ingress"):
        title = str(item.key).removeprefix("Ingress ")
        hosts = dict.fromkeys(rule.get("host") for rule in item.spec.get("rules") or ())
        if None in hosts or item.spec.get("defaultBackend"):
            yield Problem(f"Ingress {title} serves every host", "set the host of each rule")
        for host in filter(None, hosts):
            served[host].append(title)
    for host, ingresses in served.items():
        if len(ingresses) > 1:
            yield Problem(
                f"host {host} is served by {', '.join(ingresses)}", "use a separate host for each"
            )
        if host not in platform.hosts:
            yield Problem(
                f"Ingress {ingresses[0]} serves {host}, which the certificate does not cover",
                f"add it to {where}",
            )
    for host in platform.hosts:
        if host not in served:
            yield Problem(f"no Ingress serves the host {host} in {where}", "remove it")


@rule(
    risk="secret", remedy="remove unused parameters, and declare missing ones", needs_platform=True
)
def mismatching_parameters(rendered: Rendered) -> Problems:
    """The stack must create exactly the parameters that services read."""
    platform = _platform(rendered)
    where = platform.sources.parameters
    read = {
        path
        for item in rendered.objects.of_kinds("ExternalSecret")
        for _, path in remote_keys(item.manifest)
    }
    pending = {parameter.path for job in rendered.pending for parameter in job.parameters}
    known = set(platform.parameters)
    for path in sorted(known - read - pending):
        yield Problem(f"parameter {path} is not read by any service", f"remove it from {where}")
    for path in sorted((read | pending) - known):
        yield Problem(
            f"parameter {path} is read, but not declared, so the stack does not create it",
            f"add it to {where}",
        )


@rule(risk="update", remedy="remove the pin", needs_platform=True)
def unused_pin(rendered: Rendered) -> Problems:
    """An unused pin means that a chart is missing or that the pin is obsolete."""
    platform = _platform(rendered)
    used = {
        repository(image).removeprefix(f"{platform.registry}/")
        for workload in rendered.pods
        for image in workload.images
    }
    for service in sorted(set(platform.images) - used):
        yield Problem(
            f"{platform.sources.pin.format(service=service)} pins an image that no pod runs",
            f"list its chart in {platform.sources.charts}, or remove the pin",
        )


@rule(
    risk="capacity",
    remedy="raise the quota, or lower the requests and limits of its workloads",
    needs_platform=True,
)
def exceeded_quota(rendered: Rendered) -> Problems:
    """The quota must admit all pods at peak, during rollouts and with all jobs running."""
    manifests = [item.manifest for item in rendered.objects]
    allowed = capacity.quotas(manifests)
    for namespace, sums in capacity.peak(manifests).items():
        for name, value in sums.items():
            limit = allowed.get(namespace, {}).get(name)
            if limit is not None and value > limit:
                binary = capacity.is_bytes(name)
                yield Problem(
                    f"namespace {namespace}: {name} adds up to {spell(value, binary=binary)} at "
                    f"peak, above its quota of {spell(limit, binary=binary)}",
                    f"raise the quota in {_platform(rendered).sources.quotas}, or lower the "
                    "requests and limits",
                )
