"""Samples pods and endpoints during a rollout."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from local_cluster.kubernetes import Cluster
from ops.errors import ClusterError

_EVERY_SECONDS = 0.1


@dataclass
class Samples:
    """The extremes of a service during a rollout."""

    count: int = 0
    fewest_ready: int = 1000
    """The minimum number of ready endpoints."""
    most_pods: int = 0
    """The maximum number of pods, including terminating ones."""
    most_wanted_pods: int = 0
    """The maximum number of pods without terminating ones, as maxSurge counts them."""
    longest_gap: float = 0
    """The maximum seconds between two samples; shorter dips may be missed."""
    _last: float = 0

    def add(self, ready: int, pods: int, wanted: int) -> None:
        now = time.monotonic()
        if self.count:
            self.longest_gap = max(self.longest_gap, now - self._last)
        self.count, self._last = self.count + 1, now
        self.fewest_ready = min(self.fewest_ready, ready)
        self.most_pods = max(self.most_pods, pods)
        self.most_wanted_pods = max(self.most_wanted_pods, wanted)

    def __str__(self) -> str:
        return (
            f"at least {self.fewest_ready} endpoints ready, at most {self.most_wanted_pods} pods "
            f"({self.most_pods} with terminating ones) in {self.count} samples, "
            f"at most {self.longest_gap:.1f} s apart"
        )


@contextmanager
def repeating(action: Callable[[], None], every: float) -> Iterator[None]:
    """Call an action every `every` seconds while the block runs.

    Errors are raised at the end of the block, except those of an unavailable API server.
    """
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(every):
            # the API server is down or the object has changed: the next call retries
            with suppress(ClusterError):
                action()

    with ThreadPoolExecutor(1) as thread:
        repeated = thread.submit(repeat)
        try:
            yield
        finally:
            ended.set()
        repeated.result()


@contextmanager
def sampled(cluster: Cluster, namespace: str, app: str, service: str = "") -> Iterator[Samples]:
    """Sample pods with the label `app`, and endpoints of `service` if given, during the block."""
    samples = Samples()
    name = f"kubernetes.io/service-name={service}"

    def look() -> None:
        pods = cluster.list("Pod", namespace, f"app={app}")
        slices = cluster.list("EndpointSlice", namespace, name) if service else ()
        endpoints = [endpoint for part in slices for endpoint in part.get("endpoints") or ()]
        ready = [endpoint for endpoint in endpoints if endpoint["conditions"].get("ready")]
        wanted = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        samples.add(len(ready), len(pods), len(wanted))

    look()
    with repeating(look, _EVERY_SECONDS):
        yield samples
