"""`secret`: what is read from SSM, which keys a Secret holds, and who misses one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from constructs_lib.manifests.external_secret import secret_of
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.workload import readers
from ops.review.diff import ORDER, Comparison, shift, tell
from ops.review.load import STACK_GROUP
from ops.review.model import TEMPLATE, Finding, Risk, Severity
from ops.review.wording import listed

_DATA = ("spec", "data")
_CONTENT = (_DATA, ("spec", "dataFrom"), ("spec", "target", "template"))
_WHERE = (
    ("spec", "secretStoreRef"),
    ("spec", "target"),
    ("spec", "dataFrom"),
    ("spec", "provider"),
)


def parameters(comparison: Comparison) -> Iterator[Finding]:
    """SSM parameters that are read into the keys of a Secret now, or no longer."""
    for sides in comparison.pairs("ExternalSecret"):
        before, after = sides
        key = sides.item.key
        outcome = comparison.removal.outcome(before) if before else None
        if outcome and not outcome.deleted:
            continue  # it stays behind, and goes on reading
        was, now = (_sources(side) if side else {} for side in (before, after))
        late = _late(comparison, after) if before and after else ""
        moved = [name for name in now if name in was and now[name] != was[name]]
        for name in moved:
            text = f"reads {name} from {now[name]} instead of {was[name]}{late}"
            differences = comparison.differences(key, (*_DATA, f"[{name}]"))
            yield Finding(Risk.SECRET, Severity.MEDIUM, key, text, differences)
        for finding in shift(
            Risk.SECRET,
            key,
            [f"{was[name]} as {name}" for name in was if name not in moved],
            [f"{now[name]} as {name}" for name in now if name not in moved],
            words=("reads", "no longer reads"),
            severities=(Severity.MEDIUM, Severity.MEDIUM if after else Severity.LOW),
            explains=comparison.differences(
                key, *((*_DATA, f"[{name}]") for name in was.keys() ^ now.keys())
            ),
        ):
            yield replace(finding, text=f"{finding.text}{late}")


def _sources(item: Object) -> dict[str, str]:
    """Where each key of the Secret comes from."""
    sources = {}
    for entry in item.spec.get("data") or ():
        remote = entry.get("remoteRef") or {}
        details = [remote[field] for field in ("property", "version") if remote.get(field)]
        sources[entry["secretKey"]] = " ".join([str(remote.get("key")), *map(str, details)])
    return sources


def _late(comparison: Comparison, item: Object) -> str:
    """Who goes on with the old Secret."""
    unaware = [
        workload.key.name
        for workload in readers(comparison.after, item.key.namespace, secret_of(item.manifest))
        if workload.serves
        and not workload.reloads(secret_of(item.manifest))
        and not comparison.differences(workload.key, TEMPLATE[workload.key.kind])
    ]
    return f"; {listed(unaware)} will see it when restarted" if unaware else ""


def settings(comparison: Comparison) -> Iterator[Finding]:
    """From which store, and into which Secret, with which template."""
    for change in comparison.changed("ExternalSecret", "ClusterSecretStore", "SecretStore"):
        for each in comparison.differences(change.key, *_WHERE):
            yield tell(Risk.SECRET, Severity.MEDIUM, change.key, each)


def plain_secrets(comparison: Comparison) -> Iterator[Finding]:
    """Another content of a Secret that is in dist/ itself, where it does not belong."""
    for change in comparison.changed("Secret"):
        fields = comparison.differences(change.key, ("data",), ("stringData",))
        if fields:
            keys = listed(list(dict.fromkeys(each.path[-1] for each in fields)), 5)
            text = f"holds other values of {keys} in Git, for all to read"
            yield Finding(Risk.SECRET, Severity.HIGH, change.key, text, fields)


def changed_secrets(comparison: Comparison) -> list[tuple[str, str]]:
    """Namespace and name of the Secrets whose content changes."""
    return [
        (change.key.namespace, secret_of(change.after.manifest))
        for change in comparison.changed("ExternalSecret")
        if any(d.path[-1] != ORDER for d in comparison.differences(change.key, *_CONTENT))
    ]


def unmade(comparison: Comparison) -> Iterator[Finding]:
    """SSM parameters that are read now, but that the stack does not make."""
    made = {name for item in comparison.after.objects.values() if (name := parameter_of(item))}
    read_before = _paths(comparison.before)
    for item in comparison.after.of_kinds("ExternalSecret"):
        unknown = [p for p in _sources(item).values() if made and p.split()[0] not in made]
        new = [path for path in unknown if path not in read_before]
        if new:
            text = (
                f"reads {listed(new)}, which SecretsStack does not make; `make template` renders "
                "that half, too"
            )
            yield Finding(Risk.SECRET, Severity.HIGH, item.key, text)


def _paths(snapshot: Objects) -> set[str]:
    return {
        path for item in snapshot.of_kinds("ExternalSecret") for path in _sources(item).values()
    }


def parameter_of(item: Object) -> str | None:
    """The SSM parameter that a resource of the stack makes."""
    if item.key.group != STACK_GROUP:
        return None
    name = (item.manifest.get("Properties") or {}).get("Name")
    return name if isinstance(name, str) and name.startswith("/") else None


RULES = (parameters, settings, plain_secrets, unmade)
