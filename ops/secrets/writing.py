"""Write new values to SSM: from the user, from its history, or from the Secrets of a cluster."""

import difflib
from dataclasses import replace
from enum import StrEnum
from functools import cache
from pathlib import Path

import typer

from catalogue.installation import INSTALLATION
from catalogue.parameters import Parameters
from constructs_lib.manifests.workload import Update
from ops import aws, rendered, terminal
from ops.cluster import Cluster
from ops.errors import CanceledError, OpsError, Status
from ops.secrets.parameters import REMEDIES, ParameterStatus, Readers, State, readers, state_of
from ops.secrets.values import check
from ops.terminal import SecretValue, secret_value

_UNSURE = (
    "It is unknown whether the value was written; run this again with the same value, which writes "
    "it only if needed"
)


class OverwroteError(OpsError):
    """The value replaced one that another user wrote at the same time."""

    status = Status.OVERWROTE


def look_up(name: str) -> ParameterStatus:
    """Return the writable parameter with this path; `/cerebro/` is optional. Raises OpsError."""
    path = name if name.startswith("/") else f"/cerebro/{name}"
    known = {parameter.path: parameter for parameter in Parameters}
    if path not in known:
        close = difflib.get_close_matches(path, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "`ops secrets status` lists them"
        raise OpsError(f"the parameter is not in catalogue/parameters.py; {hint}")
    stored = aws.read([path], described=True).get(path, aws.MISSING)
    problems = {
        State.MISSING: f"does not exist in {INSTALLATION.region}",
        State.NOT_SECURE: f"is a {stored.type}, which cannot become a SecureString",
    }
    if (state := state_of(known[path], stored)) in problems:
        raise OpsError(f"{path} {problems[state]}; {REMEDIES[state]}")
    if not stored.key:  # a write would encrypt it with the default key
        raise OpsError(f"SSM does not list {path} and its key yet; try again in a minute")
    return ParameterStatus(known[path], readers(path, rendered.objects()), stored)


def new_value(subject: ParameterStatus, file: Path | None, version: int | None) -> SecretValue:
    """Return the validated value: of an earlier version, or from the user."""
    if version is None:
        value = secret_value(f"New value of {subject.path}", file)
    else:
        history = aws.history(subject.path)
        if version not in history:
            raise OpsError(
                f"{subject.path} has no version {version}; its history has versions "
                f"{min(history)} to {max(history)}"
            )
        value = history[version].value
    check(subject.parameter, value)
    return value


def write(subject: ParameterStatus, value: SecretValue) -> int:
    """Write a new version and return its number.

    SSM has no conditional writes, so a concurrent write shows only in the returned number. Then
    OverwroteError names the version of each user.
    """
    unsure = _UNSURE
    try:
        number = aws.put(subject.path, value, subject.stored)
        unsure = (
            f"Your value is version {number}. It is unknown whether another user wrote a version "
            f"between it and version {subject.stored.number}"
        )
        _require_no_other_write(subject, value, number)
    except aws.AwsUnreachableError as error:
        raise OpsError(f"{error}. {_UNSURE}") from error
    except KeyboardInterrupt:
        terminal.info(f"\n{unsure}.")
        raise
    return number


def _require_no_other_write(subject: ParameterStatus, value: SecretValue, number: int) -> None:
    """Raise OverwroteError if another user wrote between the lookup and version `number`.

    A version with the same value is ours: a request that was repeated because its response was
    lost. A version that the history does not show (yet) counts as another user's.
    """
    if number <= subject.stored.number:
        raise OverwroteError(
            f"{subject.path} was deleted and recreated at the same time; your value is version "
            f"{number}. Ask whoever did that"
        )
    between = range(subject.stored.number + 1, number)
    try:
        history = aws.history(subject.path) if between else {}
    except OpsError:
        history = {}
    others = [history.get(other, replace(aws.MISSING, number=other)) for other in between]
    if theirs := [other for other in others if other.value != value]:
        named = (
            f"version {other.number}" + (f" by {other.author}" if other.author else "")
            for other in theirs
        )
        raise OverwroteError(
            f"another user wrote {subject.path} at the same time: {' and '.join(named)}. Your "
            f"value is version {number}, which is current; to restore theirs, run "
            f"`ops secrets set {subject.path} --version {theirs[-1].number}`"
        )


def describe(subject: ParameterStatus, value: SecretValue) -> None:
    """Print the parameter that will be written, and its current state."""
    terminal.info(
        f"{subject.path} ({subject.parameter.description}): version {subject.stored.number}, "
        f"{subject.last_change if subject.state is State.SET else 'the placeholder'}"
    )
    if aws.needs_advanced_tier(value) and subject.stored.tier == "Standard":
        terminal.warn(
            "The value is longer than 4 KB, so the parameter moves to the advanced tier: AWS "
            "charges for it monthly, and it cannot move back."
        )


def consequences(affected: Readers) -> None:
    """Print the effect of a value that is set without a rotation."""
    if not affected.secrets:
        terminal.info("No workload reads it yet.")
        return
    terminal.info(
        "External Secrets syncs it within the hour, into "
        f"{', '.join(map(str, affected.secrets))}. Then:"
    )
    restarted = affected.restarted()
    reloaded = [
        workload
        for workload in restarted
        if any(workload.reloads("Secret", one.secret) for one in affected.secrets_of(workload))
    ]
    kept = [workload for workload in restarted if workload not in reloaded]
    for effect, workloads in {
        "restarted by Reloader, if the cluster has it": reloaded,
        "use the old value until a restart, for example by `ops secrets rotate`": kept,
        "updated by their next run": affected.with_mode(Update.NEXT_RUN),
        "updated by the next sync of Argo CD": affected.with_mode(Update.NEXT_SYNC),
    }.items():
        if workloads:
            terminal.info(f"  {effect}: {', '.join(map(str, workloads))}")
    if not affected.workloads:
        terminal.info("  nothing restarts: it is used to pull images")


class ImportOutcome(StrEnum):
    """The result of an import of one parameter."""

    IMPORTED = "imported"
    SAME = "already the same in SSM"
    KEPT = "not imported"
    REFUSED = "refused"
    ABSENT = "not in the cluster"


Candidates = dict[SecretValue, str]
"""Values in the cluster, each with its places: `Secret cerebro/cerebro-api-secrets, key A`."""


def import_from(cluster: Cluster, *, yes: bool) -> dict[Parameters, ImportOutcome]:
    """Import confirmed values one by one, after checking that all parameters can be written."""
    found = _candidates(cluster)
    subjects = {parameter: look_up(parameter.path) for parameter, values in found.items() if values}
    if subjects and not yes:
        terminal.require_interactive("Pass --yes to import the values that SSM does not have yet")
    outcomes = dict.fromkeys(found, ImportOutcome.ABSENT)
    try:
        for parameter, subject in subjects.items():
            outcomes[parameter] = _import(subject, found[parameter], yes=yes)
    except typer.Abort:
        imported = ", ".join(
            parameter.path
            for parameter, outcome in outcomes.items()
            if outcome is ImportOutcome.IMPORTED
        )
        already = f"Already imported: {imported}." if imported else "Nothing was changed."
        raise CanceledError(f"\nInterrupted. {already}") from None
    return outcomes


def _candidates(cluster: Cluster) -> dict[Parameters, Candidates]:
    """Return the values of each parameter in the Secrets that dist/ names. Raises ClusterError."""
    objects, look = rendered.objects(), cache(cluster.secret)
    found = {}
    for parameter in Parameters:
        places: dict[SecretValue, list[str]] = {}
        for synced in readers(parameter.path, objects).secrets:
            secret = look(synced.namespace, synced.secret)
            for key in synced.keys(parameter.path):
                if secret and key in secret.values:
                    place = f"Secret {synced.namespace}/{synced.secret}, key {key}"
                    places.setdefault(secret.values[key], []).append(place)
        found[parameter] = {value: " and ".join(at) for value, at in places.items()}
    return found


def _import(subject: ParameterStatus, values: Candidates, *, yes: bool) -> ImportOutcome:
    value = _choose(subject, values, yes=yes)
    if not value:
        return ImportOutcome.REFUSED
    path, places = subject.path, values[value]
    if value == subject.stored.value:
        terminal.show(f"{path}: {ImportOutcome.SAME} ({places})")
        return ImportOutcome.SAME
    try:
        check(subject.parameter, value)
    except OpsError as error:
        terminal.warn(f"{path}: {error} ({places}); set it with `ops secrets set`")
        return ImportOutcome.REFUSED
    if not _confirmed(subject, places, yes=yes):
        terminal.show(f"{path}: {ImportOutcome.KEPT}")
        return ImportOutcome.KEPT
    number = write(subject, value)
    terminal.show(f"{path}: {ImportOutcome.IMPORTED} as version {number}")
    return ImportOutcome.IMPORTED


def _confirmed(subject: ParameterStatus, places: str, *, yes: bool) -> bool:
    """Return whether to write. Existing values are overwritten only after a prompt."""
    if subject.state is not State.SET:
        return yes or terminal.ask_yes_or_no(f"Import {subject.path} from {places}?")
    state = f"{subject.path} has another value, {subject.last_change}"
    state = f"{state} (version {subject.stored.number})"
    if yes:
        terminal.warn(f"{state}; run again without --yes to decide.")
        return False
    return terminal.ask_yes_or_no(f"{state}. Overwrite it from {places}?")


def _choose(subject: ParameterStatus, values: Candidates, *, yes: bool) -> SecretValue | None:
    """Return the only value, or the user's choice; None with `yes`."""
    if len(values) == 1:
        return next(iter(values))
    terminal.warn(f"{subject.path} has {len(values)} values in the cluster:")
    for number, places in enumerate(values.values(), start=1):
        terminal.info(f"  {number}  {places}")
    if yes:
        terminal.warn("It was not imported; run again without --yes to choose one.")
        return None
    return list(values)[terminal.choose("Which value is right?", len(values)) - 1]
