"""Which addresses Ingresses answer at, to whom, and which Service answers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.routes import ALB, answers_itself, audience, backends
from constructs_lib.model import Manifest

LISTENERS = f"{ALB}listen-ports"
REDIRECT = f"{ALB}ssl-redirect"
CERTIFICATE = f"{ALB}certificate-arn"
REDIRECTED = "a redirect to HTTPS"
"""What answers at a listener without TLS that sends people on."""
_DEFAULT_PORTS = {"HTTP": 80, "HTTPS": 443}
_ANY_HOST = "*"

Paths = dict[str, dict[str, None]]
"""The paths of each host that are told apart."""


@dataclass(frozen=True)
class Route:
    """What happens to a request to one address."""

    ingress: Key
    audience: str
    """Who can send one."""
    service: str


def controller(ingress: Object) -> str | None:
    """The ingress class, in whichever of the two places it stands."""
    named = ingress.annotations.get("kubernetes.io/ingress.class")
    return named or ingress.spec.get("ingressClassName")


def hosts_of(ingress: Object) -> list[str]:
    """The hosts it answers to."""
    return [rule.get("host", _ANY_HOST) for rule in _rules(ingress)]


def services_behind(ingress: Object) -> set[str]:
    """The Services it sends to."""
    return {service["name"] for service in backends(ingress)}


def routes(*sides: Objects) -> list[dict[str, Route]]:
    """By address, for each side; all sides are asked at the same paths."""
    paths: Paths = defaultdict(dict)
    for side in sides:
        for ingress in side.of_kinds("Ingress"):
            for rule in _rules(ingress):
                named = (path["path"] for path in rule["http"]["paths"])
                paths[rule.get("host", _ANY_HOST)] |= dict.fromkeys(named)
    return [dict(_routes(side, paths)) for side in sides]


def _routes(snapshot: Objects, paths: Paths) -> Iterator[tuple[str, Route]]:
    for ingress in snapshot.of_kinds("Ingress"):
        for rule in _rules(ingress):
            host = rule.get("host", _ANY_HOST)
            for origin, redirects in _origins(ingress, host):
                if redirects:
                    yield f"{origin}/", Route(ingress.key, audience(ingress), REDIRECTED)
                    continue
                for path in paths[host]:
                    if service := _service_at(path, rule):
                        yield f"{origin}{path}", Route(ingress.key, audience(ingress), service)


def _rules(ingress: Object) -> list[Manifest]:
    return [rule for rule in ingress.spec.get("rules") or () if rule.get("http")]


def _origins(ingress: Object, host: str) -> Iterator[tuple[str, bool]]:
    """What stands before the path, for each listener, and whether it only redirects."""
    default = '[{"HTTPS":443}]' if CERTIFICATE in ingress.annotations else '[{"HTTP":80}]'
    for listener in json.loads(ingress.annotations.get(LISTENERS, default)):
        for protocol, port in listener.items():
            at = "" if _DEFAULT_PORTS.get(protocol) == port else f":{port}"
            redirects = protocol == "HTTP" and REDIRECT in ingress.annotations
            yield f"{protocol.lower()}://{host}{at}", redirects


def _service_at(path: str, rule: Manifest) -> str | None:
    """Which Service answers there; None where nothing does but the load balancer itself."""
    matching = [candidate for candidate in rule["http"]["paths"] if _matches(candidate, path)]
    nearest = max(matching, key=lambda candidate: len(candidate["path"]), default=None)
    service = _service(nearest) if nearest else None
    if not service:
        return None
    port = service.get("port") or {}
    return f"Service {service['name']}:{port.get('number', port.get('name'))}"


def _service(path: Manifest) -> Manifest | None:
    return None if answers_itself(path["backend"]) else path["backend"].get("service")


def _matches(candidate: Manifest, path: str) -> bool:
    if candidate.get("pathType") == "Exact":
        return bool(candidate["path"] == path)
    prefix = candidate["path"].rstrip("/*")
    return path == prefix or path.startswith(f"{prefix}/")
