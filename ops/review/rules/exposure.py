"""`exposure`, of Ingresses and Services: who can reach what."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.routes import ALB, SCHEME, answers_itself, audience, backends
from constructs_lib.model import Manifest
from ops.review.diff import Comparison, shift, tell
from ops.review.model import ABSENT, Change, Difference, Finding, Risk, Severity

LISTENERS = f"{ALB}listen-ports"
REDIRECT = f"{ALB}ssl-redirect"
CERTIFICATE = f"{ALB}certificate-arn"
REDIRECTED = "a redirect to HTTPS"
"""What answers at a listener without TLS that sends people on."""
_DEFAULT_PORTS = {"HTTP": 80, "HTTPS": 443}
_ANY_HOST = "*"
_ANNOTATIONS = ("metadata", "annotations")
_SETTINGS = {
    CERTIFICATE: "the certificate",
    f"{ALB}auth-type": "who must log in",
    f"{ALB}group.name": "the load balancer it shares",
    f"{ALB}inbound-cidrs": "the addresses let in",
    f"{ALB}security-groups": "the security groups",
    f"{ALB}ssl-policy": "the TLS policy",
    f"{ALB}wafv2-acl-arn": "the web firewall",
}
"""Annotations that decide about reach by their value alone."""
_ROUTING = (
    *((*_ANNOTATIONS, name) for name in (SCHEME, LISTENERS, REDIRECT)),
    ("spec", "rules"),
)
_CONTROLLER = ((*_ANNOTATIONS, "kubernetes.io/ingress.class"), ("spec", "ingressClassName"))
_ACTION = f"{ALB}actions."
_NOBODY = "nobody"
_INSIDE = "pods of the cluster"
_REACHED_BY = {
    "LoadBalancer": "whoever reaches its load balancer",
    "NodePort": "whoever reaches a node",
}
_SERVICE_SETTINGS = (
    "externalIPs",
    "externalTrafficPolicy",
    "loadBalancerSourceRanges",
    "selector",
)

Paths = dict[str, dict[str, None]]
"""The paths of each host that are told apart."""


@dataclass(frozen=True)
class Route:
    """What happens to a request to one address."""

    ingress: Key
    audience: str
    """Who can send one."""
    service: str


_NOWHERE = Route(Key("", "", "", ""), _NOBODY, "")


def hosts(comparison: Comparison) -> Iterator[Finding]:
    """Addresses that somebody reaches now and did not before, or the other way round."""
    was, now = routes(comparison.before, comparison.after)
    shifts: dict[tuple[Key, str, str], list[str]] = defaultdict(list)
    for url in dict.fromkeys([*now, *was]):
        before, after = was.get(url, _NOWHERE), now.get(url, _NOWHERE)
        if _NOWHERE not in (before, after) and before.service != after.service:
            text = f"{url} goes to {after.service}; before, to {before.service}"
            yield _host_finding(comparison, after.ingress, Severity.MEDIUM, text)
        if before.audience != after.audience:
            key = (before if after is _NOWHERE else after).ingress
            shifts[key, before.audience, after.audience].append(url)
    for (key, former, latter), urls in shifts.items():
        more = " any more" if latter == _NOBODY else ""
        severity = Severity.HIGH if latter == "the internet" else Severity.MEDIUM
        told = [url for url in urls if REDIRECTED not in (_service(url, was), _service(url, now))]
        text = f"{latter} can reach {', '.join(told or urls)}{more}; before, {former} could"
        yield _host_finding(comparison, key, severity, text)


def _service(url: str, side: dict[str, Route]) -> str:
    return side.get(url, _NOWHERE).service


def _host_finding(comparison: Comparison, key: Key, severity: Severity, text: str) -> Finding:
    answers = [d for d in comparison.differences(key, _ANNOTATIONS) if _is_answer(d)]
    explains = (*comparison.differences(key, *_ROUTING), *answers)
    return Finding(Risk.EXPOSURE, severity, key, text, explains)


def _is_answer(each: Difference) -> bool:
    """Whether it is what the load balancer answers by itself, that is new or gone."""
    return each.path[-1].startswith(_ACTION) and ABSENT in (each.before, each.after)


def load_balancer_settings(comparison: Comparison) -> Iterator[Finding]:
    """Certificates, TLS policies and the like, and the controller that reads them."""
    for change in comparison.changed("Ingress"):
        for annotation, what in _SETTINGS.items():
            yield from _settings(change, what, change.at(*_ANNOTATIONS, annotation))
        actions = (d for d in change.at(*_ANNOTATIONS) if d.path[-1].startswith(_ACTION))
        for action in actions:
            if not _is_answer(action):
                yield from _settings(change, "what it answers by itself", (action,))
        was, now = (controller(side) or "the default" for side in (change.before, change.after))
        if was != now:
            text = f"another controller serves it: {now}; before, {was}"
            differences = comparison.differences(change.key, *_CONTROLLER)
            yield Finding(Risk.EXPOSURE, Severity.HIGH, change.key, text, differences)


def services(comparison: Comparison) -> Iterator[Finding]:
    """Who reaches a Service, on which ports, and which pods answer."""
    for before, after in comparison.pairs("Service"):
        if not after:
            continue
        was, now = _reached_by(before), _reached_by(after)
        if was != now:
            severity = Severity.MEDIUM if now == _INSIDE else Severity.HIGH
            text = f"{now} can reach it; before, {was if before else _NOBODY} could"
            differences = comparison.differences(after.key, ("spec", "type"))
            yield Finding(Risk.EXPOSURE, severity, after.key, text, differences)
    for change in comparison.changed("Service"):
        yield from shift(
            Risk.EXPOSURE,
            change.key,
            _ports(change.before),
            _ports(change.after),
            words=("now answers on", "no longer answers on"),
            severities=(Severity.MEDIUM, Severity.MEDIUM),
            explains=change.at("spec", "ports"),
        )
        for each in change.at("spec", "ports"):
            if each.path[-1] == "name":
                yield tell(Risk.UPDATE, Severity.LOW, change.key, each, "the name of a port")
        for field in _SERVICE_SETTINGS:
            yield from _settings(change, f"spec.{field}", change.at("spec", field))


def _settings(change: Change, what: str, differences: tuple[Difference, ...]) -> Iterator[Finding]:
    for each in differences:
        yield tell(Risk.EXPOSURE, Severity.MEDIUM, change.key, each, what)


def _reached_by(service: Object | None) -> str:
    return _REACHED_BY.get(service.spec.get("type", ""), _INSIDE) if service else _INSIDE


def _ports(service: Object) -> list[str]:
    return [
        f"{port.get('protocol', 'TCP')} {port['port']}, the pods' "
        f"{port.get('targetPort', port['port'])}"
        for port in service.spec.get("ports") or ()
    ]


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
    service = _service_of(nearest) if nearest else None
    if not service:
        return None
    port = service.get("port") or {}
    return f"Service {service['name']}:{port.get('number', port.get('name'))}"


def _service_of(path: Manifest) -> Manifest | None:
    return None if answers_itself(path["backend"]) else path["backend"].get("service")


def _matches(candidate: Manifest, path: str) -> bool:
    if candidate.get("pathType") == "Exact":
        return bool(candidate["path"] == path)
    prefix = candidate["path"].rstrip("/*")
    return path == prefix or path.startswith(f"{prefix}/")


RULES = (hosts, load_balancer_settings, services)
