"""Samples pods and endpoints during a rollout."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from local_cluster.cluster import Cluster, Object
from local_cluster.waiting import repeating

EVERY_SECONDS = 0.1


@dataclass(frozen=True)
class Sample:
    """The state of a service at one time."""

    at: float
    """Seconds on the monotonic clock."""
    ready: int
    """The number of ready endpoints."""
    pods: int
    """The number of pods, including terminating ones."""
    terminating: int


@dataclass
class Samples:
    """All samples of a service during a rollout."""

    taken: list[Sample] = field(default_factory=list)

    @property
    def fewest_ready(self) -> int:
        return min(sample.ready for sample in self.taken)

    @property
    def most_pods(self) -> int:
        """The maximum number of pods, including terminating ones."""
        return max(sample.pods for sample in self.taken)

    @property
    def most_wanted_pods(self) -> int:
        """The maximum number of pods without terminating ones, as maxSurge counts them."""
        return max(sample.pods - sample.terminating for sample in self.taken)

    @property
    def longest_gap(self) -> float:
        """The maximum seconds between two samples; shorter dips may be missed."""
        times = [sample.at for sample in self.taken]
        return max((later - earlier for earlier, later in pairwise(times)), default=0)

    def __str__(self) -> str:
        return (
            f"at least {self.fewest_ready} endpoints ready, at most {self.most_wanted_pods} pods "
            f"({self.most_pods} with terminating ones) in {len(self.taken)} samples, "
            f"at most {self.longest_gap:.1f} s apart"
        )


@contextmanager
def sampled(cluster: Cluster, namespace: str, app: str, service: str = "") -> Iterator[Samples]:
    """Sample pods with the label `app`, and endpoints of `service` if given, during the block."""
    samples = Samples()

    def look() -> None:
        pods = cluster.list("Pod", namespace, f"app={app}")
        terminating = sum("deletionTimestamp" in pod["metadata"] for pod in pods)
        ready = _ready_endpoints(cluster, namespace, service) if service else 0
        samples.taken.append(Sample(time.monotonic(), ready, len(pods), terminating))

    look()
    with repeating(look, EVERY_SECONDS):
        yield samples


def _ready_endpoints(cluster: Cluster, namespace: str, service: str) -> int:
    slices = cluster.list("EndpointSlice", namespace, f"kubernetes.io/service-name={service}")
    endpoints: list[Object] = [one for each in slices for one in each.get("endpoints") or ()]
    return sum(bool(endpoint["conditions"].get("ready")) for endpoint in endpoints)
