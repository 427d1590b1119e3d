"""Facts about the life of a pod: its start, its failures, its requests and its end.

The probe numbers and their defaults are those of the API reference:
https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Probe
"""

import json
from math import inf

from constructs_lib.manifests.facts import Reading, Readings, fact
from constructs_lib.manifests.objects import PROBES, Container, Objects, at, stated
from constructs_lib.manifests.workload import WORKLOADS, Workload
from constructs_lib.model.text import plural

_SHORT_START = 30
"""Seconds in which few programs can connect to their databases and start; our estimate."""
_SHORT_HANG, _LONG_HANG = 30, 600
"""Seconds: programs pause for up to 30 s (the default), and a hang of 10 min is an outage; our
estimates."""
_SHORT_FAILURE, _LONG_FAILURE = 5, 60
"""Seconds: a slow answer is not a failure yet, and failed requests for a minute are an outage; our
estimates."""
_SHORT_END = 5
"""Seconds in which few programs finish their requests; our estimate. The default is 30 s."""


@fact(*WORKLOADS, risk="downtime")
def time_to_start(workload: Workload, _: Objects) -> Readings:
    """A container that does not answer its startup or liveness probe in time is killed."""
    for container in workload.every_container:
        limit = container.may_start_for
        yield Reading(
            "killed if it does not answer within {} of its start",
            f"{limit} s" if limit < inf else "any time",
            -limit,
            "high" if limit < _SHORT_START else "medium",
            str(container),
        )


@fact(*WORKLOADS, risk="downtime")
def hang_tolerance(workload: Workload, _: Objects) -> Readings:
    """A container that fails its liveness probe for this long is killed and restarted."""
    says = "killed after {}", "not restarted if it hangs"
    for container in workload.every_container:
        yield _tolerance(container, "livenessProbe", says, _SHORT_HANG, _LONG_HANG)


@fact(*WORKLOADS, risk="downtime")
def failure_tolerance(workload: Workload, _: Objects) -> Readings:
    """A pod that fails its readiness probe for this long gets no requests until it is ready."""
    says = "gets no more requests after {}", "gets requests even if it cannot answer"
    for container in workload.containers:
        yield _tolerance(container, "readinessProbe", says, _SHORT_FAILURE, _LONG_FAILURE)


def _tolerance(
    container: Container, probe: str, says: tuple[str, str], least: int, most: int
) -> Reading:
    """For how long a probe may fail; between `least` and `most` seconds, no time is worse."""
    if probe not in container.probes:
        return Reading(says[1], badness=inf, part=str(container))
    seconds = container.tolerates(probe)
    single = seconds == container.probes[probe].get("periodSeconds", 10)
    value = f"{seconds} s without an answer{' (a single failed check)' if single else ''}"
    badness = max(0, least - seconds, seconds - most) + single
    level = "high" if seconds < least / 3 else "medium"
    return Reading(says[0], value, badness, level, str(container))


@fact(*WORKLOADS, risk="downtime")
def checks_changed(workload: Workload, _: Objects) -> Readings:
    """What a probe asks decides whether a container has started, hangs or gets requests."""
    for container in workload.every_container:
        numbers = {port.get("name"): port.get("containerPort") for port in container.ports}
        for probe in PROBES:
            fields = at(container, probe).items()
            for method, of in [one for one in fields if isinstance(one[1], dict)] or [("", {})]:
                port = {"port": numbers.get(of["port"], of["port"])} if "port" in of else {}
                asked = {"path": "/", **of, **port} if method == "httpGet" else {**of, **port}
                asked.pop("scheme", None)  # has its own row
                text = " ".join([method, *(f"{name} {of}" for name, of in sorted(asked.items()))])
                yield Reading("asks {}", text or "nothing", None, part=f"{container}: {probe}")


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
        seconds = max(0, workload.grace_period - (container.sleeps_before_stop or 0))
        level = "high" if seconds < _SHORT_END else "medium"
        says = "killed {} after it is asked to stop"
        yield Reading(says, f"{seconds:g} s", -seconds, level, str(container))


@fact(*WORKLOADS, risk="downtime")
def time_to_drain(workload: Workload, _: Objects) -> Readings:
    """A pod that stops before load balancers and clients have noticed breaks their requests."""
    for container in workload.containers:
        seconds = container.sleeps_before_stop
        if seconds is None:
            hook = json.dumps(container.hooks["preStop"], sort_keys=True)
            says = "runs another hook before it is asked to stop: {}"
            yield Reading(says, hook, None, part=str(container))
        else:
            says = "serves requests for {} more when its pod is to stop"
            yield Reading(says, f"{seconds:g} s", -seconds, part=str(container))


@fact("CronJob", "Job", risk="schedule")
def pods_of_a_run(workload: Workload, _: Objects) -> Readings:
    """A run has as many pods as its work needs, one after another or at the same time."""
    job = at(workload.spec, "jobTemplate").get("spec") or workload.spec
    together = stated(job, "parallelism", 1)
    needed = stated(job, "completions", 1 if together == 1 else "any one")
    says = f"a run starts up to {plural(together, 'pod')} at the same time, until {{}} succeeded"
    yield Reading(says, str(needed), None, "medium" if together == 1 else "high")
