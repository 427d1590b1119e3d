"""The items of the checklist, the results of their checks, and their output."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import Enum, StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Any

from rich.text import Text

from ops import terminal
from ops.errors import OpsError

if TYPE_CHECKING:
    from catalogue.open_items import OpenItem


class Outcome(StrEnum):
    """The outcome of a check, worst first."""

    FAILED = "failed"
    OPEN = "open"
    """Waits for a value that only the operator knows."""
    NOT_CHECKED = "not checked"
    PASSED = "passed"
    NOT_APPLICABLE = "does not apply"


_MARKS = {
    Outcome.PASSED: ("✓", "green"),
    Outcome.FAILED: ("✗", "red"),
    Outcome.OPEN: ("○", "yellow"),
    Outcome.NOT_CHECKED: ("?", "yellow"),
    Outcome.NOT_APPLICABLE: ("-", ""),
}


class Item(Enum):
    """The items of the deployment checklist, in order."""

    BUILDS = "Image builds for arm64"
    PUSHED = "Image is pushed"
    MANIFESTS = "Manifests are current"
    PARAMETERS = "Parameters are set"
    EXTERNAL_SECRETS = "ExternalSecrets"
    RESOURCES = "Requests and limits"
    PROBES = "Probes"
    NODE_SELECTOR = "Nodes are arm64"
    UPDATE = "Zero-downtime update"

    @property
    def number(self) -> int:
        """The position on the list, from 1."""
        return list(Item).index(self) + 1


@dataclass(frozen=True)
class CheckResult:
    """The result of one check."""

    outcome: Outcome
    detail: str
    """What was found and, for a failure, what to do."""

    def show(self, who: str = "") -> None:
        mark, style = _MARKS[self.outcome]
        terminal.show(f"   {mark} {f'{who}: ' if who else ''}{self.detail}", style)


def passed(detail: str) -> CheckResult:
    return CheckResult(Outcome.PASSED, detail)


def failed(detail: str) -> CheckResult:
    return CheckResult(Outcome.FAILED, detail)


def passed_if(condition: object, detail: str, problem: str) -> CheckResult:
    """Return a pass with `detail`, or a failure with `problem`."""
    return passed(detail) if condition else failed(problem)


def not_checked(why: object) -> CheckResult:
    return CheckResult(Outcome.NOT_CHECKED, str(why))


def results_of(
    check: Callable[..., Iterable[CheckResult]], *arguments: object
) -> Iterator[CheckResult]:
    """Yield the results of a check. If a request fails, the rest is not checked."""
    try:
        yield from check(*arguments)
    except OpsError as error:
        yield not_checked(error)


def failed_each(problems: Iterable[str], detail: str) -> list[CheckResult]:
    """Return one failure for each problem, or one pass with `detail`."""
    return [failed(problem) for problem in problems] or [passed(detail)]


def worst(results: Iterable[CheckResult]) -> Outcome:
    outcomes = {result.outcome for result in results}
    return next((outcome for outcome in Outcome if outcome in outcomes), Outcome.NOT_APPLICABLE)


@dataclass(frozen=True)
class Report:
    """The results of all checks."""

    services: dict[str, dict[Item, list[CheckResult]]]
    prerequisites: list[tuple[str, CheckResult]]
    """The results for the cluster, with their names; empty if it was not checked."""
    open_items: list[OpenItem]

    @property
    def outcome(self) -> Outcome:
        """The worst of all outcomes."""
        every = [result for _, result in self.prerequisites]
        every += [CheckResult(Outcome.OPEN, item.name) for item in self.open_items]
        for items in self.services.values():
            every += chain.from_iterable(items.values())
        return worst(every)

    def show(self) -> None:
        """Print all services as a table, then everything that did not pass."""
        terminal.show_table(
            *("Service", *(str(item.number) for item in Item)),
            rows=[
                (service, *(_MARKS[worst(results)][0] for results in items.values()))
                for service, items in self.services.items()
            ],
        )
        terminal.show()
        for item in Item:
            terminal.show(f"{item.number}  {item.value}")
            for result, services in self._not_passed(item).items():
                everywhere = len(services) == len(self.services)
                result.show("all services" if everywhere else ", ".join(services))
        self._show_rest()

    def show_details(self, service: str) -> None:
        """Print one service with the results of every item."""
        for item, results in self.services[service].items():
            terminal.show(f"{item.number}  {item.value}")
            for result in results:
                result.show()
        self._show_rest()

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "services": {
                service: [
                    {
                        "item": item.number,
                        "title": item.value,
                        "outcome": worst(results),
                        "findings": [asdict(result) for result in results],
                    }
                    for item, results in items.items()
                ]
                for service, items in self.services.items()
            },
            "cluster": [{"name": name, **asdict(result)} for name, result in self.prerequisites],
            "openItems": [asdict(item) for item in self.open_items],
        }

    def _not_passed(self, item: Item) -> dict[CheckResult, list[str]]:
        """Return what did not pass, and for which services."""
        found = defaultdict(list)
        for service, items in self.services.items():
            for result in dict.fromkeys(items[item]):
                if result.outcome not in (Outcome.PASSED, Outcome.NOT_APPLICABLE):
                    found[result].append(service)
        return found

    def _show_rest(self) -> None:
        terminal.show()
        if self.prerequisites:
            terminal.show("Cluster prerequisites")
            for name, result in self.prerequisites:
                result.show(name)
            terminal.show()
        if self.open_items:
            terminal.show("Open items")
            mark, style = _MARKS[Outcome.OPEN]
            rows: list[tuple[str, str | Text]] = []
            for item in self.open_items:
                remedy = Text(f"→ {item.remedy.replace('`', '')}", style="dim")
                rows += [(mark, f"{item.name} {item.consequence}"), ("", remedy)]
            terminal.show_grid(rows, indent=3, gap=1, style=style)
            terminal.show()
        marks = ", ".join(f"{mark} {outcome}" for outcome, (mark, _) in _MARKS.items())
        terminal.show(f"{marks}. Overall: {self.outcome}.")
