"""`exposure` by Ingresses: which URLs reach which Service, and from where."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from constructs_lib.manifests.network import (
    ACTION,
    ALB,
    ITSELF,
    SCHEME,
    IngressPath,
    audience,
    hosts,
    paths_by_rule,
)
from constructs_lib.manifests.objects import Key, Object, Objects, once_per_objects
from ops.review.diff import ABSENT, Change, Comparison
from ops.review.model import HIGH, MEDIUM, Finding, Findings, Severity, effect

LISTENERS = f"{ALB}listen-ports"
REDIRECT = f"{ALB}ssl-redirect"
CERTIFICATE = f"{ALB}certificate-arn"
_CLASS = "kubernetes.io/ingress.class"
_REDIRECTED = "a redirect to HTTPS"
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
UNREACHABLE = "not reachable"


HostRules = Mapping[str, list[list[IngressPath]]]
"""The rules of each host with their paths, in order."""


class Route(NamedTuple):
    """How requests to one URL are routed."""

    ingress: Key
    audience: str
    """Who can send them."""
    service: str


_NOWHERE = Route(Key("", "", "", ""), UNREACHABLE, "")


@effect(risk="exposure")
def url_rerouted(comparison: Comparison) -> Findings:
    """Another Service, or a redirect, answers the requests to a URL."""
    was, now = _routes(comparison.before, comparison.after)
    for url, after in now.items():
        before = was.get(url)
        if before and before.service != after.service:
            text = f"{url} now routes to {after.service} (before: {before.service})"
            yield _url_finding(comparison, after.ingress, MEDIUM, text)


@effect(risk="exposure")
def url_reachability_changed(comparison: Comparison) -> Findings:
    """A URL becomes reachable from the internet or the VPC, or unreachable."""
    was, now = _routes(comparison.before, comparison.after)
    changes: dict[tuple[Key, str, str], list[str]] = defaultdict(list)
    redirects = set()
    for url in dict.fromkeys([*now, *was]):
        before, after = was.get(url, _NOWHERE), now.get(url, _NOWHERE)
        if before.audience != after.audience:
            key = (before if after is _NOWHERE else after).ingress
            changes[key, before.audience, after.audience].append(url)
        if _REDIRECTED in (before.service, after.service):
            redirects.add(url)
    for (key, former, latter), urls in changes.items():
        reported = ", ".join([url for url in urls if url not in redirects] or urls)
        severity = HIGH if latter == "the internet" else MEDIUM
        text = reachability(former, latter, f": {reported}")
        yield _url_finding(comparison, key, severity, text)


def reachability(former: str, latter: str, urls: str = "") -> str:
    """`reachable from the internet: https://… (before: from the VPC)`."""
    text = "no longer reachable" if latter == UNREACHABLE else f"reachable from {latter}"
    return f"{text}{urls} (before: {former if former == UNREACHABLE else f'from {former}'})"


def _url_finding(comparison: Comparison, key: Key, severity: Severity, text: str) -> Finding:
    """A finding that explains the routing of an Ingress, and new and removed actions."""
    change = comparison.change_of(key)
    annotations = (
        field
        for field in change.at(*_ANNOTATIONS)
        if field.path[-1] in (SCHEME, LISTENERS, REDIRECT)
        or (field.path[-1].startswith(ACTION) and ABSENT in (field.before, field.after))
    )
    return Finding(severity, text, (*annotations, *change.at("spec", "rules")), key=key)


@effect("Ingress", risk="unknown", states=("added", "changed"))
def paths_unclear(change: Change, comparison: Comparison) -> Findings:
    """The load balancer decides by its own order which of the changed paths matches."""
    was, now = _paths(comparison.before), _paths(comparison.after)
    for host in sorted(_unclear_hosts(was, now).intersection(hosts(change.after))):
        before, after = (
            ", ".join(map(str, chain.from_iterable(side.get(host, ())))) for side in (was, now)
        )
        text = (
            f"effect unknown: the paths of {host} change from {before or 'none'} to {after}; "
            "check which of them the load balancer matches first"
        )
        yield Finding(HIGH, text, change.at("spec", "rules"))


@effect("Ingress", risk="exposure", states=("added", "changed"))
def default_backend_changed(change: Change, _: Comparison) -> Findings:
    """A default backend gets all requests that match no rule."""
    was, now = (
        IngressPath.of(ingress, "*", {"backend": ingress.spec.get("defaultBackend")})
        for ingress in (change.before, change.after)
    )
    if now.backend and was.target != now.target:
        clients = _clients(change.after)
        text = (
            f"reachable from {clients}: every URL of its load balancer that no rule matches, by "
            f"the default backend {now.target}"
        )
        severity = HIGH if clients == "the internet" else MEDIUM
        yield Finding(severity, text, change.at("spec", "defaultBackend"))


@effect("Ingress", risk="exposure")
def load_balancer_changed(change: Change, _: Comparison) -> Findings:
    """Other certificates, addresses or settings decide who reaches a host, and how safely."""
    for field in change.at(*_ANNOTATIONS):
        name = field.path[-1]
        label = _SETTINGS.get(name)
        if ABSENT not in (field.before, field.after):
            if name == REDIRECT:
                label = "port of the redirect to HTTPS"
            elif name.startswith(ACTION):
                label = "response of the load balancer"
        if label:
            yield Finding.of_field(HIGH if name == REDIRECT else MEDIUM, field, label)


@effect("Ingress", risk="exposure")
def controller_changed(change: Change, _: Comparison) -> Findings:
    """Another ingress controller serves the hosts, with another load balancer."""
    was, now = (
        ingress.annotations.get(_CLASS) or ingress.spec.get("ingressClassName") or "the default"
        for ingress in (change.before, change.after)
    )
    if was != now:
        text = f"is served by another ingress controller: {was} → {now}"
        fields = change.among((*_ANNOTATIONS, _CLASS), ("spec", "ingressClassName"))
        yield Finding(HIGH, text, fields)


@once_per_objects
def _paths(objects: Objects) -> HostRules:
    rules: dict[str, list[list[IngressPath]]] = defaultdict(list)
    for ingress in objects.of_kinds("Ingress"):
        for rule in paths_by_rule(ingress):
            rules[rule[0].host].append(rule)
    return rules


def _unclear_hosts(was: HostRules, now: HostRules) -> set[str]:
    """Hosts with changed paths for which the longest path does not decide."""
    rules = {host: (was.get(host, []), now.get(host, [])) for host in was.keys() | now.keys()}
    return {
        host
        for host, (before, after) in rules.items()
        if _in_words(before) != _in_words(after) and not _is_plain((before, after))
    }


def _in_words(rules: list[list[IngressPath]]) -> list[list[str]]:
    """The paths of each rule as the review compares them: without what the load balancer says."""
    return [list(map(str, rule)) for rule in rules]


def _is_plain(sides: tuple[list[list[IngressPath]], ...]) -> bool:
    """Whether one rule has every path, once, without wildcards and with one plain type."""
    rules = list(chain.from_iterable(sides))
    every = list(chain.from_iterable(rules))
    return (
        all(len(side) <= 1 for side in sides)
        and all(len({path.path for path in rule}) == len(rule) for rule in rules)
        and len({(path.path, path.type) for path in every}) == len({path.path for path in every})
        and {path.type for path in every} <= {"Exact", "Prefix"}
        and not any({"*", "?"} & {*path.path} for path in every)
        and all(path.service or path.target == ITSELF for path in every)
    )


@lru_cache(maxsize=1)
def _routes(before: Objects, after: Objects) -> tuple[dict[str, Route], dict[str, Route]]:
    """Routes by URL on both sides, for the paths of both.

    Of a host with unclear paths, only the audience is known, not which Service gets which path.
    """
    was, now = _paths(before), _paths(after)
    paths = {
        host: dict.fromkeys(
            path.path for rule in (*was.get(host, ()), *now.get(host, ())) for path in rule
        )
        for host in (*was, *now)
    }
    paths |= {host: {} for host in _unclear_hosts(was, now)}
    return _by_url(before, paths), _by_url(after, paths)


def _by_url(objects: Objects, paths: Mapping[str, Mapping[str, None]]) -> dict[str, Route]:
    """The routes; the one from the internet wins if several have the same URL."""
    routes: dict[str, Route] = {}
    for ingress in objects.of_kinds("Ingress"):
        clients = _clients(ingress)
        for rule in paths_by_rule(ingress):
            host = rule[0].host
            for origin, redirects in _origins(ingress, host):
                services: dict[str, str | None] = {"/…": ""}  # of unclear paths
                if redirects:
                    services = {"/": _REDIRECTED}
                elif paths[host]:
                    services = {path: _service_at(path, rule) for path in paths[host]}
                for path, service in services.items():
                    url = f"{origin}{path}"
                    if service is not None and (url not in routes or clients == "the internet"):
                        routes[url] = Route(ingress.key, clients, service)
    return routes


def _clients(ingress: Object) -> str:
    return audience(ingress) if _is_of_alb(ingress) else "clients of its controller"


def _is_of_alb(ingress: Object) -> bool:
    """Whether the AWS Load Balancer Controller, or none in particular, serves it."""
    name = ingress.annotations.get(_CLASS) or ingress.spec.get("ingressClassName") or "alb"
    return name == "alb" or any(annotation.startswith(ALB) for annotation in ingress.annotations)


def _origins(ingress: Object, host: str) -> Iterator[tuple[str, bool]]:
    """Scheme, host and port for each listener, and whether it only redirects."""
    if not _is_of_alb(ingress):
        yield host, False
        return
    default = '[{"HTTPS":443}]' if CERTIFICATE in ingress.annotations else '[{"HTTP":80}]'
    for listener in json.loads(ingress.annotations.get(LISTENERS, default)):
        for protocol, port in listener.items():
            place = "" if _DEFAULT_PORTS.get(protocol) == port else f":{port}"
            redirects = protocol == "HTTP" and REDIRECT in ingress.annotations
            yield f"{protocol.lower()}://{host}{place}", redirects


def _service_at(path: str, rule: list[IngressPath]) -> str | None:
    """The Service for a path; None if the load balancer itself responds."""
    matching = [candidate for candidate in rule if _matches(candidate, path)]
    nearest = max(matching, key=lambda candidate: len(candidate.path), default=None)
    return nearest.target if nearest and nearest.service else None


def _matches(candidate: IngressPath, path: str) -> bool:
    if candidate.type == "Exact":
        return candidate.path == path
    return f"{path}/".startswith(f"{candidate.path.rstrip('/*')}/")
