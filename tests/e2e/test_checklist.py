"""`ops checklist --cluster` checks services, controllers and DNS resolvers of a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from local_cluster.kubernetes import ZONES
from local_cluster.processes import eventually
from tests.e2e.conftest import Claimed
from tests.e2e.installed import Installed


def results(installation: Installed, name: str) -> list[tuple[str, str]]:
    """Outcome and detail of a check of the cluster."""
    cluster = installation.report("checklist", "nebula", "--cluster", "--json", status=1)["cluster"]
    return [(check["outcome"], check["detail"]) for check in cluster if check["name"] == name]


@contextmanager
def running(
    installation: Installed, kind: str, name: str, image: str, *args: str, label: str = ""
) -> Iterator[None]:
    """Run a workload in kube-system during the block."""
    labels = {"k8s-app": label or name}
    containers = [{"name": name, "image": image, "args": list(args)}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    installation.cluster.apply(
        {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": "kube-system"},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        }
    )
    try:
        yield
    finally:
        installation.cluster.delete(kind, name, "kube-system")


def test_the_checklist_checks_the_cluster(installation: Installed, claim: Claimed) -> None:
    with claim("`ops checklist --cluster`: reports synced services and missing controllers"):
        checked = installation.report("checklist", "--aws", "--cluster", "--json", status=1)
        for items in checked["services"].values():
            assert {item["outcome"] for item in items if item["item"] in (3, 5)} == {"passed"}
        checks = {
            (check["name"], check["outcome"], check["detail"]) for check in checked["cluster"]
        }
        outcomes = {check[:2] for check in checks}
        assert {("arm64 nodes", "passed"), ("Reloader", "failed")} <= outcomes
        assert ("External Secrets", "ClusterSecretStore aws-ssm is ready") in {
            (name, detail) for name, _, detail in checks
        }
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
        node_cache = ("DaemonSet", "node-local-dns", "k8s-dns-node-cache:1.26", "-localip")
        with running(installation, "Deployment", "coredns", "coredns:1.12", label="kube-dns"):
            eventually("DNS seen", lambda: dns()[0][0] == "passed")
            for address, wanted in (("169.254.20.10", "passed"), ("169.254.20.25", "failed")):
                with running(installation, *node_cache, address):
                    *_, (outcome, detail) = dns()
                    assert outcome == wanted
                    assert f"NodeLocal DNSCache answers at {address}" in detail
    with claim("... nodes of EKS Auto Mode, and no pods of kube-dns"):
        eventually("no pod of kube-dns", lambda: dns()[0][0] == "failed")
        node, mode = f"node/arm64-{ZONES[0]}", "eks.amazonaws.com/compute-type"
        installation.cluster.kubectl("label", node, f"{mode}=auto")
        try:
            ((outcome, detail),) = dns()
        finally:
            installation.cluster.kubectl("label", node, f"{mode}-")
        kubernetes = installation.cluster.get("Service", "kubernetes", "default") or {}
        tenth = kubernetes["spec"]["clusterIP"].rpartition(".")[0] + ".10"
        assert outcome == "failed"
        assert f"EKS Auto Mode answers at {tenth}" in detail
