"""`secret`: which parameters Secrets read, and from where."""

from collections import defaultdict
from dataclasses import replace

from constructs_lib.manifests.facts import STACK_GROUP
from constructs_lib.manifests.objects import Key, Object, at
from constructs_lib.manifests.references import readers_of_secret, remote_keys, secret_of
from constructs_lib.manifests.workload import Update, workloads
from ops.review.diff import ABSENT, ANY_STATE, ORDER, Change, Comparison
from ops.review.effects.fields import is_default
from ops.review.effects.removal import DATA, removal
from ops.review.model import HIGH, LOW, MEDIUM, Finding, Findings, effect, listed

_DATA = ("spec", "data")
_CONTENT = (_DATA, ("spec", "dataFrom"), ("spec", "target", "template"))
_STALE = "pods keep the old values until they restart"
_LIVE = "files change in running pods, but a program that reads them at its start keeps the old"


@effect("ExternalSecret", risk="secret", states=ANY_STATE)
def parameters_changed(change: Change, comparison: Comparison) -> Findings:
    """A Secret gets values from other SSM parameters; running pods can keep the old ones."""
    outcome = None if change.state == "added" else removal(comparison).outcome(change.before)
    if outcome and not outcome.deleted:
        return  # stays in the cluster and keeps refreshing
    was, now = _parameters(change.before), _parameters(change.after)
    stale = _stale_readers(comparison, change.after) if change.state == "changed" else ""
    moved = [name for name in now if name in was and now[name] != was[name]]
    for name in moved:
        text = f"now reads {name} from {now[name]} instead of {was[name]}{stale}"
        yield Finding(MEDIUM, text, change.at(*_DATA, f"[{name}]"))
    for finding in Finding.gains_and_losses(
        [f"{was[name]} as {name}" for name in was if name not in moved],
        [f"{now[name]} as {name}" for name in now if name not in moved],
        ("now reads", "no longer reads"),
        (MEDIUM, LOW if change.state == "removed" else MEDIUM),
        change.among(*((*_DATA, f"[{name}]") for name in was.keys() ^ now.keys())),
    ):
        yield replace(finding, text=f"{finding.text}{stale}")


def _parameters(item: Object) -> dict[str, str]:
    """The parameter of each key of the Secret, with its property and version."""
    parameters = {}
    for entry in item.spec.get("data") or ():
        remote = entry["remoteRef"]
        details = [str(remote[field]) for field in ("property", "version") if remote.get(field)]
        parameters[entry["secretKey"]] = " ".join([remote["key"], *details])
    return parameters


def _stale_readers(comparison: Comparison, item: Object) -> str:
    """Workloads that keep the old value until they restart."""
    secret = secret_of(item.manifest)
    readers = readers_of_secret(comparison.after, item.namespace, secret)
    kept = (w for w in readers if w.serves and not w.reloads("Secret", secret, comparison.after))
    stale = [reader.name for reader in kept if not comparison.of_template(reader)]
    return f"; until restarted, the old value stays in {listed(stale)}" if stale else ""


@effect(risk="secret")
def parameter_missing(comparison: Comparison) -> Findings:
    """An ExternalSecret cannot read a parameter that SecretsStack does not create."""
    created = {parameter_of(item) for item in comparison.after} - {None}
    known = created.union(*map(_paths, comparison.before.of_kinds("ExternalSecret")))
    for item in comparison.after.of_kinds("ExternalSecret") if created else ():
        if missing := [path for path in _paths(item) if path not in known]:
            text = (
                f"reads {listed(missing)}, which SecretsStack does not create; run `make template` "
                "to render the stack"
            )
            yield Finding(HIGH, text, key=item.key)


def _paths(item: Object) -> list[str]:
    """The parameters that it reads."""
    return list(dict.fromkeys(path for _, path in remote_keys(item.manifest)))


@effect("ConfigMap", risk="update")
def configuration_changed(change: Change, comparison: Comparison) -> Findings:
    """Pods keep the variables and subPath files of their start; other files change in them."""
    fields = tuple(field for field in change.differences if field.path[0] in DATA)
    if not fields or change.before.manifest.get("immutable"):
        return  # the API server refuses it
    keys = {field.path[-1]: field.after is ABSENT for field in fields}
    readers: dict[str, list[str]] = defaultdict(list)
    for workload in workloads(comparison.after):
        reads = [
            read
            for read in workload.reads
            if Key("", read.kind, workload.namespace, read.name) == change.key
            and (read.key is None or read.key in keys)
        ]
        outcome = _LIVE if all(read.live for read in reads) else _STALE
        if not workload.serves:
            outcome = workload.update.timing
        elif workload.update in (Update.ROLLING, Update.RECREATE) and (
            comparison.of_template(workload)
            or workload.reloads(change.key.kind, change.key.name, comparison.after)
        ):
            outcome = "pods restart with the new values"
        if reads:
            readers[outcome].append(workload.name)
    names = [f"{key} (removed)" if removed else key for key, removed in keys.items()]
    unread = f"no workload of {comparison.folder} reads it; find out what does"
    outcomes = [f"{outcome}: {listed(of)}" for outcome, of in readers.items()] or [unread]
    yield Finding(MEDIUM, "; ".join([f"changes {listed(names)}", *outcomes]), fields)


@effect("Secret", risk="secret")
def secret_in_git_changed(change: Change, _: Comparison) -> Findings:
    """Everyone with access to the repository can read the values of a Secret in dist/."""
    if fields := change.among(("data",), ("stringData",)):
        keys = listed(list(dict.fromkeys(field.path[-1] for field in fields)), 5)
        yield Finding(HIGH, f"changes {keys} in Git, where everyone can read the values", fields)


def changed_sources(comparison: Comparison) -> list[Key]:
    """The Secrets and ConfigMaps that change."""
    sources = [
        Key("", "Secret", change.key.namespace, secret_of(change.after.manifest))
        for change in comparison.changed(["ExternalSecret"])
        if any(f.path[-1] != ORDER and not is_default(change, f) for f in change.among(*_CONTENT))
    ]
    maps = comparison.changed(["ConfigMap"])
    return sources + [item.key for item in maps if item.among(*((name,) for name in DATA))]


def parameter_of(item: Object) -> str | None:
    """The SSM parameter that a resource of the stack creates."""
    if item.key.group != STACK_GROUP:
        return None
    name = at(item.manifest, "Properties").get("Name")
    return name if isinstance(name, str) and name.startswith("/") else None
