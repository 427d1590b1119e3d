"""Rules for consistency between objects: ports, probes, selectors, volumes."""

from __future__ import annotations

import json

from constructs_lib.manifests.objects import Key, Object, selects
from constructs_lib.manifests.routes import (
    ACTION,
    answers_itself,
    backends,
    is_listening,
    paths,
    port_of,
)
from constructs_lib.manifests.workload import Workload, behind, selected
from constructs_lib.rules.model import PODS, Problem, Problems, Rendered, repeated, rule

_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_CONTROLLERS = ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")


@rule("Service", risk="downtime", remedy="correct targetPort, or the selector")
def dangling_service(service: Object, rendered: Rendered) -> Problems:
    """A Service without a container behind its port does not respond."""
    if service.spec.get("type") == "ExternalName" or not service.spec.get("selector"):
        return
    pods = behind(rendered.objects, service)
    if not pods:
        yield "its selector matches no pods"
        return
    if len({workload.key for workload in pods if workload.serves}) > 1:
        names = ", ".join(str(workload.key) for workload in pods)
        yield Problem(
            f"its selector matches pods of several workloads ({names})", "use a unique label"
        )
    for port in service.spec.get("ports") or ():
        target = port.get("targetPort", port.get("port"))
        if not any(is_listening(one, target, port.get("protocol", "TCP")) for one in pods):
            yield f"port {port.get('port')} targets {target}, but no container listens on it"


@rule("Ingress", risk="downtime", remedy="use a port of the Service")
def dangling_ingress(ingress: Object, rendered: Rendered) -> Problems:
    """Requests fail if the load balancer cannot forward them."""
    for backend in backends(ingress):
        key = Key("", "Service", ingress.namespace, str(backend.get("name")))
        service, reference = rendered.objects.get(key), backend.get("port") or {}
        if service and port_of(service, reference) is None:
            port = reference.get("name", reference.get("number"))
            yield f"sends to port {port} of {key}, but that port does not exist"
    for host, path in paths(ingress):
        if answers_itself(path.get("backend") or {}):
            name = path["backend"]["service"].get("name")
            if not _is_json(ingress.annotations.get(f"{ACTION}{name}")):
                yield Problem(
                    f"{host}{path.get('path')} needs the annotation {ACTION}{name}, which is "
                    "missing or not JSON",
                    "add it",
                )


def _is_json(text: str | None) -> bool:
    try:
        return isinstance(json.loads(text or ""), dict)
    except ValueError:
        return False


@rule(
    PODS,
    risk="downtime",
    remedy="give its pods a unique label, and select by it",
    reviewed_by_field=True,
)
def mismatching_selector(workload: Workload, _: Rendered) -> Problems:
    """The API server rejects a controller that does not select its own pods."""
    if workload.kind not in _CONTROLLERS:
        return
    selector = workload.object.spec.get("selector") or {}
    if not selects(selector, workload.labels):
        yield Problem(
            "its selector does not match its own pods", "correct the labels of the template"
        )
    elif not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield "its selector matches every pod"


@rule(PODS, risk="downtime", remedy="give its pods a unique label, and select by it")
def overlapping_selector(workload: Workload, rendered: Rendered) -> Problems:
    """Two controllers that select the same pods delete each other's."""
    if workload.kind not in _CONTROLLERS:
        return
    selector = workload.object.spec.get("selector") or {}
    for other in selected(rendered.objects, workload.namespace, selector):
        if other.key != workload.key:
            yield f"its selector also matches pods of {other.key}"


@rule(
    "NetworkPolicy",
    "PodDisruptionBudget",
    risk="exposure",
    remedy="correct the selector",
    needs_platform=True,
)
def imprecise_selector(item: Object, rendered: Rendered) -> Problems:
    """A policy or budget must select the pods of exactly one workload."""
    field = "podSelector" if item.kind == "NetworkPolicy" else "selector"
    selector = item.spec.get(field) or {}
    if item.kind == "NetworkPolicy" and not selector:
        return
    picked = selected(rendered.objects, item.namespace, selector)
    if not picked:
        yield f"{field} matches no pods"
    elif len(picked) > 1:
        yield f"{field} matches pods of {', '.join(str(one.key) for one in picked)}"


@rule(PODS, risk="downtime", remedy="select the pods of the workload", needs_platform=True)
def ineffective_spread(workload: Workload, _: Rendered) -> Problems:
    """A topology spread constraint that selects other pods has no effect."""
    for constraint in workload.pod.get("topologySpreadConstraints") or ():
        if not selects(constraint.get("labelSelector"), workload.labels):
            yield f"the spread constraint on {constraint.get('topologyKey')} counts other pods"


@rule(PODS, risk="downtime", remedy="use a port that the container declares")
def undeclared_probe_port(workload: Workload, _: Rendered) -> Problems:
    """A probe of a port that no program listens on always fails."""
    for container in workload.every_container:
        declared = {
            port.get(field)
            for port in container.get("ports") or ()
            for field in ("name", "containerPort")
        }
        for probe in _PROBES:
            for handler in ("httpGet", "tcpSocket", "grpc"):
                port = ((container.get(probe) or {}).get(handler) or {}).get("port")
                if port is not None and port not in declared:
                    yield f"container {container['name']}: {probe} uses undeclared port {port}"


@rule(PODS, risk="update", remedy="keep one of them")
def duplicate_name(workload: Workload, _: Rendered) -> Problems:
    """If two entries have the same name, one is silently dropped."""
    names = [volume.get("name") for volume in workload.pod.get("volumes") or ()]
    yield from (f"declares volume {name} twice" for name in repeated(names))
    for container in workload.every_container:
        title = f"container {container['name']}"
        variables = [one.get("name") for one in container.get("env") or ()]
        mounts = [one.get("mountPath") for one in container.get("volumeMounts") or ()]
        ports = [
            f"{one.get('containerPort')} {one.get('protocol', 'TCP')}"
            for one in container.get("ports") or ()
        ]
        yield from (f"{title} declares variable {name} twice" for name in repeated(variables))
        yield from (f"{title} mounts two volumes at {path}" for path in repeated(mounts))
        yield from (f"{title} declares port {port} twice" for port in repeated(ports))
    ours = [one.get("name") for one in workload.every_container]
    yield from (f"has two containers {name}" for name in repeated(ours))


@rule(PODS, risk="downtime", remedy="declare and mount each volume")
def unmatched_volume(workload: Workload, _: Rendered) -> Problems:
    """The API server rejects a mount without a volume; a volume without a mount is unused."""
    volumes = {volume.get("name") for volume in workload.pod.get("volumes") or ()}
    mounted = {
        mount.get("name")
        for container in workload.every_container
        for field in ("volumeMounts", "volumeDevices")
        for mount in container.get(field) or ()
    }
    yield from (f"mounts the volume {name}, which is not declared" for name in mounted - volumes)
    yield from (f"declares the volume {name}, which is not mounted" for name in volumes - mounted)
