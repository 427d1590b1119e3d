"""A new value into SSM: who it concerns, and what happens when two write at once."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from catalogue.parameters import Parameters
from constructs_lib.manifests.workload import Workload
from ops import rendered, terminal
from ops.asking import SecretValue, secret_value
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

_UNSURE = (
    "Whether the value was written is not known; running this again with the same value writes it "
    "only if it was not"
)


class OverwroteError(OpsError):
    """The value is written, over one that somebody else wrote in the same moment."""

    status = Status.OVERWROTE


@dataclass(frozen=True)
class Subject:
    """The parameter that a command is about, as it is before."""

    parameter: Parameters
    stored: Stored
    description: Description
    readers: Readers

    @property
    def path(self) -> str:
        """Its name in SSM."""
        return self.parameter.path


def find(name: str) -> Parameters:
    """The parameter of the catalogue with this path, `/cerebro/` being optional."""
    path = name if name.startswith("/") else f"/cerebro/{name}"
    known = {parameter.path: parameter for parameter in Parameters}
    if path not in known:
        close = difflib.get_close_matches(path, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "`ops secrets status` lists them"
        raise OpsError(f"the catalogue has no parameter {path}; {hint}")
    return known[path]


def look_up(store: ParameterStore, name: str) -> Subject:
    """What SSM and the manifests say of a parameter that can be written."""
    parameter = find(name)
    stored = store.read([parameter.path]).get(parameter.path)
    if not stored:
        raise OpsError(
            f"{parameter.path} does not exist in {store.region}; `make deploy-secrets` makes it"
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
    """The value to write, checked: of an earlier version, or as a person gives it."""
    if version is None:
        value = secret_value(f"New value of {subject.path}", file)
    else:
        history = {one.number: one.value for one in store.history(subject.path)}
        if version not in history:
            raise OpsError(
                f"{subject.path} has no version {version}; its history goes from "
                f"{min(history)} to {max(history)}"
            )
        value = history[version]
    check(subject.parameter, value)
    return value


def write(store: ParameterStore, subject: Subject, value: SecretValue) -> int:
    """Write a new version; its number.

    SSM knows no write on a condition. That somebody else wrote since `subject` was looked up
    shows in the number only afterwards: then OverwroteError says which version is whose.
    """
    try:
        number = store.put(subject.path, value, subject.description)
    except AwsUnreachableError as error:
        raise OpsError(f"{error}. {_UNSURE}") from error
    except KeyboardInterrupt:
        terminal.tell(f"\n{_UNSURE}.")
        raise
    try:
        _require_alone(store, subject, value, number)
    except KeyboardInterrupt:
        terminal.tell(
            f"\nYour value is written, as version {number}. Whether somebody else's stands between "
            f"that and version {subject.stored.version} was not seen."
        )
        raise
    return number


def _require_alone(
    store: ParameterStore, subject: Subject, value: SecretValue, number: int
) -> None:
    if number <= subject.stored.version:
        raise OverwroteError(
            f"{subject.path} was deleted and made anew in the same moment; your value is its "
            f"version {number}. Ask whoever did that"
        )
    if others := _others(store, subject, value, number):
        theirs = " and ".join(
            f"version {other.number}" + (f" by {other.author}" if other.author else "")
            for other in others
        )
        raise OverwroteError(
            f"somebody else wrote {subject.path} in the same moment: {theirs}. Your value is "
            f"version {number}, which holds now; theirs is in the history, and "
            f"`ops secrets set {subject.path} --version {others[-1].number}` would take it back"
        )


def _others(
    store: ParameterStore, subject: Subject, value: SecretValue, number: int
) -> list[Version]:
    """The versions between the one that was looked up and `number`, which are not ours.

    One of the same value is ours: a request that was repeated because its answer was lost. One
    that the history does not show (yet) counts as somebody's.
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
    """Tell a person what is about to be written, and whom it concerns."""
    changed = terminal.when(subject.stored.changed)
    placeholder = subject.stored.value.text == subject.parameter.placeholder
    terminal.tell(
        f"{subject.path} ({subject.parameter.description}): version {subject.stored.version}, "
        + (
            "the placeholder"
            if placeholder
            else f"set {changed} by {subject.description.changed_by}"
        )
    )
    if needs_advanced_tier(value) and subject.description.tier == "Standard":
        terminal.warn(
            "It is longer than 4 KB, so SSM makes it a parameter of the advanced tier: AWS charges "
            "for it every month, and it cannot go back."
        )


def consequences(concerned: Readers) -> None:
    """Tell what a value that is only set, not rotated, will do."""
    if not concerned.sources:
        terminal.tell("No workload reads it yet.")
        return
    secrets = ", ".join(str(source) for source in concerned.sources)
    terminal.tell(f"External Secrets takes it up within the hour, into {secrets}. Then:")
    long_running = concerned.restarted()
    reloaded = [
        one
        for one in long_running
        if {s.secret for s in concerned.sources_of(one)} & {*one.reloaded}
    ]
    kept = [one for one in long_running if one not in reloaded]
    _line("restarted by Reloader, where the cluster has it", reloaded)
    _line("with the old value until somebody restarts them, as `ops secrets rotate` does", kept)
    _line("with their next run", concerned.taking(UpdateMode.NEXT_RUN))
    _line("with the next sync of Argo CD", concerned.taking(UpdateMode.NEXT_SYNC))
    if not concerned.workloads:
        terminal.tell("  nothing restarts: it is used when an image is pulled")


def _line(what: str, workloads: list[Workload]) -> None:
    if workloads:
        terminal.tell(f"  {what}: {', '.join(map(str, workloads))}")
