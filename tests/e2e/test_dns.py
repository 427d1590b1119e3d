"""`ops checklist --cluster` detects the DNS resolvers of a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from local_cluster.cluster import Object
from local_cluster.installation import Installation
from local_cluster.nodes import ZONES
from local_cluster.waiting import eventually
from tests.e2e.commands import ops
from tests.e2e.conftest import Claimed

_NODE = f"arm64-{ZONES[0]}"
_AUTO_MODE = "eks.amazonaws.com/compute-type"


def results(installation: Installation) -> list[tuple[str, str]]:
    """Outcome and detail of the checks of DNS and address family."""
    done = ops(installation, "checklist", "nebula", "--cluster", "--json")
    cluster = json.loads(done.stdout)["cluster"]
    return [
        (one["outcome"], one["detail"])
        for one in cluster
        if one["name"] in ("Cluster DNS", "Address family")
    ]


def workload(kind: str, name: str, label: str, image: str, *args: str) -> Object:
    labels = {"k8s-app": label}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": name, "image": image, "args": list(args)}]},
            },
        },
    }


@contextmanager
def applied(installation: Installation, obj: Object) -> Iterator[None]:
    installation.cluster.apply(obj)
    try:
        yield
    finally:
        installation.cluster.delete(obj["kind"], obj["metadata"]["name"], "kube-system")


CORE_DNS = workload("Deployment", "coredns", "kube-dns", "coredns:1.12")
IMAGE = "registry.k8s.io/dns/k8s-dns-node-cache:1.26"


def test_the_checklist_suggests_the_dns_setting(installation: Installation, claim: Claimed) -> None:
    family = ("passed", "IPv4")
    with claim("`ops checklist --cluster`: a cluster without DNS"):
        (first, (outcome, detail)) = results(installation)
        assert first == family
        assert outcome == "failed"
        assert "the NetworkPolicies allow no working DNS server" in detail
    with claim("... pods of kube-dns, and NodeLocal DNSCache at two addresses"):
        with applied(installation, CORE_DNS):
            eventually("DNS seen", lambda: results(installation)[1][0] == "passed")
            for address, wanted in (("169.254.20.10", "passed"), ("169.254.20.25", "failed")):
                cache = workload(
                    "DaemonSet", "node-local-dns", "node-local-dns", IMAGE, "-localip", address
                )
                with applied(installation, cache):
                    *_, (outcome, detail) = results(installation)
                    assert outcome == wanted
                    assert f"NodeLocal DNSCache answers at {address}" in detail
        setting = 'Set dns_addresses=("169.254.20.10", "169.254.20.25") in catalogue/target.py'
        assert "all pods would lose DNS" in detail
        assert setting in detail
    with claim("... nodes of EKS Auto Mode, and no pods of kube-dns"):
        eventually("no pod of kube-dns", lambda: results(installation)[1][0] == "failed")
        installation.cluster.patch(
            "Node", _NODE, None, {"metadata": {"labels": {_AUTO_MODE: "auto"}}}
        )
        try:
            (_, (outcome, detail)) = results(installation)
        finally:
            installation.cluster.patch(
                "Node", _NODE, None, {"metadata": {"labels": {_AUTO_MODE: None}}}
            )
        first_address = installation.cluster.get("Service", "kubernetes", "default")
        assert first_address
        tenth = first_address["spec"]["clusterIP"].rpartition(".")[0] + ".10"
        assert outcome == "failed"
        assert f"EKS Auto Mode answers at {tenth}" in detail
        assert f'dns_addresses=("169.254.20.10", "{tenth}")' in detail
