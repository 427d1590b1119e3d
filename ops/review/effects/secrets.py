"""`secret`, and SecretsStack: which parameters exist, and which Secrets read them.

The next `cdk deploy` makes the changes of the stack's template.
"""

from dataclasses import replace

from constructs_lib.manifests.objects import Object, at
from constructs_lib.manifests.references import readers_of_secret, remote_keys, secret_of
from ops.review.diff import ABSENT, ANY_STATE, ORDER, Change, Comparison, Difference
from ops.review.effects.fields import TABLES
from ops.review.effects.removal import removal
from ops.review.load import STACK_GROUP
from ops.review.model import HIGH, LOW, MEDIUM, Finding, Findings, Risk, effect, listed

_DATA = ("spec", "data")
_CONTENT = (_DATA, ("spec", "dataFrom"), ("spec", "target", "template"))
_KEPT = ("Retain", "RetainExceptOnCreate")
_NEVER_DELETED = "Custom::SecureString"
"""Its Lambda function never deletes a parameter, whatever the `DeletionPolicy`."""
_OTHER_FIELDS = {
    "DeletionPolicy": (MEDIUM, "changes what happens when it leaves the stack"),
    "DependsOn": (LOW, "changes what is created before it"),
    "Metadata": (LOW, "changes metadata, without effect"),
    "UpdateReplacePolicy": (MEDIUM, "changes what happens when it is replaced"),
}
"""Fields of a resource besides its properties."""
_SECTIONS = {
    "Description": (LOW, "changes the description"),
    "Outputs": (MEDIUM, "changes an output that the manifests use"),
}
"""Sections of the template besides the resources."""


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


@effect(STACK_GROUP, risk="secret", states=("added",))
def resource_created(change: Change, _: Comparison) -> Findings:
    """The next `cdk deploy` creates a resource; a new parameter has no value yet."""
    if parameter := parameter_of(change.after):
        text = f"creates SSM parameter {parameter} with a placeholder; set its value"
        yield Finding(MEDIUM, text)
    else:
        yield Finding(LOW, "the next `cdk deploy` creates it", risk=Risk.CREATE)


@effect(STACK_GROUP, risk="delete", states=("removed",))
def resource_removed(change: Change, _: Comparison) -> Findings:
    """The next `cdk deploy` deletes a resource, or its DeletionPolicy keeps it."""
    item = change.before
    what = f"SSM parameter {parameter}" if (parameter := parameter_of(item)) else "it"
    if item.manifest.get("DeletionPolicy") in _KEPT or item.kind == _NEVER_DELETED:
        yield Finding(LOW, f"is removed from the stack; {what} stays in AWS")
    elif "::" in item.kind:
        yield Finding(HIGH, f"the next `cdk deploy` deletes {what}")
    else:
        yield Finding(MEDIUM, "is removed from the template", risk=Risk.UPDATE)


@effect(STACK_GROUP, risk="update")
def resource_changed(change: Change, _: Comparison) -> Findings:
    """The next `cdk deploy` updates a resource in place, or replaces it."""
    kind = change.key.kind
    for field in change.differences:
        known = _OTHER_FIELDS.get(field.path[0]) if "::" in kind else _SECTIONS.get(kind)
        if field.path[0] == "Properties":
            yield from _property_changed(change.after, field)
        elif known:
            severity, text = known
            yield Finding(severity, f"{text}: {field.values(60)}", (field,))


def _property_changed(item: Object, field: Difference) -> Findings:
    kind, name = item.kind, "".join(field.path[1:2])
    if name == "Name" and parameter_of(item):
        text = f"creates SSM parameter {field.after} with a placeholder; set its value"
        if field.before is not ABSENT:
            text += f"; {field.before} stays in AWS"
        yield Finding(MEDIUM, text, (field,), Risk.SECRET)
    elif (kind, name) == ("AWS::Lambda::Function", "Role"):
        text = f"runs as another IAM role: {field.values(60)}"
        yield Finding(HIGH, text, (field,), Risk.PRIVILEGE)
    elif name in TABLES["stack"]["replaced"].get(kind, ()):
        text = f"the next `cdk deploy` replaces it: {name} {field.values(60)}"
        yield Finding(HIGH, text, (field,), Risk.REPLACE)
    elif name in (*TABLES["stack"]["updated"].get(kind, ()), "Description", "Tags"):
        yield Finding(LOW, f"the next `cdk deploy` updates it in place: {name}", (field,))
