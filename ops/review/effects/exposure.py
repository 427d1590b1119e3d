"""`exposure` by Ingresses: what happens to the requests to a URL, and who can send them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from constructs_lib.manifests.network import INTERNET
from constructs_lib.manifests.objects import Objects
from constructs_lib.manifests.routing import (
    Listener,
    LoadBalancer,
    Route,
    load_balancers,
    matches,
)
from ops.review.diff import ABSENT, Change, Comparison
from ops.review.effects.fields import owned, row_of
from ops.review.model import HIGH, LOW, MEDIUM, Finding, Findings, Risk, Severity, effect, listed

_ANNOTATIONS = ("metadata", "annotations")
_DEFAULT_PORTS = {"HTTP": 80, "HTTPS": 443}
UNREACHABLE = "not reachable"
_OTHERS = "/…"
"""A path that no Ingress names. Likewise, `/a/…` is a path below `/a`, and `/a…` one beside it."""

Outcome = tuple[Route, ...]
"""What may happen to the requests to a URL; empty if no load balancer has its host."""
Outcomes = Mapping[str, Mapping[str, Outcome]]
"""By origin, such as `https://example.org`, and path."""


class Changed(NamedTuple):
    """Paths of an origin whose outcome changes in the same way."""

    was: Outcome
    now: Outcome
    paths: tuple[str, ...]
    kept: tuple[str, ...]
    """The only paths that are still served; empty if most of the site is, or nothing."""

    @property
    def routes(self) -> Outcome:
        """Those of both sides."""
        return (*self.now, *self.was)

    @property
    def served(self) -> bool:
        """Whether pods get the requests on one side: else they are refused or redirected."""
        return any(route.kind == "served" for route in self.routes)


@effect(risk="exposure")
def url_changed(comparison: Comparison) -> Findings:
    """Something else answers the requests to a URL, or other clients can send them."""
    paths = _paths(comparison)
    was, now = (_outcomes(side, paths) for side in (comparison.before, comparison.after))
    rejected = (one for one in load_balancers(comparison.after) if any(one.rejections()))
    stuck = [ingress.key for balancer in rejected for ingress in balancer.members]
    origins: dict[Changed, list[str]] = defaultdict(list)
    for origin in dict.fromkeys([*now, *was]):
        for changed in _changes(was.get(origin, {}), now.get(origin, {})):
            if not any(route.ingress in stuck for route in changed.routes):
                origins[changed].append(origin)
    served = {route.ingress for changed in origins if changed.served for route in changed.routes}
    for changed, of in origins.items():
        keys = dict.fromkeys(route.ingress for route in changed.routes)
        severity, risk, text = _described(changed, of)
        if severity is not LOW or served.isdisjoint(keys):
            changes = map(comparison.change_of, keys)
            explains = (field for one in changes for field in owned(one, "url-changed"))
            first = min(keys, key=lambda key: key not in comparison.changes)
            yield Finding(severity, text, tuple(explains), risk, first)


def _described(changed: Changed, origins: list[str]) -> tuple[Severity, Risk, str]:
    """Severity, class and text of a change."""
    was, now, paths, kept = changed
    urls = [origin + path for origin in origins for path in paths]
    which = f"{listed(urls, 4)} {'is' if len(urls) == 1 else 'are'}"
    if kept:
        which = f"of {listed(origins)}, only {listed(kept)} is still served; everything else is"
    after, before = (" or ".join(map(str, side)) or UNREACHABLE for side in (now, was))
    text = f"{which} now {after} (before: {before})"
    public = [r for r in now if r.kind == "served" and r.audience.network == INTERNET]
    if not all(_had(was, route) for route in public):
        return HIGH, Risk.EXPOSURE, text
    if len(was) > 1 or len(now) > 1:
        return HIGH, Risk.UNKNOWN, f"effect unknown: {text}"
    kinds = [side[0].kind if side else "" for side in (was, now)]
    if kinds[0] == "served" and kinds[1] in ("answered", ""):
        return HIGH if {"/", _OTHERS} & {*paths} else MEDIUM, Risk.EXPOSURE, text
    minor = kinds in (["", "answered"], ["answered", ""], ["", "redirected"])
    return LOW if minor else MEDIUM, Risk.EXPOSURE, text


def _had(was: Outcome, route: Route) -> bool:
    """Whether all clients of a route were served before, or redirected."""
    return any(one.kind != "answered" and route.audience.within(one.audience) for one in was)


@effect("Ingress", "Service", risk="update")
def attribute_removed(change: Change, _: Comparison) -> Findings:
    """AWS keeps the value of an attribute that is no longer written."""
    for field in change.at(*_ANNOTATIONS):
        if field.after is ABSENT and field.path[-2].endswith("-attributes"):
            name, row = field.path[-1], row_of(change, field)
            remedy = f"write the default, {name}={row.default}" if row and row.default else "set it"
            text = f"{name} stays {field.before}: AWS keeps what is no longer written; {remedy}"
            yield Finding(MEDIUM, text, (field,))


def _changes(was: Mapping[str, Outcome], now: Mapping[str, Outcome]) -> Iterator[Changed]:
    """The changed outcomes of an origin."""
    groups: dict[tuple[Outcome, Outcome], list[str]] = defaultdict(list)
    for path in dict.fromkeys([*now, *was]):
        before, after = was.get(path, ()), now.get(path, ())
        if [route.outcome for route in before] != [route.outcome for route in after]:
            groups[before, after].append(path)
    served = [path for path, outcome in now.items() if any(r.kind == "served" for r in outcome)]
    for (before, after), paths in groups.items():
        changed = Changed(before, after, _brief(paths), _brief(served))
        most = _OTHERS in paths and _OTHERS not in served and changed.served
        yield changed if most else changed._replace(kept=())


def _brief(paths: Iterable[str]) -> tuple[str, ...]:
    """Without the paths that another one with `…` includes."""
    open_ended = [path.removesuffix("…") for path in paths if path.endswith("…")]
    return tuple(
        path
        for path in paths
        if not any(path.startswith(start) and path != f"{start}…" for start in open_ended)
    )


def _paths(comparison: Comparison) -> Mapping[str, Iterable[str]]:
    """The paths to compare, by host: those of both sides, and others around them."""
    found: dict[str, dict[str, None]] = {}
    sides = (comparison.before, comparison.after)
    for balancer in chain.from_iterable(map(load_balancers, sides)):
        if not balancer.reads.isdisjoint(comparison.changes):
            found |= {host: {"/": None, _OTHERS: None} for host in balancer.hosts}
    for balancer, host in chain.from_iterable(_serving(side, found) for side in sides):
        for rule in chain.from_iterable(balancer.listeners.values()):
            if matches(rule.hosts, _spelled(host)):
                found[host] |= dict.fromkeys(chain.from_iterable(map(_around, rule.paths)))
    return found


def _serving(objects: Objects, hosts: Iterable[str]) -> Iterator[tuple[LoadBalancer, str]]:
    """The load balancers that name each host, or else those with a pattern for it."""
    balancers = load_balancers(objects)
    named = set[str]().union(*(balancer.hosts for balancer in balancers))
    for balancer in balancers:
        for host in hosts:
            patterned = host not in named and matches(balancer.hosts, _spelled(host))
            if patterned or host in balancer.hosts:
                yield balancer, host


def _around(pattern: str) -> tuple[str, ...]:
    """A path that a pattern matches, with a slash, below and beside it."""
    stem = f"/{pattern.lstrip('/')}".rstrip("*").rstrip("/")
    path = stem.replace("*", "…").replace("?", "…")
    return (path, f"{path}/", f"{path}/…", f"{path}…") if path else ()


def _spelled(host: str) -> str:
    """A host that a pattern with a wildcard matches."""
    return host.replace("*", "…")


def _outcomes(objects: Objects, paths: Mapping[str, Iterable[str]]) -> Outcomes:
    found: dict[str, dict[str, Outcome]] = defaultdict(dict)
    for balancer, host in _serving(objects, paths):
        for listener in balancer.listeners:
            outcomes = found[_origin(listener, host)]
            for path in paths[host]:
                routes = balancer.routes(listener, _spelled(host), path)
                outcomes[path] = tuple(dict.fromkeys((*outcomes.get(path, ()), *routes)))
    return found


def _origin(listener: Listener, host: str) -> str:
    protocol, port = listener
    if not protocol:
        return host
    place = "" if _DEFAULT_PORTS.get(protocol) == port else f":{port}"
    return f"{protocol.lower()}://{host}{place}"
