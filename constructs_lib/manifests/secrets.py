"""Facts about Secrets and ConfigMaps: when their values change, and which pods restart then."""

from math import inf

from constructs_lib.manifests.facts import Reading, Readings, fact
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.workload import Workload
from constructs_lib.model.quantity import duration, seconds

_HOUR, _DAY = 3600, 86400


@fact("ExternalSecret", risk="secret")
def time_to_refresh(item: Object, _: Objects) -> Readings:
    """A new value reaches the Secret after this time; until then, pods that start get the old."""
    policy = item.spec.get("refreshPolicy") or "Periodic"
    interval = seconds(item.spec.get("refreshInterval") or "1h")
    if policy != "Periodic" or interval <= 0:
        why = "refreshInterval: 0" if policy == "Periodic" else f"refreshPolicy: {policy}"
        yield Reading("does not get new values by itself ({})", why, inf, "high", "its Secret")
    else:
        level = "low" if interval <= _HOUR else "medium" if interval <= _DAY else "high"
        says = "gets new values within {}"
        yield Reading(says, duration(interval), interval, level, "its Secret")


@fact("DaemonSet", "Deployment", "StatefulSet", risk="secret")
def reloads_changed(workload: Workload, objects: Objects) -> Readings:
    """Reloader restarts pods when a Secret or ConfigMap changes; others keep the old values."""
    for kind, name in dict.fromkeys((read.kind, read.name) for read in workload.reads):
        part = f"a change of {kind} {name}"
        if workload.reloads(kind, name, objects):
            yield Reading("restarts its pods (Reloader)", part=part)
        else:
            says = "does not restart its pods, which keep the values of their start"
            yield Reading(says, badness=1, level="high", part=part)
