"""`ops jobs` on a real control plane: a manual run never overlaps another run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local_cluster.installation import Installation
from local_cluster.waiting import eventually
from tests.e2e.commands import ops, running_ops
from tests.e2e.conftest import Claimed

NAMESPACE, JOB = "crawlers", "click-runner-ember"
RUN = ("jobs", "run", JOB, "--yes")


@pytest.fixture
def full(installation: Installation) -> Iterator[Installation]:
    """A cluster with cordoned nodes, so that a run starts but does not end."""
    every_node(installation, "cordon")
    yield installation
    every_node(installation, "uncordon")
    for job in runs(installation):
        installation.cluster.delete("Job", job["metadata"]["name"], NAMESPACE)


def every_node(installation: Installation, verb: str) -> None:
    nodes = [node["metadata"]["name"] for node in installation.cluster.list("Node")]
    installation.cluster.kubectl(verb, *nodes)


def runs(installation: Installation) -> list[dict[str, Any]]:
    """The runs of the job in the cluster."""
    return [
        job
        for job in installation.cluster.list("Job", NAMESPACE)
        if any(o["name"] == JOB for o in job["metadata"].get("ownerReferences", ()))
    ]


def test_a_second_run_is_refused_until_the_first_has_ended(
    full: Installation, claim: Claimed
) -> None:
    with claim("`ops jobs run` rejects a second run, and waits for the end of the first"):
        with running_ops(full, *RUN) as first:
            (job,) = eventually("a run", lambda: runs(full))
            name = job["metadata"]["name"]
            second = ops(full, *RUN)
            assert second.returncode == 1
            assert f"{NAMESPACE}/{JOB} is already running: {name}, started" in second.stderr
            assert len(runs(full)) == 1

            every_node(full, "uncordon")
            printed = first.stderr.read()
            assert first.process.wait() == 0, printed
        assert f"{NAMESPACE}/{name} succeeded after" in printed
    with claim("`ops jobs` lists the manual run"):
        listed = json.loads(ops(full, "jobs", "--json").stdout)
        (last,) = [row["last"] for row in listed if row["name"] == JOB]
        assert (last["name"], last["byHand"], last["outcome"]) == (name, True, "succeeded")
