"""`update` and `downtime` by what pods have, or no longer have: containers, volumes and spread."""

from collections.abc import Iterator

from constructs_lib.manifests.objects import POD_TEMPLATES, Container
from constructs_lib.manifests.workload import WORKLOADS
from constructs_lib.model import Manifest
from ops.review.diff import ORDER, Change, Comparison, Difference
from ops.review.effects.fields import row_of
from ops.review.model import HIGH, LOW, MEDIUM, Finding, Findings, effect

_NAMES = ("claimName", "name", "path", "secretName")
"""The fields that name the source of a volume."""
_EMPTY: Manifest = {}
Item = tuple[str, Manifest, Manifest, tuple[Difference, ...]]
"""The name of an item of a list, the item before and after, and its known differences."""


def _items(change: Change, field: str, key: str = "name") -> Iterator[Item]:
    """The items of a list in a pod spec; one that does not exist is empty."""
    was, now = (
        {str(item.get(key)): item for item in workload.pod.get(field) or ()}
        for workload in change.workloads
    )
    for name in dict.fromkeys([*now, *was]):
        fields = change.at(*POD_TEMPLATES[change.key[:2]], "spec", field, f"[{name}]")
        known = (one for one in fields if (row := row_of(change, one)) and not row.unknown)
        yield name, was.get(name, _EMPTY), now.get(name, _EMPTY), tuple(known)


@effect(*WORKLOADS, risk="update")
def containers_changed(change: Change, _: Comparison) -> Findings:
    """Pods run other containers, or their init containers in another order."""
    for field in ("initContainers", "containers"):
        for _name, was, now, fields in _items(change, field):
            if not (was and now):
                container = Container(now or was)
                noun = "init " if field == "initContainers" else ""
                if noun and container.get("restartPolicy") == "Always":
                    noun = "sidecar "
                text = f"{'also run' if now else 'no longer run'} {noun}{container}"
                yield Finding(MEDIUM, f"its pods {text} ({container.get('image')})", fields)
    for order in change.at(*POD_TEMPLATES[change.key[:2]], "spec", "initContainers", ORDER):
        text = f"its init containers run in another order: {order.values(80)}"
        yield Finding(MEDIUM, text, (order,))


@effect(*WORKLOADS, risk="downtime")
def volumes_changed(change: Change, _: Comparison) -> Findings:
    """A volume is new, is gone, or has another source, without the files of the former."""
    for name, was, now, fields in _items(change, "volumes"):
        old, new = _source(was), _source(now)
        own = f"[{name}]", "name"
        if renamed := next((one.after for one in fields if one.path[-2:] == own), ""):
            text = f"volume {name} gets the name {renamed}, with the same files"
            mounts = (one for one in change.differences if "volumeMounts" in one.path)
            along = [one for one in mounts if (one.before, one.after) == (name, renamed)]
            yield Finding(LOW, text, (*fields, *along))
        elif old != new and fields:
            lost = "; without the files of this claim" if "persistentVolumeClaim" in was else ""
            text = f"volume {name}: {new} (before: {old}){lost}"
            severity = LOW if not was and "emptyDir" in now else MEDIUM
            yield Finding(HIGH if lost else severity, text, fields)


def _source(volume: Manifest) -> str:
    """`persistentVolumeClaim data`. Without a type, a volume is an emptyDir."""
    kind = next((field for field in volume if field != "name"), "emptyDir")
    if kind == "emptyDir":
        return "emptyDir, lost with the pod" if volume else "none"
    settings = volume[kind] if isinstance(volume[kind], dict) else {}
    return " ".join([kind, *(str(settings[field]) for field in _NAMES if settings.get(field))])


@effect(*WORKLOADS, risk="downtime")
def spread_changed(change: Change, _: Comparison) -> Findings:
    """Pods that do not spread may all run on one node or in one zone, and fail together."""
    for key, was, now, fields in _items(change, "topologySpreadConstraints", "topologyKey"):
        if not (was and now):
            prefers = now.get("whenUnsatisfiable") == "ScheduleAnyway"
            text = f"its pods spread over {key}, {'if possible' if prefers else 'or stay Pending'}"
            if was:
                text = f"its pods no longer spread over {key}: all may run in the same one"
            yield Finding(LOW if prefers else MEDIUM, text, fields)
