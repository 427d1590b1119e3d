"""Calls inside the cluster, allowed in the NetworkPolicies of both caller and callee."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes import network
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.model import Calls
from constructs_lib.model.platform import nearest

if TYPE_CHECKING:
    from constructs import IConstruct

_Address = tuple[str | None, str]  # namespace and name


@dataclass(frozen=True)
class Endpoint:
    """The pods of a caller or callee, with the label `app: <name>`."""

    name: str
    namespace: str | None
    policy: KubeObject
    """Their NetworkPolicy."""
    ports: Mapping[str, int]
    """The ports of their Service, by name."""


class CallDirectory:
    """The declared callees, and the calls to services that are not declared yet."""

    def __init__(self) -> None:
        self._offered: dict[_Address, Endpoint] = {}
        self._waiting: dict[_Address, list[tuple[Endpoint, Calls]]] = defaultdict(list)

    @classmethod
    def of(cls, construct: IConstruct) -> CallDirectory:
        """The directory of the App that contains `construct`."""
        return nearest(construct, "calls", cls, "is not in an App(platform)")

    def offer(self, callee: Endpoint) -> None:
        """Register `callee`, and connect the callers that were declared before it."""
        address = (callee.namespace, callee.name)
        self._offered[address] = callee
        for caller, rule in self._waiting.pop(address, ()):
            _connect(caller, callee, rule)

    def call(self, caller: Endpoint, rule: Calls) -> None:
        """Connect `caller`, now or when the callee is declared.

        Raises DeclarationError if the callee does not have the port.
        """
        address = (rule.namespace or caller.namespace, rule.service)
        callee = self._offered.get(address)
        if callee:
            _connect(caller, callee, rule)
        else:
            self._waiting[address].append((caller, rule))

    def undeclared(self) -> Iterator[str]:
        """A message for each call to a service that is not declared."""
        for (namespace, name), calls in self._waiting.items():
            for caller, _ in calls:
                yield (
                    f"{caller.policy.namespace}/{caller.name} calls {namespace}/{name}, which is "
                    f"not declared; declared WebServices: {_names(self._offered)}"
                )


def _names(addresses: Mapping[_Address, Endpoint]) -> str:
    return ", ".join(sorted(f"{namespace}/{name}" for namespace, name in addresses)) or "none"


def _connect(caller: Endpoint, callee: Endpoint, rule: Calls) -> None:
    port = callee.ports.get(rule.port)
    if port is None:
        raise DeclarationError(
            f"{caller.name} calls port {rule.port!r} of {callee.name}, but its Service only has "
            f"{', '.join(callee.ports)}; use one of them"
        )
    elsewhere = caller.namespace != callee.namespace
    to = network.pods(callee.name, callee.namespace if elsewhere else None)
    from_ = network.pods(caller.name, caller.namespace if elsewhere else None)
    caller.policy.extend("spec", "egress", item=network.to_pods(to, port))
    callee.policy.extend("spec", "ingress", item=network.from_pods(from_, port))
