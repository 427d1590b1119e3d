"""What no single construct can see: rules over all objects of an App.

Each rule is a function from the snapshot and the platform to sentences that name the object and
say what to do.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator

from cronsim import CronSimError

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.argocd import NAMESPACE as ARGO_CD
from constructs_lib.kubernetes.argocd import refused_by_projects
from constructs_lib.kubernetes.snapshot import Snapshot
from constructs_lib.manifests import capacity
from constructs_lib.manifests.external_secret import remote_keys
from constructs_lib.manifests.image import repository
from constructs_lib.manifests.kinds import group, is_cluster_scoped
from constructs_lib.manifests.shape import malformed
from constructs_lib.manifests.workload import workloads
from constructs_lib.model import Manifest
from constructs_lib.platform import Platform
from constructs_lib.quantity import spell
from constructs_lib.schedule import words

_ALB = "alb.ingress.kubernetes.io"
_OF_A_LOAD_BALANCER = ("scheme", "load-balancer-attributes", "ip-address-type", "subnets")
_OF_KUBERNETES = re.compile(r"[a-z]*|.+\.k8s\.io")


def problems(snapshot: Snapshot, platform: Platform) -> list[str]:
    """Everything the rules find, in the order of the rules.

    An object of a wrong shape is reported alone: nothing else can be said of it.
    """
    found = list(objects_have_their_shape(snapshot))
    for rule in () if found else RULES:
        try:
            found += rule(snapshot, platform)
        except DeclarationError as error:
            found.append(str(error))
    return found


def objects_have_their_shape(snapshot: Snapshot) -> Iterator[str]:
    """A JSON patch or an included file can put anything anywhere."""
    for file in snapshot.files:
        for item in file.objects:
            for problem in malformed(item):
                yield f"{file.path}: {_title(item)}: {problem}"


def schedules_are_read(snapshot: Snapshot, _: Platform) -> Iterator[str]:
    """A CronJob with a schedule that Kubernetes does not read is refused by the API server."""
    for item in _of_kind(snapshot, "CronJob"):
        schedule = (item.get("spec") or {}).get("schedule")
        try:
            words(str(schedule))
        except CronSimError:
            yield f"{_title(item)}: {schedule!r} is not a valid schedule; write five cron fields"


def no_two_files_alike(snapshot: Snapshot, _: Platform) -> Iterator[str]:
    """Two charts of one folder and name would overwrite each other."""
    names = [file.path for file in snapshot.files]
    for path in sorted({path for path in names if names.count(path) > 1}):
        yield f"{path} is written by two charts; rename one"


def objects_are_single(snapshot: Snapshot, _: Platform) -> Iterator[str]:
    """What is in a List is seen by no rule."""
    for file in snapshot.files:
        for item in file.objects:
            if item["kind"].endswith("List") and "items" in item:
                yield f"{file.path}: {_title(item)} holds other objects; declare each by itself"


def no_two_objects_alike(snapshot: Snapshot, _: Platform) -> Iterator[str]:
    """An object that two charts declare would be fought over by their Applications."""
    declared: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for file in snapshot.files:
        for item in file.objects:
            declared[(group(item), _title(item))].append(file.path)
    for (_group, title), paths in declared.items():
        if len(paths) > 1:
            yield (
                f"{title} is declared {len(paths)} times, in {', '.join(paths)}; rename one of the "
                "workloads"
            )


def objects_are_in_their_scope(snapshot: Snapshot, _: Platform) -> Iterator[str]:
    """Argo CD would put an object without a namespace into that of its Application."""
    for file in snapshot.files:
        for item in file.objects:
            namespace = item["metadata"].get("namespace")
            if is_cluster_scoped(item):
                if namespace:
                    yield (
                        f"{file.path}: {_title(item)} is cluster-scoped; declare it in a chart "
                        "with namespace=None"
                    )
            elif not namespace and _OF_KUBERNETES.fullmatch(group(item)):
                yield (
                    f"{file.path}: {_title(item)} has no namespace; give the chart or the object "
                    "one"
                )


def namespaces_are_made(snapshot: Snapshot, _: Platform) -> Iterator[str]:
    """A namespace that is mistyped would be made by Argo CD, without quota and pull secret."""
    made = {item["metadata"]["name"] for item in _of_kind(snapshot, "Namespace")}
    if not made:
        return
    for file in snapshot.files:
        strays = {item["metadata"].get("namespace") for item in file.objects} - made
        for namespace in sorted(strays - {None, ARGO_CD}):
            yield (
                f"{file.path} is for the namespace {namespace}, which no Namespace makes; "
                f"there are {', '.join(sorted(made))}"
            )


def hosts_are_served_once(snapshot: Snapshot, platform: Platform) -> Iterator[str]:
    """A host of the platform that no Ingress serves, one served twice, one that is not known."""
    where = platform.sources.hosts
    served: dict[str, list[str]] = defaultdict(list)
    for item in _of_kind(snapshot, "Ingress"):
        title = _title(item).removeprefix("Ingress ")
        spec = item.get("spec") or {}
        hosts = dict.fromkeys(rule.get("host") for rule in spec.get("rules") or ())
        if None in hosts or spec.get("defaultBackend"):
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


def load_balancers_agree(snapshot: Snapshot, _: Platform) -> Iterator[str]:
    """Of what concerns a whole load balancer, the controller refuses two values in one group."""
    groups: dict[str, list[Manifest]] = defaultdict(list)
    for item in _of_kind(snapshot, "Ingress"):
        if name := (item["metadata"].get("annotations") or {}).get(f"{_ALB}/group.name"):
            groups[name].append(item)
    for name, ingresses in groups.items():
        for what in _OF_A_LOAD_BALANCER:
            values = {one["metadata"]["annotations"].get(f"{_ALB}/{what}") for one in ingresses}
            if len(values) > 1:
                yield (
                    f"{', '.join(map(_title, ingresses))} share the load balancer {name}, but not "
                    f"{what}; give them one value"
                )


def parameters_are_read(snapshot: Snapshot, platform: Platform) -> Iterator[str]:
    """A parameter that is never read would be made, and kept secret, for nothing."""
    where = platform.sources.parameters
    read = {path for item in _of_kind(snapshot, "ExternalSecret") for _, path in remote_keys(item)}
    awaited = {parameter.path for job in snapshot.pending for parameter in job.parameters}
    known = set(platform.parameters)
    for path in sorted(known - read - awaited):
        yield f"parameter {path} is read by no service; remove it from {where}"
    for path in sorted((read | awaited) - known):
        yield (
            f"parameter {path} is read, but not one of the catalogue, so no stack would make it; "
            f"add it to {where}"
        )


def pins_are_used(snapshot: Snapshot, platform: Platform) -> Iterator[str]:
    """A pin of an image that no pod runs: its chart is missing, or the pin is left over."""
    used = {
        repository(image).removeprefix(f"{platform.registry}/")
        for workload in workloads(snapshot.objects)
        for image in workload.images
    }
    for service in sorted(set(platform.images) - used):
        yield (
            f"{platform.sources.pin.format(service=service)} pins an image that no pod runs; "
            f"list its chart in {platform.sources.charts}, or remove the pin"
        )


def quotas_hold(snapshot: Snapshot, platform: Platform) -> Iterator[str]:
    """At the worst moment, every pod must still be admitted."""
    allowed = capacity.quotas(snapshot.objects)
    for namespace, sums in capacity.peak(snapshot.objects).items():
        for name, value in sums.items():
            limit = allowed.get(namespace, {}).get(name)
            if limit is not None and value > limit:
                binary = capacity.is_bytes(name)
                yield (
                    f"namespace {namespace}: {name} adds up to {spell(value, binary=binary)} at "
                    f"the worst moment, above its quota of {spell(limit, binary=binary)}; raise "
                    f"the quota in {platform.sources.quotas} or lower what its workloads ask for"
                )


def projects_allow(snapshot: Snapshot, _: Platform) -> Iterator[str]:
    """What its project does not allow, Argo CD refuses to sync."""
    objects = {file.path: file.objects for file in snapshot.files}
    yield from refused_by_projects(objects)


def _of_kind(snapshot: Snapshot, kind: str) -> Iterator[Manifest]:
    return (item for item in snapshot.objects if item["kind"] == kind)


def _title(item: Manifest) -> str:
    metadata = item["metadata"]
    return f"{item['kind']} {metadata.get('namespace', '')}/{metadata['name']}"


RULES: tuple[Callable[[Snapshot, Platform], Iterator[str]], ...] = (
    no_two_files_alike,
    objects_are_single,
    schedules_are_read,
    no_two_objects_alike,
    objects_are_in_their_scope,
    namespaces_are_made,
    hosts_are_served_once,
    load_balancers_agree,
    parameters_are_read,
    pins_are_used,
    quotas_hold,
    projects_allow,
)
