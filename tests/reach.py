"""The intended connections: questions for every workload, and the expected answers.

The answers follow from what the charts declare, so that a new service needs no entry.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

from catalogue.platform import current
from charts import registry
from constructs_lib.kubernetes import WebService
from constructs_lib.kubernetes.workload import ProgramConstruct
from constructs_lib.model import Calls, Egress, Manifest
from tests.network import EVALUATORS, Endpoint, Network

LOAD_BALANCER = Endpoint("10.0.50.7")
"""An address in a subnet of the load balancers."""
PUBLIC = Endpoint("93.184.216.34")
PRIVATE = {
    "10/8": Endpoint("10.9.9.9"),
    "100.64/10": Endpoint("100.64.9.9"),
    "172.16/12": Endpoint("172.31.9.9"),
    "192.168/16": Endpoint("192.168.9.9"),
}
METADATA = Endpoint("169.254.169.254")
KUBE_DNS = Endpoint("10.0.0.10", "kube-system", {"k8s-app": "kube-dns"})
NODE_CACHE = Endpoint("169.254.20.10")
AUTO_MODE = Endpoint("172.20.0.10")
OTHER_RESOLVER = Endpoint("169.254.20.25")


@dataclass(frozen=True)
class Question:
    """Whether a source may connect to a target, and the expected answer."""

    text: str
    source: Endpoint
    target: Endpoint
    port: int
    expected: bool
    protocol: str = "TCP"


def questions(
    pods: Mapping[str, Endpoint], *, auto_mode: bool = False, subnets: bool = False
) -> Iterator[Question]:
    """All questions about these pods, which are keyed by workload name.

    auto_mode: whether the cluster target includes the DNS address of EKS Auto Mode.
    subnets: whether the subnets of the load balancers are set.
    """
    balanced = behind_load_balancers()
    for app, pod in pods.items():
        port = _port(app)
        yield Question(f"load balancer -> {app}", LOAD_BALANCER, pod, port, app in balanced)
        yield from _dns(app, pod, auto_mode=auto_mode)
        for place, address in {"public": PUBLIC, **PRIVATE}.items():
            yield from _outside(app, pod, place, address)
        for port in (53, 80, 443, 8443):
            yield Question(
                f"{app} -> instance metadata {port}", pod, METADATA, port, expected=False
            )
        for other, target in pods.items():
            if other != app:
                called = _calls(app, other, subnets=subnets)
                yield Question(f"{app} -> {other}", pod, target, _port(other), called)


@cache
def declared() -> dict[str, ProgramConstruct]:
    """The workloads of all charts, by name."""
    found: dict[str, ProgramConstruct] = {}
    create = ProgramConstruct.__init__

    def recorded(self: ProgramConstruct, scope: Any, name: str, *arguments: Any) -> None:
        found[name] = self
        create(self, scope, name, *arguments)

    with patch.object(ProgramConstruct, "__init__", recorded):
        registry.build(current())
    return found


def behind_load_balancers() -> dict[str, int]:
    """The ports that load balancers call, by workload."""
    return {
        name: one.port
        for name, one in declared().items()
        if isinstance(one, WebService) and one.alb
    }


def _port(app: str) -> int:
    """The port of the program, or one that is closed."""
    main = next(iter(declared()[app].containers.values()))
    return main.port or 9090


def _egress(app: str) -> list[Egress | Calls]:
    programs = declared()[app].programs
    return [rule for program in programs.values() for rule in program.egress]


def _opens(app: str, port: int, protocol: str = "TCP", *, public: bool) -> bool:
    """Whether the workload declares connections to this port of public or private addresses."""
    return any(
        (public or rule.to == "anywhere")
        and protocol in rule.protocols
        and port in (rule.ports or (port,))
        for rule in _egress(app)
        if isinstance(rule, Egress)
    )


def _calls(app: str, other: str, *, subnets: bool) -> bool:
    """Whether the caller declares the connection and the called workload admits it."""
    caller, called = declared()[app], declared()[other]
    for rule in _egress(app):
        if isinstance(rule, Calls) and (rule.service, rule.port) == (other, "http"):
            return (rule.namespace or caller.chart.namespace) == called.chart.namespace
    if not isinstance(called, WebService) or not _opens(app, called.port, public=False):
        return False
    return not subnets if called.alb else caller.chart.namespace == called.chart.namespace


def wrong(objects: Sequence[Manifest], asked: Iterable[Question]) -> dict[str, list[str]]:
    """The questions with an unexpected answer, by evaluator."""
    networks = {name: Network(objects, evaluator) for name, evaluator in EVALUATORS.items()}
    asked = list(asked)
    return {
        name: [
            one.text
            for one in asked
            if network.allows(one.source, one.target, one.port, one.protocol) != one.expected
        ]
        for name, network in networks.items()
    }


def _dns(app: str, pod: Endpoint, *, auto_mode: bool) -> Iterator[Question]:
    for name, resolver, expected in (
        ("the pods of kube-dns", KUBE_DNS, True),
        ("NodeLocal DNSCache", NODE_CACHE, True),
        ("EKS Auto Mode", AUTO_MODE, auto_mode),
        ("another resolver of the node", OTHER_RESOLVER, False),
    ):
        for protocol in ("UDP", "TCP"):
            yield Question(f"{app} -> {name}, {protocol}", pod, resolver, 53, expected, protocol)
        yield Question(f"{app} -> {name}, 9153", pod, resolver, 9153, expected=False)


def _outside(app: str, pod: Endpoint, place: str, address: Endpoint) -> Iterator[Question]:
    for what, port, protocol in (
        ("ClickHouse", 8443, "TCP"),
        ("ClickHouse, native", 9440, "TCP"),
        ("web servers and nodes", 443, "TCP"),
        ("execution nodes", 8545, "TCP"),
        ("beacon nodes", 5052, "TCP"),
        ("SSH", 22, "TCP"),
        ("30303/UDP", 30303, "UDP"),
    ):
        declares = _opens(app, port, protocol, public=place == "public")
        yield Question(f"{app} -> {what}, {place}", pod, address, port, declares, protocol)
