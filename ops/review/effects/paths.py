"""The paths of hosts, and which of their changes the review can follow."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.routes import ACTION, answers_itself, paths_by_rule
from constructs_lib.model import Manifest

ANY_HOST = "*"
_PLAIN_TYPES = {"Exact", "Prefix"}
_WILDCARDS = {"*", "?"}
_OWN_ANSWERS = ("fixed-response", "redirect")
"""The actions that reach no Service."""
_UNKNOWN_ACTION = "the action"


class HostPath(NamedTuple):
    """A path of a host."""

    path: str
    type: str
    answer: str
    """What answers, in words."""

    def __str__(self) -> str:
        return f"{self.path} ({self.type}, {self.answer})"


HostRules = dict[str, list[list[HostPath]]]
"""The rules of each host with their paths, in order."""


def hosts_of(ingress: Object) -> list[str]:
    return [rule[0].host or ANY_HOST for rule in paths_by_rule(ingress)]


def unclear_hosts(was: HostRules, now: HostRules) -> set[str]:
    """Hosts with changed paths for which the longest path does not decide."""
    return {
        host
        for host in was.keys() | now.keys()
        if was.get(host) != now.get(host) and not _is_plain(was.get(host, []), now.get(host, []))
    }


def _is_plain(*sides: list[list[HostPath]]) -> bool:
    """Whether one rule has every path, once, without wildcards and with one plain type."""
    types: dict[str, set[str]] = defaultdict(set)
    every = [path for rules in sides for rule in rules for path in rule]
    for one in every:
        types[one.path].add(one.type)
    return (
        all(len(rules) <= 1 for rules in sides)
        and all(len({one.path for one in rule}) == len(rule) for rules in sides for rule in rules)
        and all(len(of) == 1 and of <= _PLAIN_TYPES for of in types.values())
        and not _WILDCARDS & {*"".join(types)}
        and not any(one.answer.startswith(_UNKNOWN_ACTION) for one in every)
    )


def paths_of(snapshot: Objects) -> HostRules:
    found: HostRules = defaultdict(list)
    for ingress in snapshot.of_kinds("Ingress"):
        for rule in paths_by_rule(ingress):
            found[rule[0].host or ANY_HOST].append(
                [HostPath(path.path, path.type, answer(ingress, path.backend)) for path in rule]
            )
    return found


def answer(ingress: Object, backend: Manifest) -> str:
    """What answers: a Service and port, the load balancer itself, or an action that forwards."""
    if service := named(backend):
        return service
    name = (backend.get("service") or {}).get("name")
    action = ingress.annotations.get(f"{ACTION}{name}", "")
    if any(f'"{type_}"' in action for type_ in _OWN_ANSWERS):
        return "the load balancer"
    return f"{_UNKNOWN_ACTION} {name} {action}".rstrip()


def named(backend: Manifest) -> str | None:
    """`Service cerebro-api:8000`; None if the load balancer itself answers."""
    service = None if answers_itself(backend) else backend.get("service")
    if not service:
        return None
    port = service.get("port") or {}
    return f"Service {service['name']}:{port.get('number', port.get('name'))}"
