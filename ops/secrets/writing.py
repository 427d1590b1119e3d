"""Write new values to SSM: from the user, from its history, or from the Secrets of a cluster."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import typer

from catalogue.parameters import Parameters
from constructs_lib.manifests.objects import Objects
from constructs_lib.manifests.workload import Update, Workload
from constructs_lib.model.text import plural
from ops import rendered, terminal
from ops.aws import (
    SECURE,
    AwsError,
    AwsUnreachableError,
    Description,
    ParameterStore,
    Stored,
    Version,
    needs_advanced_tier,
)
from ops.cluster import Cluster
from ops.errors import CanceledError, OpsError, Status
from ops.secrets.readers import Readers, readers
from ops.secrets.values import check
from ops.terminal import SecretValue, secret_value

_UNSURE = (
    "It is unknown whether the value was written; run this again with the same value, which writes "
    "it only if needed"
)


class OverwroteError(OpsError):
    """The value replaced one that another user wrote at the same time."""

    status = Status.OVERWROTE


@dataclass(frozen=True)
class WritableParameter:
    """A parameter that can be written, before the change."""

    parameter: Parameters
    stored: Stored
    description: Description
    readers: Readers

    @property
    def path(self) -> str:
        return self.parameter.path

    @property
    def is_placeholder(self) -> bool:
        return self.stored.value.text == self.parameter.placeholder

    @property
    def last_change(self) -> str:
        return f"set {terminal.when(self.stored.changed)} by {self.description.changed_by}"


def look_up(store: ParameterStore, name: str) -> WritableParameter:
    """Return the parameter with this path; `/cerebro/` is optional. Raises OpsError."""
    path = name if name.startswith("/") else f"/cerebro/{name}"
    known = {parameter.path: parameter for parameter in Parameters}
    if path not in known:
        close = difflib.get_close_matches(path, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "`ops secrets status` lists them"
        raise OpsError(f"the parameter is not in catalogue/parameters.py; {hint}")
    stored = store.read([path]).get(path)
    if not stored:
        raise OpsError(f"{path} does not exist in {store.region}; `make deploy-secrets` creates it")
    if stored.type != SECURE:
        raise OpsError(
            f"{path} is a {stored.type}, which cannot become a SecureString; save its value, "
            "delete it, and run `make deploy-secrets`"
        )
    description = store.describe([path])[path]
    return WritableParameter(known[path], stored, description, readers(path, rendered.objects()))


def new_value(
    store: ParameterStore, subject: WritableParameter, file: Path | None, version: int | None
) -> SecretValue:
    """Return the validated value: of an earlier version, or from the user."""
    if version is None:
        value = secret_value(f"New value of {subject.path}", file)
    else:
        history = {former.number: former.value for former in store.history(subject.path)}
        if version not in history:
            raise OpsError(
                f"{subject.path} has no version {version}; its history has versions "
                f"{min(history)} to {max(history)}"
            )
        value = history[version]
    check(subject.parameter, value)
    return value


def write(store: ParameterStore, subject: WritableParameter, value: SecretValue) -> int:
    """Write a new version and return its number.

    SSM has no conditional writes, so a concurrent write shows only in the returned number. Then
    OverwroteError names the version of each user.
    """
    try:
        number = store.put(subject.path, value, subject.description)
    except AwsUnreachableError as error:
        raise OpsError(f"{error}. {_UNSURE}") from error
    except KeyboardInterrupt:
        terminal.info(f"\n{_UNSURE}.")
        raise
    try:
        _require_no_other_write(store, subject, value, number)
    except KeyboardInterrupt:
        terminal.info(
            f"\nYour value is version {number}. It is unknown whether another user wrote a version "
            f"between it and version {subject.stored.version}."
        )
        raise
    return number


def _require_no_other_write(
    store: ParameterStore, subject: WritableParameter, value: SecretValue, number: int
) -> None:
    """Raise OverwroteError if another user wrote between the lookup and version `number`.

    A version with the same value is ours: a request that was repeated because its response was
    lost. A version that the history does not show (yet) counts as another user's.
    """
    if number <= subject.stored.version:
        raise OverwroteError(
            f"{subject.path} was deleted and recreated at the same time; your value is version "
            f"{number}. Ask whoever did that"
        )
    between = range(subject.stored.version + 1, number)
    try:
        history = store.history(subject.path) if between else []
    except AwsError:
        history = []
    known = {version.number: version for version in history}
    versions = [known.get(each, Version(each, SecretValue(""), "")) for each in between]
    if others := [version for version in versions if version.value != value]:
        theirs = " and ".join(
            f"version {other.number}" + (f" by {other.author}" if other.author else "")
            for other in others
        )
        raise OverwroteError(
            f"another user wrote {subject.path} at the same time: {theirs}. Your value is version "
            f"{number}, which is current; to restore theirs, run "
            f"`ops secrets set {subject.path} --version {others[-1].number}`"
        )


def describe(subject: WritableParameter, value: SecretValue) -> None:
    """Print the parameter that will be written, and its current state."""
    terminal.info(
        f"{subject.path} ({subject.parameter.description}): version {subject.stored.version}, "
        f"{'the placeholder' if subject.is_placeholder else subject.last_change}"
    )
    if needs_advanced_tier(value) and subject.description.tier == "Standard":
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
    reloaded: list[Workload] = []
    kept: list[Workload] = []
    for workload in affected.restarted():
        secrets = (synced.secret for synced in affected.secrets_of(workload))
        named = any(secret in workload.reloaded for secret in secrets)
        (reloaded if named else kept).append(workload)
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


@dataclass(frozen=True)
class Candidate:
    """A value in the cluster, and the Secrets that have it."""

    value: SecretValue
    places: tuple[str, ...]
    """Such as `Secret cerebro/cerebro-api-secrets, key API_KEYS`."""

    def __str__(self) -> str:
        return " and ".join(self.places)


def candidates(cluster: Cluster, objects: Objects) -> dict[Parameters, list[Candidate]]:
    """Return the values of each parameter in the Secrets that dist/ names. Raises ClusterError."""
    look = cache(cluster.secret)
    found = {}
    for parameter in Parameters:
        places: dict[SecretValue, list[str]] = {}
        for synced in readers(parameter.path, objects).secrets:
            secret = look(synced.namespace, synced.secret)
            for key in synced.keys(parameter.path):
                if secret and key in secret.values:
                    place = f"Secret {synced.namespace}/{synced.secret}, key {key}"
                    places.setdefault(secret.values[key], []).append(place)
        found[parameter] = [Candidate(value, tuple(at)) for value, at in places.items()]
    return found


def import_confirmed(
    store: ParameterStore, found: dict[Parameters, list[Candidate]], *, yes: bool
) -> dict[Parameters, ImportOutcome]:
    """Import confirmed values one by one, after checking that all parameters can be written."""
    subjects = {
        parameter: look_up(store, parameter.path) for parameter, values in found.items() if values
    }
    if subjects and not yes and not terminal.is_interactive():
        raise OpsError(
            "the terminal is not interactive; nothing was changed. Pass --yes to import the values "
            "that SSM does not have yet"
        )
    outcomes = dict.fromkeys(found, ImportOutcome.ABSENT)
    try:
        for parameter, subject in subjects.items():
            outcomes[parameter] = _import(store, subject, found[parameter], yes=yes)
    except typer.Abort:
        imported = [
            parameter.path
            for parameter, outcome in outcomes.items()
            if outcome is ImportOutcome.IMPORTED
        ]
        already = f"Already imported: {', '.join(imported)}." if imported else ""
        raise CanceledError(f"\nInterrupted. {already or 'Nothing was changed.'}") from None
    return outcomes


def _import(
    store: ParameterStore, subject: WritableParameter, values: list[Candidate], *, yes: bool
) -> ImportOutcome:
    candidate = _choose(subject, values, yes=yes)
    if not candidate:
        return ImportOutcome.REFUSED
    if candidate.value == subject.stored.value:
        terminal.show(f"{subject.path}: {ImportOutcome.SAME} ({candidate})")
        return ImportOutcome.SAME
    try:
        check(subject.parameter, candidate.value)
    except OpsError as error:
        terminal.warn(f"{subject.path}: {error} ({candidate}); set it with `ops secrets set`")
        return ImportOutcome.REFUSED
    if not _confirmed(subject, candidate, yes=yes):
        terminal.show(f"{subject.path}: {ImportOutcome.KEPT}")
        return ImportOutcome.KEPT
    number = write(store, subject, candidate.value)
    terminal.show(f"{subject.path}: {ImportOutcome.IMPORTED} as version {number}")
    return ImportOutcome.IMPORTED


def _choose(subject: WritableParameter, values: list[Candidate], *, yes: bool) -> Candidate | None:
    """Return the only value, or the user's choice; None with `yes`."""
    if len(values) == 1:
        return values[0]
    terminal.warn(f"{subject.path} has {len(values)} values in the cluster:")
    for number, candidate in enumerate(values, start=1):
        terminal.info(f"  {number}  {candidate}")
    if yes:
        terminal.warn("It was not imported; run again without --yes to choose one.")
        return None
    return values[terminal.choose("Which value is right?", len(values)) - 1]


def _confirmed(subject: WritableParameter, candidate: Candidate, *, yes: bool) -> bool:
    """Return whether to write. Existing values are overwritten only after a prompt."""
    if subject.is_placeholder:
        return yes or terminal.ask_yes_or_no(f"Import {subject.path} from {candidate}?")
    state = f"{subject.path} has another value, {subject.last_change}"
    state = f"{state} (version {subject.stored.version})"
    if yes:
        terminal.warn(f"{state}; run again without --yes to decide.")
        return False
    return terminal.ask_yes_or_no(f"{state}. Overwrite it from {candidate}?")


def summary(outcomes: dict[Parameters, ImportOutcome]) -> str:
    """`3 imported, 2 already the same in SSM, 1 not in the cluster`."""
    counts = Counter(outcomes.values())
    listed = ", ".join(f"{counts[how]} {how}" for how in ImportOutcome if how in counts)
    return f"{plural(len(outcomes), 'parameter')}: {listed}."
