"""The results of checks, and their output."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
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

    def __call__(self, detail: object) -> CheckResult:
        """Return a result with this outcome."""
        return CheckResult(self, str(detail))


_MARKS = {
    Outcome.PASSED: ("✓", "green"),
    Outcome.FAILED: ("✗", "red"),
    Outcome.OPEN: ("○", "yellow"),
    Outcome.NOT_CHECKED: ("?", "yellow"),
    Outcome.NOT_APPLICABLE: ("-", ""),
}


@dataclass(frozen=True)
class CheckResult:
    """The result of one check."""

    outcome: Outcome
    detail: str
    """What was found and, for a failure, what to do."""

    def show(self, who: str = "") -> None:
        mark, style = _MARKS[self.outcome]
        terminal.show(f"   {mark} {f'{who}: ' if who else ''}{self.detail}", style)


def passed_if(condition: object, detail: str, problem: str) -> CheckResult:
    """Return a pass with `detail`, or a failure with `problem`."""
    return Outcome.PASSED(detail) if condition else Outcome.FAILED(problem)


Check = Callable[..., CheckResult | Iterable[CheckResult]]
Results = dict[str, list[CheckResult]]
"""The results of each check, by its title."""


def results_of(checks: Mapping[str, Check], *arguments: object) -> Results:
    """Run checks. If a request of a check fails, the rest of it is not checked."""

    def run(check: Check) -> Iterator[CheckResult]:
        try:
            results = check(*arguments)
            yield from [results] if isinstance(results, CheckResult) else results
        except OpsError as error:
            yield Outcome.NOT_CHECKED(error)

    return {title: list(run(check)) for title, check in checks.items()}


def failed_each(problems: Iterable[str], detail: str) -> list[CheckResult]:
    """Return one failure for each problem, or one pass with `detail`."""
    return [Outcome.FAILED(problem) for problem in problems] or [Outcome.PASSED(detail)]


def worst(results: Iterable[CheckResult]) -> Outcome:
    outcomes = (result.outcome for result in results)
    return min(outcomes, key=list(Outcome).index, default=Outcome.NOT_APPLICABLE)


@dataclass(frozen=True)
class Report:
    """The results of all checks."""

    services: dict[str, Results]
    """The results of each service, which all have the same checks."""
    prerequisites: Results
    """The results for the cluster; empty if it was not checked."""
    open_items: list[OpenItem]

    @property
    def outcome(self) -> Outcome:
        """The worst of all outcomes."""
        every = [Outcome.OPEN(item.name) for item in self.open_items]
        for checks in (*self.services.values(), self.prerequisites):
            every += [result for results in checks.values() for result in results]
        return worst(every)

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "services": {
                service: [
                    {
                        "item": number,
                        "title": title,
                        "outcome": worst(results),
                        "findings": [asdict(result) for result in results],
                    }
                    for number, (title, results) in enumerate(checks.items(), start=1)
                ]
                for service, checks in self.services.items()
            },
            "cluster": [
                {"name": name, **asdict(result)}
                for name, results in self.prerequisites.items()
                for result in results
            ],
            "openItems": [asdict(item) for item in self.open_items],
        }

    def show(self, *, details: bool) -> None:
        """Print a table and what did not pass or, with `details`, every result."""
        checks = next(iter(self.services.values()))
        if not details:
            rows = [
                (service, *(_MARKS[worst(results)][0] for results in found.values()))
                for service, found in self.services.items()
            ]
            numbers = map(str, range(1, len(checks) + 1))
            terminal.show_table("Service", *numbers, rows=rows)
            terminal.show()
        for number, (title, results) in enumerate(checks.items(), start=1):
            terminal.show(f"{number}  {title}")
            if details:
                for result in results:
                    result.show()
            else:
                self._show_problems(title)
        terminal.show()
        if self.prerequisites:
            terminal.show("Cluster prerequisites")
            for name, results in self.prerequisites.items():
                for result in results:
                    result.show(name)
            terminal.show()
        if self.open_items:
            self._show_open_items()
        marks = ", ".join(f"{mark} {outcome}" for outcome, (mark, _) in _MARKS.items())
        terminal.show(f"{marks}. Overall: {self.outcome}.")

    def _show_problems(self, title: str) -> None:
        """Print each result of a check that did not pass once, with its services."""
        found = defaultdict(list)
        for service, checks in self.services.items():
            for result in dict.fromkeys(checks[title]):
                if result.outcome not in (Outcome.PASSED, Outcome.NOT_APPLICABLE):
                    found[result].append(service)
        for result, services in found.items():
            everywhere = len(services) == len(self.services)
            result.show("all services" if everywhere else ", ".join(services))

    def _show_open_items(self) -> None:
        mark, style = _MARKS[Outcome.OPEN]
        rows: list[tuple[str, str | Text]] = []
        for item in self.open_items:
            remedy = Text(f"→ {item.remedy.replace('`', '')}", style="dim")
            rows += [(mark, f"{item.name} {item.consequence}"), ("", remedy)]
        terminal.show("Open items")
        terminal.show_table("", "", rows=rows, indent=3, gap=1, style=style)
        terminal.show()
