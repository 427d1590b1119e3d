"""Write a new value to SSM, and detect concurrent writes."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from catalogue.parameters import Parameters
from constructs_lib.manifests.workload import Workload
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
from ops.errors import OpsError, Status
from ops.secrets.readers import Readers, UpdateMode, readers
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
class Subject:
    """The parameter of a command, before the change."""

    parameter: Parameters
    stored: Stored
    description: Description
    readers: Readers

    @property
    def path(self) -> str:
        return self.parameter.path


def find(name: str) -> Parameters:
    """Return the parameter with this path; `/cerebro/` is optional."""
    path = name if name.startswith("/") else f"/cerebro/{name}"
    known = {parameter.path: parameter for parameter in Parameters}
    if path not in known:
        close = difflib.get_close_matches(path, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "`ops secrets status` lists them"
        raise OpsError(f"the parameter is not in catalogue/parameters.py; {hint}")
    return known[path]


def look_up(store: ParameterStore, name: str) -> Subject:
    """Return a parameter that can be written. Raises OpsError if it cannot."""
    parameter = find(name)
    stored = store.read([parameter.path]).get(parameter.path)
    if not stored:
        raise OpsError(
            f"{parameter.path} does not exist in {store.region}; `make deploy-secrets` creates it"
        )
    if stored.type != SECURE:
        raise OpsError(
            f"{parameter.path} is a {stored.type}, which cannot become a SecureString; save its "
            "value, delete it, and run `make deploy-secrets`"
        )
    description = store.describe([parameter.path])[parameter.path]
    return Subject(parameter, stored, description, readers(parameter.path, rendered.objects()))


def new_value(
    store: ParameterStore, subject: Subject, file: Path | None, version: int | None
) -> SecretValue:
    """Return the validated value: of an earlier version, or from the user."""
    if version is None:
        value = secret_value(f"New value of {subject.path}", file)
    else:
        history = {one.number: one.value for one in store.history(subject.path)}
        if version not in history:
            raise OpsError(
                f"{subject.path} has no version {version}; its history has versions "
                f"{min(history)} to {max(history)}"
            )
        value = history[version]
    check(subject.parameter, value)
    return value


def write(store: ParameterStore, subject: Subject, value: SecretValue) -> int:
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
    store: ParameterStore, subject: Subject, value: SecretValue, number: int
) -> None:
    if number <= subject.stored.version:
        raise OverwroteError(
            f"{subject.path} was deleted and recreated at the same time; your value is version "
            f"{number}. Ask whoever did that"
        )
    if others := _others(store, subject, value, number):
        theirs = " and ".join(
            f"version {other.number}" + (f" by {other.author}" if other.author else "")
            for other in others
        )
        raise OverwroteError(
            f"another user wrote {subject.path} at the same time: {theirs}. Your value is version "
            f"{number}, which is current; to restore theirs, run "
            f"`ops secrets set {subject.path} --version {others[-1].number}`"
        )


def _others(
    store: ParameterStore, subject: Subject, value: SecretValue, number: int
) -> list[Version]:
    """Return the versions of other users since the lookup and before `number`.

    A version with the same value is ours: a request that was repeated because its response was
    lost. A version that the history does not show (yet) counts as another user's.
    """
    between = range(subject.stored.version + 1, number)
    if not between:
        return []
    try:
        history = {one.number: one for one in store.history(subject.path)}
    except AwsError:
        history = {}
    found = [history.get(one, Version(one, SecretValue(""), "")) for one in between]
    return [one for one in found if one.value != value]


def describe(subject: Subject, value: SecretValue) -> None:
    """Print the parameter that will be written, and its current state."""
    changed = terminal.when(subject.stored.changed)
    placeholder = subject.stored.value.text == subject.parameter.placeholder
    terminal.info(
        f"{subject.path} ({subject.parameter.description}): version {subject.stored.version}, "
        + (
            "the placeholder"
            if placeholder
            else f"set {changed} by {subject.description.changed_by}"
        )
    )
    if needs_advanced_tier(value) and subject.description.tier == "Standard":
        terminal.warn(
            "The value is longer than 4 KB, so the parameter moves to the advanced tier: AWS "
            "charges for it monthly, and it cannot move back."
        )


def consequences(affected: Readers) -> None:
    """Print the effect of a value that is set without a rotation."""
    if not affected.sources:
        terminal.info("No workload reads it yet.")
        return
    secrets = ", ".join(str(source) for source in affected.sources)
    terminal.info(f"External Secrets syncs it within the hour, into {secrets}. Then:")
    long_running = affected.restarted()
    reloaded = [
        one
        for one in long_running
        if {s.secret for s in affected.sources_of(one)} & {*one.reloaded}
    ]
    kept = [one for one in long_running if one not in reloaded]
    _line("restarted by Reloader, if the cluster has it", reloaded)
    _line("use the old value until a restart, for example by `ops secrets rotate`", kept)
    _line("updated by their next run", affected.with_mode(UpdateMode.NEXT_RUN))
    _line("updated by the next sync of Argo CD", affected.with_mode(UpdateMode.NEXT_SYNC))
    if not affected.workloads:
        terminal.info("  nothing restarts: it is used to pull images")


def _line(what: str, workloads: list[Workload]) -> None:
    if workloads:
        terminal.info(f"  {what}: {', '.join(map(str, workloads))}")
