"""From a host to a container: Ingress, Service, port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.workload import Workload, behind
from constructs_lib.model import Manifest

ALB = "alb.ingress.kubernetes.io/"
SCHEME = f"{ALB}scheme"
ACTION = f"{ALB}actions."
FROM_ANNOTATION = "use-annotation"
"""In place of a port: the load balancer answers by itself, as an annotation says."""


def scheme(ingress: Object) -> str:
    """`internet-facing`, or `internal`, which is the controller's default."""
    return ingress.annotations.get(SCHEME, "internal")


def audience(ingress: Object) -> str:
    """Who reaches its load balancer."""
    return "the internet" if scheme(ingress) == "internet-facing" else "the VPC"


def paths(ingress: Object) -> Iterator[tuple[str, Manifest]]:
    """Each host and path that it answers; the host is empty for the default backend."""
    for rule in ingress.spec.get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            yield str(rule.get("host", "")), path
    if default := ingress.spec.get("defaultBackend"):
        yield "", {"backend": default}


def answers_itself(backend: Manifest) -> bool:
    """Whether the load balancer answers, not a Service."""
    port = (backend.get("service") or {}).get("port") or {}
    return bool(port.get("name") == FROM_ANNOTATION)


def backends(ingress: Object) -> Iterator[Manifest]:
    """The Services that it sends to, with their ports, as the manifest names them."""
    for _, path in paths(ingress):
        backend = path.get("backend") or {}
        if backend.get("service") and not answers_itself(backend):
            yield backend["service"]


def port_of(service: Object, reference: Manifest) -> Manifest | None:
    """The port of a Service that a backend names, by number or by name."""
    field = "name" if "name" in reference else "port"
    wanted = reference.get("name", reference.get("number"))
    ports = service.spec.get("ports") or ()
    return next((port for port in ports if port.get(field) == wanted), None)


def is_listening(workload: Workload, target: int | str, protocol: str = "TCP") -> bool:
    """Whether a container of its pods declares a port, by number or by name."""
    field = "name" if isinstance(target, str) else "containerPort"
    return any(
        port.get(field) == target and port.get("protocol", "TCP") == protocol
        for port in workload.ports
    )


@lru_cache(maxsize=2)
def ports_from_outside(objects: Objects) -> Mapping[Key, frozenset[int]]:
    """By workload, the container ports that a load balancer or a node sends to."""
    found: dict[Key, set[int]] = {}
    for ingress in objects.of_kinds("Ingress"):
        for backend in backends(ingress):
            service = objects.get(Key("", "Service", ingress.namespace, str(backend.get("name"))))
            port = port_of(service, backend.get("port") or {}) if service else None
            if service and port:
                _add_targets(found, objects, service, port)
    for service in objects.of_kinds("Service"):
        if service.spec.get("type") in ("LoadBalancer", "NodePort"):
            for port in service.spec.get("ports") or ():
                _add_targets(found, objects, service, port)
    return {key: frozenset(ports) for key, ports in found.items()}


def _add_targets(
    found: dict[Key, set[int]], objects: Objects, service: Object, port: Manifest
) -> None:
    target = port.get("targetPort", port.get("port"))
    for workload in behind(objects, service):
        numbers = {
            one["containerPort"]
            for one in workload.ports
            if target in (one.get("name"), one.get("containerPort"))
        }
        found.setdefault(workload.key, set()).update(numbers)


@lru_cache(maxsize=2)
def served_pods(objects: Objects) -> frozenset[Key]:
    """The workloads whose pods a Service sends to."""
    services = objects.of_kinds("Service")
    return frozenset(workload.key for one in services for workload in behind(objects, one))
