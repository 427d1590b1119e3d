"""Routes from a host through Ingress and Service to a container port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from constructs_lib.manifests.objects import Key, Object, Objects, once_per_objects
from constructs_lib.manifests.workload import Workload, behind
from constructs_lib.model import Manifest

ALB = "alb.ingress.kubernetes.io/"
SCHEME = f"{ALB}scheme"
ACTION = f"{ALB}actions."
FROM_ANNOTATION = "use-annotation"
"""Port name for which the load balancer itself responds, as configured by an annotation."""


def scheme(ingress: Object) -> str:
    """`internet-facing` or `internal`, the default of the controller."""
    return ingress.annotations.get(SCHEME, "internal")


def audience(ingress: Object) -> str:
    """The network that can reach its load balancer."""
    return "the internet" if scheme(ingress) == "internet-facing" else "the VPC"


class IngressPath(NamedTuple):
    """A path of an Ingress, with its backend."""

    host: str
    """Empty for every host."""
    path: str
    type: str
    backend: Manifest


def paths_by_rule(ingress: Object) -> Iterator[list[IngressPath]]:
    """The paths of each rule that has some, in order."""
    for rule in ingress.spec.get("rules") or ():
        host = str(rule.get("host") or "")
        paths_of_rule = (rule.get("http") or {}).get("paths") or ()
        if paths_of_rule:
            yield [
                IngressPath(
                    host,
                    str(path.get("path") or "/"),
                    str(path.get("pathType") or "ImplementationSpecific"),
                    path.get("backend") or {},
                )
                for path in paths_of_rule
            ]


def paths(ingress: Object) -> Iterator[IngressPath]:
    """The paths of all rules, then the default backend."""
    yield from chain.from_iterable(paths_by_rule(ingress))
    if default := ingress.spec.get("defaultBackend"):
        yield IngressPath("", "/", "Prefix", default)


def answers_itself(backend: Manifest) -> bool:
    """Whether the load balancer itself responds, not a Service."""
    port = (backend.get("service") or {}).get("port") or {}
    return bool(port.get("name") == FROM_ANNOTATION)


def backends(ingress: Object) -> Iterator[Manifest]:
    """The backend Services with their ports, as in the manifest."""
    for path in paths(ingress):
        if path.backend.get("service") and not answers_itself(path.backend):
            yield path.backend["service"]


def port_of(service: Object, reference: Manifest) -> Manifest | None:
    """The Service port that a backend references by number or name."""
    field = "name" if "name" in reference else "port"
    wanted = reference.get("name", reference.get("number"))
    ports = service.spec.get("ports") or ()
    return next((port for port in ports if port.get(field) == wanted), None)


def is_listening(workload: Workload, target: int | str, protocol: str = "TCP") -> bool:
    """Whether a container declares a port, by number or name."""
    field = "name" if isinstance(target, str) else "containerPort"
    return any(
        port.get(field) == target and port.get("protocol", "TCP") == protocol
        for port in workload.ports
    )


@once_per_objects
def ports_from_outside(objects: Objects) -> Mapping[Key, frozenset[int]]:
    """The container ports that receive traffic from a load balancer or node port, by workload."""
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


@once_per_objects
def served_pods(objects: Objects) -> frozenset[Key]:
    """The workloads that are backends of a Service."""
    services = objects.of_kinds("Service")
    return frozenset(workload.key for one in services for workload in behind(objects, one))
