"""What a rollout looks like from outside, sampled while it happens."""

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
    """One look at a service."""

    at: float
    """Seconds on the monotonic clock."""
    ready: int
    """Endpoints that a load balancer would send requests to."""
    pods: int
    """Pods that exist, terminating ones included."""
    terminating: int


@dataclass
class Samples:
    """All looks at a service during a rollout."""

    taken: list[Sample] = field(default_factory=list)

    @property
    def fewest_ready(self) -> int:
        return min(sample.ready for sample in self.taken)

    @property
    def most_pods(self) -> int:
        """The most pods at one moment, terminating ones included."""
        return max(sample.pods for sample in self.taken)

    @property
    def most_wanted_pods(self) -> int:
        """The most pods at one moment without terminating ones, as maxSurge counts them."""
        return max(sample.pods - sample.terminating for sample in self.taken)

    @property
    def longest_gap(self) -> float:
        """Seconds between two looks; a dip that is shorter may have been missed."""
        times = [sample.at for sample in self.taken]
        return max((later - earlier for earlier, later in pairwise(times)), default=0)

    def __str__(self) -> str:
        return (
            f"{self.fewest_ready} or more endpoints ready, at most {self.most_wanted_pods} pods "
            f"({self.most_pods} with terminating ones) in {len(self.taken)} samples, "
            f"{self.longest_gap:.1f} s apart or less"
        )


@contextmanager
def sampled(cluster: Cluster, namespace: str, app: str, service: str = "") -> Iterator[Samples]:
    """Sample the pods labelled `app` and their service's endpoints while the block runs.

    service: name of the Service, for pods that have one.
    """
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
