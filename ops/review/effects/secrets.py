"""`secret`: which SSM parameters are read, and into which keys of a Secret."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.references import readers_of_secret, remote_keys, secret_of
from ops.review.diff import ORDER, Comparison, field_finding, gains_and_losses
from ops.review.load import STACK_GROUP
from ops.review.model import TEMPLATE, Finding, Risk, Severity, effect
from ops.review.wording import listed

_DATA = ("spec", "data")
_CONTENT = (_DATA, ("spec", "dataFrom"), ("spec", "target", "template"))
_WHERE = (
    ("spec", "secretStoreRef"),
    ("spec", "target"),
    ("spec", "dataFrom"),
    ("spec", "provider"),
)


@effect("parameters-changed")
def parameters_changed(comparison: Comparison) -> Iterator[Finding]:
    """A Secret gets values from other SSM parameters; running pods can keep the old ones."""
    for pair in comparison.pairs("ExternalSecret"):
        before, after = pair
        key = pair.item.key
        outcome = comparison.removal.outcome(before) if before else None
        if outcome and not outcome.deleted:
            continue  # stays in the cluster and keeps refreshing
        was, now = (_sources(item) if item else {} for item in pair)
        stale = _stale_readers(comparison, after) if before and after else ""
        moved = [name for name in now if name in was and now[name] != was[name]]
        for name in moved:
            text = f"now reads {name} from {now[name]} instead of {was[name]}{stale}"
            differences = comparison.differences(key, (*_DATA, f"[{name}]"))
            yield Finding(Risk.SECRET, Severity.MEDIUM, key, text, differences)
        for finding in gains_and_losses(
            Risk.SECRET,
            key,
            [f"{was[name]} as {name}" for name in was if name not in moved],
            [f"{now[name]} as {name}" for name in now if name not in moved],
            words=("now reads", "no longer reads"),
            severities=(Severity.MEDIUM, Severity.MEDIUM if after else Severity.LOW),
            explains=comparison.differences(
                key, *((*_DATA, f"[{name}]") for name in was.keys() ^ now.keys())
            ),
        ):
            yield replace(finding, text=f"{finding.text}{stale}")


def _sources(item: Object) -> dict[str, str]:
    """The source of each key of the Secret."""
    sources = {}
    for entry in item.spec.get("data") or ():
        remote = entry.get("remoteRef") or {}
        details = [remote[field] for field in ("property", "version") if remote.get(field)]
        sources[entry["secretKey"]] = " ".join([str(remote.get("key")), *map(str, details)])
    return sources


def _stale_readers(comparison: Comparison, item: Object) -> str:
    """Workloads that keep the old value until they restart."""
    stale = [
        workload.key.name
        for workload in readers_of_secret(
            comparison.after, item.key.namespace, secret_of(item.manifest)
        )
        if workload.serves
        and not workload.reloads(secret_of(item.manifest))
        and not comparison.differences(workload.key, TEMPLATE[workload.key.kind])
    ]
    return f"; until restarted, the old value stays in {listed(stale)}" if stale else ""


@effect("secret-source-changed")
def secret_source_changed(comparison: Comparison) -> Iterator[Finding]:
    """Values come from another store, or go to another Secret or template."""
    for change in comparison.changed("ExternalSecret", "ClusterSecretStore", "SecretStore"):
        for each in comparison.differences(change.key, *_WHERE):
            yield field_finding(Risk.SECRET, Severity.MEDIUM, change.key, each)


@effect("secret-in-git-changed")
def secret_in_git_changed(comparison: Comparison) -> Iterator[Finding]:
    """Everyone with access to the repository can read the values of a Secret in dist/."""
    for change in comparison.changed("Secret"):
        fields = comparison.differences(change.key, ("data",), ("stringData",))
        if fields:
            keys = listed(list(dict.fromkeys(each.path[-1] for each in fields)), 5)
            text = f"changes {keys} in Git, where everyone can read the values"
            yield Finding(Risk.SECRET, Severity.HIGH, change.key, text, fields)


def changed_secrets(comparison: Comparison) -> list[tuple[str, str]]:
    """Namespace and name of the Secrets that change."""
    return [
        (change.key.namespace, secret_of(change.after.manifest))
        for change in comparison.changed("ExternalSecret")
        if any(d.path[-1] != ORDER for d in comparison.differences(change.key, *_CONTENT))
    ]


@effect("parameter-missing")
def parameter_missing(comparison: Comparison) -> Iterator[Finding]:
    """An ExternalSecret cannot read a parameter that SecretsStack does not create."""
    created = {name for item in comparison.after.objects.values() if (name := parameter_of(item))}
    read_before = _paths(comparison.before)
    for item in comparison.after.of_kinds("ExternalSecret"):
        read = dict.fromkeys(path for _, path in remote_keys(item.manifest))
        new = [path for path in read if created and path not in created | read_before]
        if new:
            text = (
                f"reads {listed(new)}, which SecretsStack does not create; run `make template` to "
                "render the stack"
            )
            yield Finding(Risk.SECRET, Severity.HIGH, item.key, text)


def _paths(snapshot: Objects) -> set[str]:
    return {
        path
        for item in snapshot.of_kinds("ExternalSecret")
        for _, path in remote_keys(item.manifest)
    }


def parameter_of(item: Object) -> str | None:
    """The SSM parameter that a resource of the stack creates."""
    if item.key.group != STACK_GROUP:
        return None
    name = (item.manifest.get("Properties") or {}).get("Name")
    return name if isinstance(name, str) and name.startswith("/") else None
