"""How the load balancers of the AWS Load Balancer Controller answer requests.

Controller 2.4 and later adds the rules of a listener in this order (`buildListenerRules` and
`sortIngressPaths` in its pkg/ingress/model_build_listener_rules.go): the Ingresses of a group by
`group.order`, then by namespace and name; the rules of each as written; of the paths of a rule
those of type Exact, then Prefix, the longest first, then ImplementationSpecific as written. The
first rule that matches answers; if none does, the default backend, or else a 404.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

from constructs_lib.errors import DeclarationError
from constructs_lib.manifests import network
from constructs_lib.manifests.load_balancer import controller, number
from constructs_lib.manifests.network import (
    ALB,
    INTERNET,
    PLAIN_TYPES,
    IngressPath,
    paths,
)
from constructs_lib.manifests.objects import Key, Object, Objects, at, once_per_objects
from constructs_lib.model import Manifest

CERTIFICATE = f"{ALB}certificate-arn"
_REGEX = f"{ALB}use-regex-path-match"
_KINDS = {"fixed-response": "answered", "redirect": "redirected"}
_ANY_ADDRESS = {"0.0.0.0/0", "::/0"}
_LOGINS = ("cognito", "oidc")
_CHECK = ("timeout", "interval")

Listener = tuple[str, int]
"""Protocol and port; without a name if another controller decides."""


class Audience(NamedTuple):
    """The clients that can send requests."""

    network: str
    ranges: tuple[str, ...] = ()
    """The addresses or security groups that are admitted; empty means every address."""
    login: str = ""
    """How users must log in; empty if they need not."""

    def __str__(self) -> str:
        addresses = f" from {', '.join(self.ranges)}" if self.ranges else ""
        return f"{self.network}{addresses}{f' with a login ({self.login})' if self.login else ''}"

    def within(self, other: Audience) -> bool:
        """Whether `other` includes all of these clients."""
        if other.network not in (self.network, INTERNET) or other.login not in ("", self.login):
            return False
        within = (any(_within(one, admitted) for admitted in other.ranges) for one in self.ranges)
        return not other.ranges or (bool(self.ranges) and all(within))


def _within(part: str, whole: str) -> bool:
    with suppress(DeclarationError):  # a security group
        return part == whole or network.is_within(part, whole)
    return False


class Route(NamedTuple):
    """What happens to a request, and who can send it."""

    ingress: Key
    audience: Audience
    kind: str
    """`served`, `redirected` or `answered` by the load balancer itself."""
    detail: str
    condition: str = ""
    """What must hold besides host and path, if anything; it is not evaluated."""

    @property
    def outcome(self) -> tuple[object, ...]:
        """What a client notices of it."""
        return self[1:] if self.kind == "served" else self[2:]

    def __str__(self) -> str:
        clients = f" to {self.audience}" if self.kind == "served" else ""
        condition = f" if {self.condition}" if self.condition else ""
        return f"{self.kind} {self.detail}{clients}{condition}"


class ListenerRule(NamedTuple):
    """A rule of a listener, with patterns of the load balancer; no pattern matches everything."""

    hosts: tuple[str, ...]
    paths: tuple[str, ...]
    route: Route

    def __str__(self) -> str:
        return "".join(patterns[0] if patterns else "*" for patterns in self[:2])

    def takes_all_of(self, other: ListenerRule) -> bool:
        """Whether it answers every request that the other one matches."""
        pairs = ((self.hosts, other.hosts), (self.paths, other.paths))
        return not self.route.condition and all(
            not own or (bool(others) and all(matches(own, one) for one in others))
            for own, others in pairs
        )


@dataclass(frozen=True, eq=False)
class LoadBalancer:
    """The load balancer of a group of Ingresses, or of an Ingress without a group."""

    members: tuple[Object, ...]
    """In the order of the controller."""
    objects: Objects

    @cached_property
    def listeners(self) -> Mapping[Listener, tuple[ListenerRule, ...]]:
        """The rules of each listener; the last one matches every request."""
        sharing: dict[Listener, list[Object]] = defaultdict(list)
        for ingress in self.members:
            for listener in listeners(ingress):
                sharing[listener].append(ingress)
        return {listener: tuple(self._rules(listener, of)) for listener, of in sharing.items()}

    @cached_property
    def hosts(self) -> dict[str, None]:
        """The hosts that its Ingresses serve; `*` is every host that none names."""
        return dict.fromkeys(host for one in self.members for host in network.hosts(one))

    @property
    def reads(self) -> set[Key]:
        """Its Ingresses, and the Services that they name."""
        services = {key for ingress in self.members for key, _ in network.backends(ingress)}
        return services | {ingress.key for ingress in self.members}

    def routes(self, listener: Listener, host: str, path: str) -> tuple[Route, ...]:
        """What happens to the requests to a URL; several, if further conditions decide."""
        found: list[Route] = []
        for rule in self.listeners[listener]:
            if matches(rule.hosts, host.lower()) and matches(rule.paths, path):
                found.append(rule.route)
                if not rule.route.condition:
                    break
        return tuple(found)

    def shadowed(self) -> Iterator[tuple[ListenerRule, ListenerRule]]:
        """The rules of Ingresses that no request reaches, each with an earlier one that answers."""
        for (protocol, _), rules in self.listeners.items():
            for place, rule in enumerate(rules[:-1] if protocol else ()):
                first = next((one for one in rules[:place] if one.takes_all_of(rule)), None)
                if first and first.route.outcome != rule.route.outcome:
                    yield rule, first

    def rejections(self) -> Iterator[tuple[Object, str]]:
        """Why the controller rejects an Ingress: it then updates nothing of the load balancer."""
        secure = {str(port) for protocol, port in self.listeners if protocol == "HTTPS"}
        defaults = [one for one in self.members if one.spec.get("defaultBackend")]
        for ingress in filter(is_of_alb, self.members):
            for path in paths(ingress):
                if path.type in PLAIN_TYPES and {"*", "?"} & {*path.path}:
                    yield ingress, f"path {path.path} of type {path.type} contains a wildcard"
                if not at(path.backend, "service"):
                    yield ingress, f"path {path.path} has no Service"
                elif path.action and not _action(path.response):
                    text = f"{path.host}{path.path} needs the annotation {path.action}, which is"
                    yield ingress, f"{text} missing or not JSON"
            if not listeners(ingress):
                yield ingress, "listen-ports is not a JSON list of protocols with their port"
            if ingress in defaults[1:]:
                yield ingress, "another Ingress of its group has a defaultBackend, too"
            port = ingress.annotations.get(f"{ALB}ssl-redirect", "")
            if port and port not in secure:
                yield ingress, f"ssl-redirect to port {port}, which does not listen on HTTPS"
            wait, interval = (number(ingress, f"healthcheck-{of}-seconds") for of in _CHECK)
            if wait >= interval:
                text = f"healthcheck-timeout-seconds {wait:g} is not below"
                yield ingress, f"{text} healthcheck-interval-seconds {interval:g}"

    def _rules(self, listener: Listener, ingresses: list[Object]) -> Iterator[ListenerRule]:
        clients = _clients(self.members, ingresses)
        ports = (one.annotations.get(f"{ALB}ssl-redirect") for one in self.members)
        port = next(filter(None, ports), None)
        if listener[0] == "HTTP" and port:
            detail = "to HTTPS" if port == "443" else f"to HTTPS on port {port}"
            yield ListenerRule((), (), Route(ingresses[0].key, clients, "redirected", detail))
            return
        found = [(ingress, path) for ingress in ingresses for path in paths(ingress)]
        for ingress, path in sorted(found, key=lambda one: one[1].is_default):
            yield self._rule(ingress, path, clients, listener)
        detail = "404 by the load balancer"
        yield ListenerRule((), (), Route(ingresses[0].key, clients, "answered", detail))

    def _rule(
        self, ingress: Object, path: IngressPath, clients: Audience, listener: Listener
    ) -> ListenerRule:
        name = str(at(path.backend, "service").get("name"))
        service = self.objects.get(Key("", "Service", ingress.namespace, name))
        kind, detail = _response(path, service)
        if rewrite := ingress.annotations.get(f"{ALB}transforms.{name}"):
            detail = f"{detail}, rewritten by {rewrite}"
        if listener[0] == "HTTPS":
            clients = clients._replace(login=_login(ingress, service))
        condition = ingress.annotations.get(f"{ALB}conditions.{name}", "")
        any_host = path.host == "*" or "host-header" in condition
        any_path = "path-pattern" in condition
        plain = is_of_alb(ingress) and ingress.annotations.get(_REGEX) != "true"
        if path.type not in PLAIN_TYPES and not plain:
            any_path, condition = True, f"the path matches {path.path}{condition}"
        return ListenerRule(
            () if any_host else (path.host.lower(),),
            () if any_path else _patterns(path),
            Route(ingress.key, clients, kind, detail, condition),
        )


@once_per_objects
def load_balancers(objects: Objects) -> tuple[LoadBalancer, ...]:
    """The load balancers of all Ingresses."""
    groups: dict[object, list[Object]] = defaultdict(list)
    for ingress in objects.of_kinds("Ingress"):
        groups[ingress.annotations.get(f"{ALB}group.name", ingress.key)].append(ingress)
    return tuple(
        LoadBalancer(tuple(sorted(of, key=_group_order)), objects) for of in groups.values()
    )


def is_of_alb(ingress: Object) -> bool:
    """Whether the AWS Load Balancer Controller, or none in particular, serves it."""
    return controller(ingress) in ("", "alb") or any(
        annotation.startswith(ALB) for annotation in ingress.annotations
    )


def listeners(ingress: Object) -> list[Listener]:
    """The listeners of an Ingress; none if the annotation is not valid."""
    if not is_of_alb(ingress):
        return [("", 0)]
    default = [{"HTTPS": 443} if CERTIFICATE in ingress.annotations else {"HTTP": 80}]
    stated = ingress.annotations.get(f"{ALB}listen-ports")
    with suppress(ValueError, TypeError, AttributeError):
        ports = default if stated is None else json.loads(stated)
        return [(str(name), int(port)) for one in ports for name, port in one.items()]
    return []


def matches(patterns: Iterable[str], text: str) -> bool:
    """Whether one of the patterns of a load balancer matches, or there is none."""
    return not patterns or any(_expression(pattern).fullmatch(text) for pattern in patterns)


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "[^*]")
    return re.compile(escaped, re.DOTALL)


def _group_order(ingress: Object) -> tuple[int, Key]:
    order = ingress.annotations.get(f"{ALB}group.order", "0")
    return int(order) if order.lstrip("-").isdigit() else 0, ingress.key


def _patterns(path: IngressPath) -> tuple[str, ...]:
    """The path patterns of `buildPathPatterns`."""
    if path.type != "Prefix":
        return (path.path,)
    stem = path.path.removesuffix("/")
    return (stem, f"{stem}/*") if stem else ("/*",)


def _clients(members: Iterable[Object], ingresses: Iterable[Object]) -> Audience:
    """The clients of a listener, which some of the members share."""
    if not any(map(is_of_alb, members)):
        return Audience("clients of its controller")
    where = next((m for m in members if network.SCHEME in m.annotations), None)
    reach = network.audience(where) if where else "the VPC"
    for member in members:  # the controller then ignores inbound-cidrs
        if groups := member.annotations.get(f"{ALB}security-groups"):
            return Audience(reach, (f"security groups {groups}",))
    stated = (one.annotations.get(f"{ALB}inbound-cidrs", "") for one in ingresses)
    ranges = sorted({cidr.strip() for text in stated for cidr in text.split(",") if cidr.strip()})
    return Audience(reach, () if _ANY_ADDRESS & {*ranges} else tuple(ranges))


def _login(ingress: Object, service: Object | None) -> str:
    """How users log in; an annotation of the Service takes precedence."""
    notes = {**ingress.annotations, **(service.annotations if service else {})}
    optional = notes.get(f"{ALB}auth-on-unauthenticated-request") == "allow"
    login = notes.get(f"{ALB}auth-type", "none")
    return "" if optional or login not in _LOGINS else login


def _response(path: IngressPath, service: Object | None) -> tuple[str, str]:
    """The kind and detail of a route."""
    if path.service:
        reference = at(path.backend, "service", "port")
        port = (network.port_of(service, reference) if service else None) or {}
        number = port.get("port") or reference.get("number", reference.get("name"))
        return "served", f"by Service {path.service}:{number}"
    action = _action(path.response)
    kind = _KINDS.get(action.get("type", ""), "served")
    if kind == "answered":
        return kind, f"{at(action, 'fixedresponseconfig').get('statuscode')} by the load balancer"
    return kind, f"by {json.dumps(action, sort_keys=True)}"


def _action(text: str) -> Manifest:
    """The JSON of an action, whose keys the controller reads in any case; empty if invalid."""
    with suppress(ValueError):
        parsed = json.loads(text, object_pairs_hook=lambda pairs: {k.lower(): v for k, v in pairs})
        return parsed if isinstance(parsed, dict) else {}
    return {}
