"""`make cluster`: ready, followed, and gone without a trace, whenever it is interrupted."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from local_cluster.processes import command
from tests.e2e.conftest import Claimed
from tests.e2e.local_clusters import READY, copy_checkout, running

MOMENTS = (0.1, 1, 2, 3.5, 5, 7, 9, 12, 16, 22)
"""Seconds after the start: imports, etcd, API server, CRDs, controllers, bootstrap, deployment."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout to change dist/ in."""
    return copy_checkout(tmp_path_factory.mktemp("local-cluster") / "checkout")


def kubectl(said: str, *arguments: str) -> str:
    """Kubectl as the person does it who sources what the command names."""
    found = re.search(r"source (\S+)", said)
    assert found
    script = f'. {found[1]} && exec "$0" "$@"'
    done = subprocess.run(["sh", "-c", script, command("kubectl"), *arguments],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_cluster_for_a_person(checkout: Path, claim: Claimed) -> None:
    with (
        claim("`make cluster`: ready, follows dist/, and leaves nothing behind") as measured,
        running(checkout, checkout.with_name("temporary"), "--every=1") as cluster,
    ):
        started = time.monotonic()
        said = cluster.wait_for(READY)
        measured(f"ready in {time.monotonic() - started:.0f} s")
        assert "no probe, log, or address answers" in said
        assert "cluster-" in kubectl(said, "config", "view")
        listed = kubectl(said, "get", "applications", "--namespace=argocd", "--no-headers")
        assert {tuple(line.split()[1:]) for line in listed.splitlines()} == {("Synced", "Healthy")}
        file = checkout / "dist" / "crawlers" / "nebula.k8s.yaml"
        file.write_text(file.read_text().replace("replicas: 1", "replicas: 0"))
        cluster.wait_for("Synced and Healthy in")
        replicas = "--output=jsonpath={.spec.replicas}"
        assert kubectl(said, "get", "deployment/nebula", "--namespace=crawlers", replicas) == "0"
        assert len(cluster.left) > 10, "this sees what runs"
        assert cluster.interrupt() == 0
        assert cluster.log.read_text().endswith("Ended; nothing is left.\n")
        assert cluster.left == []


def test_an_interrupted_start_leaves_nothing(checkout: Path, claim: Claimed) -> None:
    with claim(f"`make cluster`: Ctrl-C at {len(MOMENTS)} moments leaves no process and no file"):
        for number, seconds in enumerate(MOMENTS):
            temporary = checkout.with_name(f"temporary-{number}")
            with running(checkout, temporary, "--taken-over") as cluster:
                time.sleep(seconds)
                status = cluster.interrupt()
                assert (status, cluster.left) in ((130, []), (-signal.SIGINT, []), (0, [])), (
                    f"after {seconds} s: {status}, {cluster.left}, {cluster.log.read_text()}"
                )
