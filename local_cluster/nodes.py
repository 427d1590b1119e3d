"""The nodes of the cluster, simulated by kwok without machines and kubelets."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from local_cluster.aws import REGION
from local_cluster.cluster import Cluster, Object

STAGES = Path(__file__).with_name("kwok.yaml")
ZONES = tuple(f"{REGION}{letter}" for letter in "abc")


@dataclass(frozen=True)
class Pace:
    """Durations of the pod lifecycle, in seconds. They replace probes and preStop hooks."""

    seconds_to_ready: float = 3
    """From running to ready; long enough for tests that sample."""
    seconds_to_complete: float = 2
    """How long a pod of a Job runs, unless the annotation `test/seconds` is set."""
    longest_termination: float = 6
    """The upper limit of a deleted pod's grace period."""

    def stages(self) -> str:
        """The kwok configuration."""
        stages = {one["metadata"]["name"]: one for one in yaml.safe_load_all(STAGES.read_text())}
        ready = stages["pod-ready"]["spec"]["delay"]
        ready["durationMilliseconds"] = int(self.seconds_to_ready * 1000)
        for name, word, seconds in (
            ("pod-complete", "SECONDS", self.seconds_to_complete),
            ("pod-fail", "SECONDS", self.seconds_to_complete),
            ("pod-delete", "LONGEST", self.longest_termination),
        ):
            delay = stages[name]["spec"]["delay"]["durationFrom"]["jq"]
            delay["expression"] = delay["expression"].replace(word, str(seconds))
        return yaml.safe_dump_all(stages.values())


NORMAL_PACE = Pace()


def add_nodes(cluster: Cluster) -> None:
    """Add an arm64 node in each of three zones, and an amd64 node that pods must not run on."""
    for zone in ZONES:
        _add(cluster, _node(f"arm64-{zone}", "arm64", zone))
    _add(cluster, _node("amd64", "amd64", ZONES[0]))


def _node(name: str, architecture: str, zone: str) -> Object:
    """A node with the size of an m7g.4xlarge and the AWS network plugin's limit of 58 pods."""
    capacity = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "100Gi", "pods": "58"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/arch": architecture,
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/region": REGION,
                "topology.kubernetes.io/zone": zone,
            },
        },
        "status": {"allocatable": capacity, "capacity": capacity},
    }


def _add(cluster: Cluster, node: Object) -> None:
    cluster.apply({key: node[key] for key in ("apiVersion", "kind", "metadata")})
    cluster.apply(node, subresource="status")
