"""The intended connections: questions for every workload, and the expected answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from constructs_lib.manifests.network import Endpoint, Network
from constructs_lib.manifests.readings import READINGS

LOAD_BALANCER = Endpoint("10.0.50.7")
"""An address in a subnet of the load balancers."""
PUBLIC = Endpoint("93.184.216.34")
PRIVATE = {
    cidr: Endpoint(address)
    for cidr, address in {
        "10/8": "10.9.9.9",
        "100.64/10": "100.64.9.9",
        "172.16/12": "172.31.9.9",
        "192.168/16": "192.168.9.9",
    }.items()
}
METADATA = Endpoint("169.254.169.254")
KUBE_DNS = Endpoint("10.0.0.10", "kube-system", {"k8s-app": "kube-dns"})
NODE_CACHE = Endpoint("169.254.20.10")
AUTO_MODE = Endpoint("172.20.0.10")
OTHER_RESOLVER = Endpoint("169.254.20.25")

WEB = {"cerebro-api": 8000, "cerebro-mcp": 8000, "metrics-dashboard": 8080}
CRAWLER = "nebula"
BEACON = {"beacon-indexer-realtime", "beacon-indexer-validators"}
EXECUTION = {"cryo-indexer", "cryo-indexer-auto-maintain"}
PUBLIC_HTTPS = {
    *BEACON,
    *EXECUTION,
    CRAWLER,
    "cerebro-api",
    "cerebro-mcp",
    "click-runner-coingecko",
    "click-runner-cow",
    "click-runner-defillama",
    "click-runner-governance-forum",
    "click-runner-governance-snapshot",
    "ip-crawler",
}


@dataclass(frozen=True)
class Question:
    """Whether a source may connect to a target, and the expected answer."""

    text: str
    source: Endpoint
    target: Endpoint
    port: int
    expected: bool
    protocol: str = "TCP"


def questions(pods: Mapping[str, Endpoint], *, auto_mode: bool = False) -> Iterator[Question]:
    """All questions about these pods, which are keyed by workload name.

    auto_mode: whether the cluster target includes the DNS address of EKS Auto Mode.
    """
    for app, pod in pods.items():
        port = WEB.get(app, 9090)
        yield Question(f"load balancer -> {app}", LOAD_BALANCER, pod, port, app in WEB)
        yield from _dns(app, pod, auto_mode=auto_mode)
        for place, address in {"public": PUBLIC, **PRIVATE}.items():
            yield from _outside(app, pod, place, address)
        for port in (53, 80, 443, 8443):
            yield Question(
                f"{app} -> instance metadata {port}", pod, METADATA, port, expected=False
            )
        for other, target in pods.items():
            if other != app:
                port = WEB.get(other, 9090)
                yield Question(f"{app} -> {other}", pod, target, port, expected=False)


def wrong(objects: Sequence[Mapping[str, Any]], asked: Iterable[Question]) -> dict[str, list[str]]:
    """The questions with an unexpected answer, by reading of the policies."""
    networks = {name: Network(objects, reading) for name, reading in READINGS.items()}
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
            yield Question(f"{app} -> {name}", pod, resolver, 53, expected, protocol)
        yield Question(f"{app} -> {name}, 9153", pod, resolver, 9153, expected=False)


def _outside(app: str, pod: Endpoint, place: str, address: Endpoint) -> Iterator[Question]:
    everywhere = app == CRAWLER and place == "public"
    node = app in BEACON | EXECUTION
    for what, port, expected in (
        ("ClickHouse", 8443, app != CRAWLER or everywhere),
        ("ClickHouse, native", 9440, app == CRAWLER),
        ("web servers and nodes", 443, node or (place == "public" and app in PUBLIC_HTTPS)),
        ("execution nodes", 8545, app in EXECUTION or everywhere),
        ("beacon nodes", 5052, app in BEACON or everywhere),
        ("SSH", 22, everywhere),
    ):
        yield Question(f"{app} -> {what}, {place}", pod, address, port, expected)
    yield Question(f"{app} -> 30303/UDP, {place}", pod, address, 30303, everywhere, "UDP")
