"""Import values from the Secrets of a cluster into SSM."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import typer

from catalogue.parameters import Parameters
from constructs_lib.model import Manifest
from constructs_lib.model.text import plural
from ops import terminal
from ops.aws import ParameterStore
from ops.cluster import Cluster
from ops.errors import CanceledError, OpsError
from ops.secrets.readers import readers
from ops.secrets.values import check
from ops.secrets.writing import Subject, look_up, write
from ops.terminal import SecretValue

_UNDECODABLE = "\N{REPLACEMENT CHARACTER}"


class Outcome(StrEnum):
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


def candidates(cluster: Cluster, objects: Iterable[Manifest]) -> dict[Parameters, list[Candidate]]:
    """Return the values of each parameter in the Secrets that dist/ names. Raises ClusterError."""
    every, look = list(objects), cache(cluster.secret)
    found = {}
    for parameter in Parameters:
        places: dict[SecretValue, list[str]] = {}
        for source in readers(parameter.path, every).sources:
            secret = look(source.namespace, source.secret)
            for key, path in source.paths.items():
                if path == parameter.path and secret and key in secret.values:
                    place = f"Secret {source.namespace}/{source.secret}, key {key}"
                    places.setdefault(secret.values[key], []).append(place)
        found[parameter] = [Candidate(value, tuple(at)) for value, at in places.items()]
    return found


def import_confirmed(
    store: ParameterStore, found: dict[Parameters, list[Candidate]], *, yes: bool
) -> dict[Parameters, Outcome]:
    """Import confirmed values one by one, after checking that all parameters can be written."""
    subjects = {one: look_up(store, one.path) for one, values in found.items() if values}
    if subjects and not yes and not terminal.is_interactive():
        raise OpsError(
            "the terminal is not interactive; nothing was changed. Pass --yes to import the values "
            "that SSM does not have yet"
        )
    outcomes: dict[Parameters, Outcome] = {}
    try:
        for parameter, values in found.items():
            subject = subjects.get(parameter)
            outcomes[parameter] = (
                _import(store, subject, values, yes=yes) if subject else Outcome.ABSENT
            )
    except typer.Abort:
        written = [one.path for one, how in outcomes.items() if how is Outcome.IMPORTED]
        summed = f"Already imported: {', '.join(written)}." if written else "Nothing was changed."
        raise CanceledError(f"\nInterrupted. {summed}") from None
    return outcomes


def _import(
    store: ParameterStore, subject: Subject, values: list[Candidate], *, yes: bool
) -> Outcome:
    candidate = _choose(subject, values, yes=yes)
    if not candidate:
        return Outcome.REFUSED
    if candidate.value == subject.stored.value:
        terminal.show(f"{subject.path}: {Outcome.SAME} ({candidate})")
        return Outcome.SAME
    try:
        _check(subject.parameter, candidate.value)
    except OpsError as error:
        terminal.warn(f"{subject.path}: {error} ({candidate}); set it with `ops secrets set`")
        return Outcome.REFUSED
    if not _confirmed(subject, candidate, yes=yes):
        terminal.show(f"{subject.path}: {Outcome.KEPT}")
        return Outcome.KEPT
    number = write(store, subject, candidate.value)
    terminal.show(f"{subject.path}: {Outcome.IMPORTED} as version {number}")
    return Outcome.IMPORTED


def _choose(subject: Subject, values: list[Candidate], *, yes: bool) -> Candidate | None:
    """Return the only value, or the user's choice; None with `yes`."""
    if len(values) == 1:
        return values[0]
    terminal.warn(f"{subject.path} has {len(values)} values in the cluster:")
    for number, one in enumerate(values, start=1):
        terminal.info(f"  {number}  {one}")
    if yes:
        terminal.warn("It was not imported; run again without --yes to choose one.")
        return None
    return values[terminal.choose("Which value is right?", len(values)) - 1]


def _check(parameter: Parameters, value: SecretValue) -> None:
    if _UNDECODABLE in value.text:
        raise OpsError(f"invalid value for {parameter.path}: it is not UTF-8 text")
    check(parameter, value)


def _confirmed(subject: Subject, candidate: Candidate, *, yes: bool) -> bool:
    """Return whether to write. Existing values are overwritten only after a prompt."""
    if subject.stored.value.text == subject.parameter.placeholder:
        return yes or terminal.ask_yes_or_no(f"Import {subject.path} from {candidate}?")
    since = terminal.when(subject.stored.changed)
    state = (
        f"{subject.path} has another value, set {since} by {subject.description.changed_by} "
        f"(version {subject.stored.version})"
    )
    if yes:
        terminal.warn(f"{state}; run again without --yes to decide.")
        return False
    return terminal.ask_yes_or_no(f"{state}. Overwrite it from {candidate}?")


def summary(outcomes: dict[Parameters, Outcome]) -> str:
    """`3 imported, 2 already the same in SSM, 1 not in the cluster`."""
    counts = {how: [*outcomes.values()].count(how) for how in Outcome}
    listed = ", ".join(f"{count} {how}" for how, count in counts.items() if count)
    return f"{plural(len(outcomes), 'parameter')}: {listed}."
