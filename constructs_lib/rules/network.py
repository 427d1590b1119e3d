"""Rules for network policies and Services: only declared connections are open."""

from constructs_lib.manifests import network
from constructs_lib.manifests.network import PEERS, Peer, PolicyRule, policy_rules, selects_pods
from constructs_lib.manifests.objects import Object, Objects, at, selects
from constructs_lib.manifests.workload import Workload, selected
from constructs_lib.model import Manifest
from constructs_lib.rules.model import PODS, Problem, Problems, Rendered, rule

NAMESPACE_NAME = "kubernetes.io/metadata.name"
_INSIDE = ("ClusterIP", "ExternalName")


@rule(PODS, risk="exposure", remedy="select its pods with a NetworkPolicy of both policyTypes")
def non_isolated_pod(workload: Workload, rendered: Rendered) -> Problems:
    """A pod that no policy selects accepts all connections and can connect anywhere."""
    if network.rules_of(rendered.objects, workload, "Ingress") is None:
        yield "every pod can connect to its pods"
    if network.rules_of(rendered.objects, workload, "Egress") is None:
        yield "its pods can connect to any address"


@rule(
    "Namespace",
    risk="exposure",
    remedy="use the Namespace construct, or add a policy that selects every pod",
    reviewed_by_field=True,
)
def missing_default_deny(namespace: Object, rendered: Rendered) -> Problems:
    """A pod that someone adds by hand must start without open connections."""
    closed = {
        direction
        for policy in rendered.objects.of_kinds("NetworkPolicy")
        if policy.namespace == namespace.name and not policy.spec.get("podSelector")
        for direction in network.directions(policy.manifest)
        if not policy_rules(policy, direction)
    }
    for direction in PEERS:
        if direction not in closed:
            yield f"no NetworkPolicy denies {direction.lower()} for all pods by default"


@rule(
    "NetworkPolicy",
    risk="exposure",
    remedy="set policyTypes: [Ingress, Egress]",
    reviewed_by_field=True,
)
def unrestricted_direction(policy: Object, _: Rendered) -> Problems:
    """A direction missing from policyTypes stays open unless another policy closes it."""
    for direction in PEERS:
        if direction not in network.directions(policy.manifest):
            yield f"does not restrict {direction.lower()}"


@rule(
    "NetworkPolicy",
    risk="exposure",
    remedy="open a port that a container declares, to pods by label or to the load balancer",
    reviewed_by_field=True,
)
def unserved_open_port(policy: Object, rendered: Rendered) -> Problems:
    """A port that is open but not served widens the attack surface."""
    objects = rendered.objects
    pods = selected(objects, policy.namespace, policy.spec.get("podSelector"))
    for opened in policy_rules(policy, "Ingress"):
        for port in opened.ports or [{}]:
            number, protocol = port.get("port"), port.get("protocol", "TCP")
            if number is None or port.get("endPort"):
                yield f"opens {'every port' if number is None else 'a range of ports'}"
            elif not all(network.listening(pod, number, protocol) for pod in pods):
                yield f"opens port {number}, but no container listens on it"
            elif not (opened.peers and all(map(selects_pods, opened.peers))) and not all(
                number in network.ports_from_outside(objects).get(pod.key, ()) for pod in pods
            ):
                yield f"opens port {number} to all addresses, but no load balancer sends to it"
        yield from (text for peer in opened.peers for text in _unmatched(opened, peer, objects))


def _unmatched(opened: PolicyRule, peer: Peer, objects: Objects) -> Problems:
    """Report a peer that matches no pods of a declared namespace, or every pod of one."""
    if not selects_pods(peer):
        return
    spaces = _namespaces(opened, peer, objects)
    labels = at(peer, "podSelector")
    if not labels and "namespaceSelector" in peer:
        yield Problem("allows every pod of a namespace as a peer", "select pods by label")
    elif spaces and not any(selected(objects, space, labels) for space in spaces):
        stated = ", ".join(f"{key}={value}" for key, value in at(labels, "matchLabels").items())
        yield f"has a peer that matches no pods ({stated})"


def _namespaces(opened: PolicyRule, peer: Peer, objects: Objects) -> list[str]:
    """The declared namespaces that a peer selects."""
    selector = peer.get("namespaceSelector")
    if selector is None:
        return [opened.policy.namespace]
    return [
        item.name
        for item in objects.of_kinds("Namespace")
        if selects(selector, {**item.labels, NAMESPACE_NAME: item.name})
    ]


@rule("NetworkPolicy", risk="downtime", remedy="open the port on both sides, as Calls does")
def one_sided_connection(policy: Object, rendered: Rendered) -> Problems:
    """A connection works only if the policies of both ends allow it."""
    objects = rendered.objects
    sources = selected(objects, policy.namespace, policy.spec.get("podSelector"))
    for opened in policy_rules(policy, "Egress"):
        for peer in opened.peers:
            yield from _unmatched(opened, peer, objects)
            for space in _namespaces(opened, peer, objects) if selects_pods(peer) else ():
                for target in selected(objects, space, peer.get("podSelector")):
                    for port in opened.ports:
                        if not _admits(objects, target, sources, port):
                            yield (
                                f"opens port {port.get('port')} of {target.key}, but the policy of "
                                "that workload does not allow it"
                            )


def _admits(objects: Objects, target: Workload, sources: list[Workload], port: Manifest) -> bool:
    """Whether the policies of a workload admit all sources on a port."""
    rules = network.rules_of(objects, target, "Ingress")
    number, protocol = port.get("port"), port.get("protocol", "TCP")
    return rules is None or all(
        any(rule.has_port(number, protocol) and _has_peer(rule, one, objects) for rule in rules)
        for one in sources
    )


def _has_peer(opened: PolicyRule, source: Workload, objects: Objects) -> bool:
    return not opened.peers or any(
        selects_pods(peer)
        and source.namespace in _namespaces(opened, peer, objects)
        and selects(peer.get("podSelector"), source.pod_labels)
        for peer in opened.peers
    )


@rule(
    "Service", risk="exposure", remedy="use type ClusterIP, and an Ingress", reviewed_by_field=True
)
def exposed_service(service: Object, _: Rendered) -> Problems:
    """A Service that is exposed directly bypasses the load balancer's TLS and rules."""
    if service.spec.get("type", "ClusterIP") not in _INSIDE:
        yield f"is exposed outside the cluster (type {service.spec['type']})"
    if service.spec.get("externalIPs"):
        yield "listens on external addresses (externalIPs)"
