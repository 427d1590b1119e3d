"""`make cluster`: it gets ready, syncs changes, and removes everything when interrupted."""

import signal
import subprocess
import time
from pathlib import Path

from local_cluster.processes import command
from tests.conftest import edit
from tests.e2e.conftest import Claimed
from tests.e2e.local_clusters import READY, running

TIMES = (0.1, 1, 2, 3.5, 5, 7, 9, 12, 16, 22)
"""Seconds after the start: imports, etcd, API server, CRDs, controllers, bootstrap, deployment."""


def test_a_local_cluster(checkout: Path, claim: Claimed) -> None:
    with (
        claim("`make cluster`: gets ready, syncs dist/, and leaves nothing behind") as measured,
        running(checkout, checkout.with_name("temporary"), "--every=1") as cluster,
    ):
        started = time.monotonic()
        output = cluster.wait_for(READY)
        measured(f"ready in {time.monotonic() - started:.0f} s")
        assert "probes, logs and addresses do not work" in output

        def kubectl(*arguments: str) -> str:
            """Run kubectl as the printed instructions describe."""
            words = [command("kubectl"), *arguments]
            return subprocess.check_output(words, env=cluster.environment(), text=True)

        assert "cluster-" in kubectl("config", "view")
        listed = kubectl("get", "applications", "--namespace=argocd", "--no-headers")
        assert {tuple(line.split()[1:]) for line in listed.splitlines()} == {("Synced", "Healthy")}
        edit(checkout / "dist/crawlers/nebula.k8s.yaml", "replicas: 1", "replicas: 0")
        cluster.wait_for("Synced and Healthy in")
        replicas = "--output=jsonpath={.spec.replicas}"
        assert kubectl("get", "deployment/nebula", "--namespace=crawlers", replicas) == "0"
        assert len(cluster.left) > 10, "running processes are detected"
        assert cluster.interrupt() == 0
        assert cluster.log.read_text().endswith("Stopped. All processes and files are removed.\n")
        assert cluster.left == []


def test_an_interrupted_start_leaves_nothing(checkout: Path, claim: Claimed) -> None:
    with claim(f"`make cluster`: Ctrl-C at {len(TIMES)} times leaves no process and no file"):
        for number, seconds in enumerate(TIMES):
            temporary = checkout.with_name(f"temporary-{number}")
            with running(checkout, temporary, "--taken-over") as cluster:
                time.sleep(seconds)
                status = cluster.interrupt()
                assert (status, cluster.left) in ((130, []), (-signal.SIGINT, []), (0, [])), (
                    f"after {seconds} s: {status}, {cluster.left}, {cluster.log.read_text()}"
                )
