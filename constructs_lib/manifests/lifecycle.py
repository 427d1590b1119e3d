"""Facts about the life of a pod: its start, its failures, its requests and its end.

The probe numbers and their defaults are those of the API reference:
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Probe
"""

from math import inf

from constructs_lib.manifests.facts import Reading, Readings, fact
from constructs_lib.manifests.objects import Objects, at
from constructs_lib.manifests.workload import WORKLOADS, Workload

_SHORT_START = 30
"""Seconds in which few programs can connect to their databases and start; our estimate."""
_SHORT_HANG, _LONG_HANG = 30, 600
"""A pause of 30 s (garbage collection, a slow disk) is no hang; after 10 min, a person would have
noticed it. Our estimates: the default is 30 s."""
_SHORT_END = 5
"""Seconds in which few programs finish their requests; our estimate. The default is 30 s."""


@fact(*WORKLOADS, risk="downtime")
def time_to_start(workload: Workload, _: Objects) -> Readings:
    """A container that does not answer its startup or liveness probe in time is killed."""
    for container in workload.every_container:
        limit = container.may_start_for
        yield Reading(
            "is killed if it does not answer within {} of its start",
            f"{limit} s" if limit < inf else "any time",
            -limit,
            "high" if limit < _SHORT_START else "medium",
            str(container),
        )


@fact(*WORKLOADS, risk="downtime")
def hang_tolerance(workload: Workload, _: Objects) -> Readings:
    """A container that fails its liveness probe for this long is killed and restarted."""
    for container in workload.every_container:
        probe = at(container, "livenessProbe")
        if not probe:
            yield Reading("is not restarted if it hangs", badness=inf, part=str(container))
            continue
        seconds = container.tolerates("livenessProbe")
        badness, level = max(0, _SHORT_HANG - seconds), "medium"
        if seconds > _LONG_HANG:
            badness = seconds
        elif seconds < _SHORT_HANG / 3:
            level = "high"
        says = "is killed after {} without an answer"
        yield Reading(says, f"{seconds} s", badness, level, str(container))


@fact(*WORKLOADS, risk="downtime")
def failure_tolerance(workload: Workload, _: Objects) -> Readings:
    """A pod that fails its readiness probe for this long gets no requests until it is ready."""
    for container in workload.containers:
        if not at(container, "readinessProbe"):
            yield Reading(
                "gets requests even if it cannot answer", badness=inf, part=str(container)
            )
            continue
        seconds = container.tolerates("readinessProbe")
        badness = max(0, _SHORT_END - seconds, seconds - _SHORT_HANG)
        says = "gets no more requests after {} without an answer"
        yield Reading(says, f"{seconds} s", badness, "medium", str(container))


@fact(*WORKLOADS, risk="downtime")
def time_to_ready(workload: Workload, _: Objects) -> Readings:
    """A new pod gets requests at the earliest after this time."""
    for container in workload.containers:
        if probe := at(container, "readinessProbe"):
            seconds = probe.get("initialDelaySeconds", 0) + probe.get("periodSeconds", 10) * (
                probe.get("successThreshold", 1) - 1
            )
            level = "medium" if seconds > _SHORT_START else "low"
            says = "gets its first requests at the earliest {} after its start"
            yield Reading(says, f"{seconds} s", seconds, level, str(container))


@fact(*WORKLOADS, risk="downtime")
def time_to_stop(workload: Workload, _: Objects) -> Readings:
    """A container that has not ended this long after it is asked to stop is killed."""
    for container in workload.containers:
        seconds = workload.grace_period - container.sleeps_before_stop
        level = "high" if seconds < _SHORT_END else "medium"
        says = "is killed {} after it is asked to stop"
        yield Reading(says, f"{max(seconds, 0):g} s", -seconds, level, str(container))


@fact(*WORKLOADS, risk="downtime")
def time_to_drain(workload: Workload, _: Objects) -> Readings:
    """A pod that stops before clients and load balancers have noticed breaks their requests."""
    for container in workload.containers:
        seconds = container.sleeps_before_stop
        says = "serves requests for {} more when its pod is removed"
        yield Reading(says, f"{seconds:g} s", -seconds, "medium", str(container))
