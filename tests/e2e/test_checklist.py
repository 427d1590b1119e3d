"""`ops checklist --cluster` checks services, controllers and DNS resolvers of a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from constructs_lib.model import Manifest
from local_cluster.kubernetes import ZONES
from local_cluster.processes import eventually
from tests.e2e.commands import report
from tests.e2e.conftest import Claimed
from tests.e2e.installed import Installed


def results(installation: Installed, *names: str) -> list[tuple[str, str]]:
    """Outcome and detail of the named checks of the cluster."""
    cluster = report(installation, "checklist", "nebula", "--cluster", "--json", status=1)
    return [
        (result["outcome"], result["detail"])
        for result in cluster["cluster"]
        if result["name"] in names
    ]


@contextmanager
def running(
    installation: Installed, kind: str, name: str, image: str, *args: str, label: str = ""
) -> Iterator[None]:
    """Run a workload in kube-system during the block."""
    labels = {"k8s-app": label or name}
    containers = [{"name": name, "image": image, "args": list(args)}]
    installation.cluster.apply(
        {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": "kube-system"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
            },
        }
    )
    try:
        yield
    finally:
        installation.cluster.delete(kind, name, "kube-system")


def test_the_checklist_checks_the_cluster(installation: Installed, claim: Claimed) -> None:
    with claim("`ops checklist --cluster`: reports synced services and missing controllers"):
        checked = report(installation, "checklist", "--aws", "--cluster", "--json", status=1)
        for items in checked["services"].values():
            assert {item["outcome"] for item in items if item["item"] in (3, 5)} == {"passed"}
        cluster = {(result["name"], result["outcome"]) for result in checked["cluster"]}
        assert {("arm64 nodes", "passed"), ("Reloader", "failed")} <= cluster
        details = {
            result["detail"]
            for result in checked["cluster"]
            if result["name"] == "External Secrets"
        }
        assert "ClusterSecretStore aws-ssm is ready" in details
    with claim("`ops checklist --cluster`: detects a controller that runs"):
        image = "ghcr.io/stakater/reloader:v1.4.0"
        with running(installation, "Deployment", "reloader", image):
            eventually("Reloader", lambda: results(installation, "Reloader")[0][0] == "passed")


def test_the_checklist_suggests_the_dns_setting(installation: Installed, claim: Claimed) -> None:
    def dns() -> list[tuple[str, str]]:
        return results(installation, "Cluster DNS")

    with claim("`ops checklist --cluster`: a cluster without DNS"):
        assert results(installation, "Address family") == [("passed", "IPv4")]
        ((outcome, detail),) = dns()
        assert outcome == "failed"
        assert "the NetworkPolicies allow no working DNS server" in detail
    with claim("... pods of kube-dns, and NodeLocal DNSCache at two addresses"):
        image = "registry.k8s.io/dns/k8s-dns-node-cache:1.26"
        with running(installation, "Deployment", "coredns", "coredns:1.12", label="kube-dns"):
            eventually("DNS seen", lambda: dns()[0][0] == "passed")
            for address, wanted in (("169.254.20.10", "passed"), ("169.254.20.25", "failed")):
                with running(
                    installation, "DaemonSet", "node-local-dns", image, "-localip", address
                ):
                    *_, (outcome, detail) = dns()
                    assert outcome == wanted
                    assert f"NodeLocal DNSCache answers at {address}" in detail
        setting = 'Set dns_addresses=("169.254.20.10", "169.254.20.25") in catalogue/target.py'
        assert "all pods would lose DNS" in detail
        assert setting in detail
    with claim("... nodes of EKS Auto Mode, and no pods of kube-dns"):
        eventually("no pod of kube-dns", lambda: dns()[0][0] == "failed")
        label(installation, "auto")
        try:
            ((outcome, detail),) = dns()
        finally:
            label(installation, None)
        kubernetes = installation.cluster.get("Service", "kubernetes", "default") or {}
        tenth = kubernetes["spec"]["clusterIP"].rpartition(".")[0] + ".10"
        assert outcome == "failed"
        assert f"EKS Auto Mode answers at {tenth}" in detail
        assert f'dns_addresses=("169.254.20.10", "{tenth}")' in detail


def label(installation: Installed, mode: str | None) -> None:
    """Label a node as EKS Auto Mode does."""
    change: Manifest = {"metadata": {"labels": {"eks.amazonaws.com/compute-type": mode}}}
    installation.cluster.patch("Node", f"arm64-{ZONES[0]}", None, change)
