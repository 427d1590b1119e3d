"""`exposure` by Ingresses and Services: who can reach what."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Set
from dataclasses import dataclass

from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.routes import (
    ACTION,
    ALB,
    SCHEME,
    IngressPath,
    audience,
    backends,
    paths_by_rule,
)
from ops.review.diff import Comparison, field_finding, gains_and_losses
from ops.review.effects.paths import (
    ANY_HOST,
    answer,
    hosts_of,
    named,
    paths_of,
    unclear_hosts,
)
from ops.review.model import ABSENT, Change, Difference, Finding, Risk, Severity, effect

LISTENERS = f"{ALB}listen-ports"
REDIRECT = f"{ALB}ssl-redirect"
CERTIFICATE = f"{ALB}certificate-arn"
REDIRECTED = "a redirect to HTTPS"
"""In place of the Service of a listener that redirects to HTTPS."""
_DEFAULT_PORTS = {"HTTP": 80, "HTTPS": 443}
_ANNOTATIONS = ("metadata", "annotations")
_SETTINGS = {
    CERTIFICATE: "certificate",
    f"{ALB}auth-type": "authentication",
    f"{ALB}group.name": "shared load balancer",
    f"{ALB}inbound-cidrs": "allowed source addresses",
    f"{ALB}security-groups": "security groups",
    f"{ALB}ssl-policy": "TLS policy",
    f"{ALB}wafv2-acl-arn": "web application firewall",
}
"""Annotations that decide who can reach a host, and how."""
_ROUTING = (
    *((*_ANNOTATIONS, name) for name in (SCHEME, LISTENERS, REDIRECT)),
    ("spec", "rules"),
)
_CONTROLLER = ((*_ANNOTATIONS, "kubernetes.io/ingress.class"), ("spec", "ingressClassName"))
_UNREACHABLE = "not reachable"
_INSIDE = "pods in the cluster"
_REACHED_BY = {
    "LoadBalancer": "clients of its load balancer",
    "NodePort": "clients that can reach a node",
}
_SERVICE_SETTINGS = (
    "externalIPs",
    "externalTrafficPolicy",
    "loadBalancerSourceRanges",
    "selector",
)

Paths = dict[str, dict[str, None]]
"""The paths that the rules of each host name."""


@dataclass(frozen=True)
class Route:
    """How requests to one URL are routed."""

    ingress: Key
    audience: str
    """Who can send them."""
    service: str


_NOWHERE = Route(Key("", "", "", ""), _UNREACHABLE, "")


@effect("url-rerouted")
def url_rerouted(comparison: Comparison) -> Iterator[Finding]:
    """Another Service, or a redirect, answers the requests to a URL."""
    was, now = routes(comparison.before, comparison.after)
    for url, after in now.items():
        before = was.get(url)
        if before and before.service != after.service:
            text = f"{url} now routes to {after.service} (before: {before.service})"
            yield _host_finding(comparison, after.ingress, Severity.MEDIUM, text)


@effect("url-reachability-changed")
def url_reachability_changed(comparison: Comparison) -> Iterator[Finding]:
    """A URL becomes reachable from the internet or the VPC, or unreachable."""
    was, now = routes(comparison.before, comparison.after)
    changes: dict[tuple[Key, str, str], list[str]] = defaultdict(list)
    for url in dict.fromkeys([*now, *was]):
        before, after = was.get(url, _NOWHERE), now.get(url, _NOWHERE)
        if before.audience != after.audience:
            key = (before if after is _NOWHERE else after).ingress
            changes[key, before.audience, after.audience].append(url)
    for (key, former, latter), urls in changes.items():
        severity = Severity.HIGH if latter == "the internet" else Severity.MEDIUM
        shown = [url for url in urls if REDIRECTED not in (_service(url, was), _service(url, now))]
        text = _reach(former, latter, f": {', '.join(shown or urls)}")
        yield _host_finding(comparison, key, severity, text)


def _reach(former: str, latter: str, urls: str = "") -> str:
    text = "no longer reachable" if latter == _UNREACHABLE else f"reachable from {latter}"
    return f"{text}{urls} (before: {former if former == _UNREACHABLE else f'from {former}'})"


def _service(url: str, routes_by_url: dict[str, Route]) -> str:
    return routes_by_url.get(url, _NOWHERE).service


def _host_finding(comparison: Comparison, key: Key, severity: Severity, text: str) -> Finding:
    actions = [d for d in comparison.differences(key, _ANNOTATIONS) if _is_new_or_removed(d)]
    explains = (*comparison.differences(key, *_ROUTING), *actions)
    return Finding(Risk.EXPOSURE, severity, key, text, explains)


def _is_new_or_removed(each: Difference) -> bool:
    """Whether a response of the load balancer itself is new or removed."""
    return each.path[-1].startswith(ACTION) and ABSENT in (each.before, each.after)


@effect("load-balancer-changed")
def load_balancer_changed(comparison: Comparison) -> Iterator[Finding]:
    """Other certificates, addresses or settings decide who reaches a host, and how safely."""
    for change in comparison.changed("Ingress"):
        for annotation, label in _SETTINGS.items():
            yield from _settings(change, label, change.at(*_ANNOTATIONS, annotation))
        for each in change.at(*_ANNOTATIONS, REDIRECT):
            if ABSENT not in (each.before, each.after):
                label = "port of the redirect to HTTPS"
                yield field_finding(Risk.EXPOSURE, Severity.HIGH, change.key, each, label)
        actions = (d for d in change.at(*_ANNOTATIONS) if d.path[-1].startswith(ACTION))
        for action in actions:
            if not _is_new_or_removed(action):
                yield from _settings(change, "response of the load balancer", (action,))


@effect("controller-changed")
def controller_changed(comparison: Comparison) -> Iterator[Finding]:
    """Another ingress controller serves the hosts, with another load balancer."""
    for change in comparison.changed("Ingress"):
        was, now = (controller(one) or "the default" for one in (change.before, change.after))
        if was != now:
            text = f"is served by another ingress controller: {was} → {now}"
            differences = comparison.differences(change.key, *_CONTROLLER)
            yield Finding(Risk.EXPOSURE, Severity.HIGH, change.key, text, differences)


@effect("service-reachability-changed")
def service_reachability_changed(comparison: Comparison) -> Iterator[Finding]:
    """The type of a Service decides whether clients outside the cluster can reach it."""
    for before, after in comparison.pairs("Service"):
        if not after:
            continue
        was, now = _reached_by(before), _reached_by(after)
        if was != now:
            severity = Severity.MEDIUM if now == _INSIDE else Severity.HIGH
            text = _reach(was if before else _UNREACHABLE, now)
            differences = comparison.differences(after.key, ("spec", "type"))
            yield Finding(Risk.EXPOSURE, severity, after.key, text, differences)


@effect("service-ports-changed")
def service_ports_changed(comparison: Comparison) -> Iterator[Finding]:
    """Clients reach a Service only on its ports."""
    for change in comparison.changed("Service"):
        yield from gains_and_losses(
            Risk.EXPOSURE,
            change.key,
            _ports(change.before),
            _ports(change.after),
            words=("now listens on", "no longer listens on"),
            severities=(Severity.MEDIUM, Severity.MEDIUM),
            explains=change.at("spec", "ports"),
        )
        for each in change.at("spec", "ports"):
            if each.path[-1] == "name":
                yield field_finding(Risk.UPDATE, Severity.LOW, change.key, each, "port name")


@effect("service-settings-changed")
def service_settings_changed(comparison: Comparison) -> Iterator[Finding]:
    """Other pods serve a Service, or other addresses reach it."""
    for change in comparison.changed("Service"):
        for field in _SERVICE_SETTINGS:
            yield from _settings(change, f"spec.{field}", change.at("spec", field))


def _settings(change: Change, label: str, differences: tuple[Difference, ...]) -> Iterator[Finding]:
    for each in differences:
        yield field_finding(Risk.EXPOSURE, Severity.MEDIUM, change.key, each, label)


def _reached_by(service: Object | None) -> str:
    return _REACHED_BY.get(service.spec.get("type", ""), _INSIDE) if service else _INSIDE


def _ports(service: Object) -> list[str]:
    return [
        f"{port.get('protocol', 'TCP')} {port['port']} "
        f"(targetPort {port.get('targetPort', port['port'])})"
        for port in service.spec.get("ports") or ()
    ]


def controller(ingress: Object) -> str | None:
    """The ingress class, from the annotation or the spec."""
    named = ingress.annotations.get("kubernetes.io/ingress.class")
    return named or ingress.spec.get("ingressClassName")


def services_behind(ingress: Object) -> set[str]:
    return {service["name"] for service in backends(ingress)}


@effect("paths-unclear")
def paths_unclear(comparison: Comparison) -> Iterator[Finding]:
    """The load balancer decides by its own order which of the changed paths matches."""
    was, now = (paths_of(one) for one in (comparison.before, comparison.after))
    unclear = unclear_hosts(was, now)
    for _, ingress in comparison.pairs("Ingress"):
        if not ingress:
            continue
        for host in sorted(unclear.intersection(hosts_of(ingress))):
            before, after = (
                ", ".join(str(path) for rule in side.get(host, ()) for path in rule)
                for side in (was, now)
            )
            text = (
                f"effect unknown: the paths of {host} change from {before or 'none'} to {after}; "
                "check which of them the load balancer matches first"
            )
            differences = comparison.differences(ingress.key, ("spec", "rules"))
            yield Finding(Risk.UNKNOWN, Severity.HIGH, ingress.key, text, differences)


@effect("default-backend-changed")
def default_backend_changed(comparison: Comparison) -> Iterator[Finding]:
    """A default backend gets all requests that match no rule."""
    for before, after in comparison.pairs("Ingress"):
        was, now = (_default(one) if one else None for one in (before, after))
        if after and now and was != now:
            severity = Severity.HIGH if audience(after) == "the internet" else Severity.MEDIUM
            text = (
                f"reachable from {audience(after)}: every URL of its load balancer that no rule "
                f"matches, by the default backend {now}"
            )
            differences = comparison.differences(after.key, ("spec", "defaultBackend"))
            yield Finding(Risk.EXPOSURE, severity, after.key, text, differences)


def _default(ingress: Object) -> str | None:
    backend = ingress.spec.get("defaultBackend")
    return answer(ingress, backend) if backend else None


def routes(before: Objects, after: Objects) -> tuple[dict[str, Route], dict[str, Route]]:
    """Routes by URL on both sides, for the paths of both.

    Of a host with unclear paths, only the audience is known, not which Service answers which path.
    """
    was, now = paths_of(before), paths_of(after)
    unclear = unclear_hosts(was, now)
    paths: Paths = defaultdict(dict)
    for side in (was, now):
        for host, rules in side.items():
            paths[host] |= dict.fromkeys(one.path for rule in rules for one in rule)
    return _by_url(before, paths, unclear), _by_url(after, paths, unclear)


def _by_url(snapshot: Objects, paths: Paths, unclear: Set[str]) -> dict[str, Route]:
    """The routes, of which the one from the internet wins if several have the same URL."""
    found: dict[str, Route] = {}
    for url, route in _routes(snapshot, paths, unclear):
        if url not in found or route.audience == "the internet":
            found[url] = route
    return found


def _routes(snapshot: Objects, paths: Paths, unclear: Set[str]) -> Iterator[tuple[str, Route]]:
    for ingress in snapshot.of_kinds("Ingress"):
        for rule in paths_by_rule(ingress):
            host = rule[0].host or ANY_HOST
            for origin, redirects in _origins(ingress, host):
                if redirects:
                    yield f"{origin}/", Route(ingress.key, audience(ingress), REDIRECTED)
                elif host in unclear:
                    yield f"{origin}/…", Route(ingress.key, audience(ingress), "")
                else:
                    for path in paths[host]:
                        if service := _service_at(path, rule):
                            yield f"{origin}{path}", Route(ingress.key, audience(ingress), service)


def _origins(ingress: Object, host: str) -> Iterator[tuple[str, bool]]:
    """Scheme, host and port for each listener, and whether it only redirects."""
    default = '[{"HTTPS":443}]' if CERTIFICATE in ingress.annotations else '[{"HTTP":80}]'
    for listener in json.loads(ingress.annotations.get(LISTENERS, default)):
        for protocol, port in listener.items():
            at = "" if _DEFAULT_PORTS.get(protocol) == port else f":{port}"
            redirects = protocol == "HTTP" and REDIRECT in ingress.annotations
            yield f"{protocol.lower()}://{host}{at}", redirects


def _service_at(path: str, rule: list[IngressPath]) -> str | None:
    """The Service for a path; None if the load balancer itself answers."""
    matching = [candidate for candidate in rule if _matches(candidate, path)]
    nearest = max(matching, key=lambda candidate: len(candidate.path), default=None)
    return named(nearest.backend) if nearest else None


def _matches(candidate: IngressPath, path: str) -> bool:
    if candidate.type == "Exact":
        return candidate.path == path
    prefix = candidate.path.rstrip("/*")
    return path == prefix or path.startswith(f"{prefix}/")
