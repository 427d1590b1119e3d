"""`secret`: which parameters Secrets read, and from where."""

from dataclasses import replace

from constructs_lib.manifests.objects import Object, at
from constructs_lib.manifests.references import readers_of_secret, remote_keys, secret_of
from ops.review.diff import ANY_STATE, ORDER, Change, Comparison
from ops.review.effects.removal import removal
from ops.review.load import STACK_GROUP
from ops.review.model import HIGH, LOW, MEDIUM, Finding, Findings, effect, listed

_DATA = ("spec", "data")
_CONTENT = (_DATA, ("spec", "dataFrom"), ("spec", "target", "template"))


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
    kept = (reader for reader in readers if reader.serves and secret not in reader.reloads)
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


@effect("ExternalSecret", "ClusterSecretStore", "SecretStore", risk="secret")
def secret_source_changed(change: Change, _: Comparison) -> Findings:
    """Values come from another store, or go to another Secret or template."""
    for source in ("secretStoreRef", "target", "dataFrom", "provider"):
        for field in change.at("spec", source):
            yield Finding.of_field(MEDIUM, field)


@effect("Secret", risk="secret")
def secret_in_git_changed(change: Change, _: Comparison) -> Findings:
    """Everyone with access to the repository can read the values of a Secret in dist/."""
    if fields := change.among(("data",), ("stringData",)):
        keys = listed(list(dict.fromkeys(field.path[-1] for field in fields)), 5)
        yield Finding(HIGH, f"changes {keys} in Git, where everyone can read the values", fields)


def changed_secrets(comparison: Comparison) -> list[tuple[str, str]]:
    """Namespace and name of the Secrets that change."""
    return [
        (change.key.namespace, secret_of(change.after.manifest))
        for change in comparison.changed(["ExternalSecret"])
        if any(field.path[-1] != ORDER for field in change.among(*_CONTENT))
    ]


def parameter_of(item: Object) -> str | None:
    """The SSM parameter that a resource of the stack creates."""
    if item.key.group != STACK_GROUP:
        return None
    name = at(item.manifest, "Properties").get("Name")
    return name if isinstance(name, str) and name.startswith("/") else None
