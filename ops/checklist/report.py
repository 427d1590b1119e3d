"""Output of the checklist: a table of all services, or one service in detail."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ops import terminal
from ops.checklist.model import Answer, Item, Outcome, worst

if TYPE_CHECKING:
    from catalogue.open_items import OpenItem

_MARKS = {
    Outcome.PASSED: ("✓", "green"),
    Outcome.FAILED: ("✗", "red"),
    Outcome.OPEN: ("○", "yellow"),
    Outcome.NOT_CHECKED: ("?", "yellow"),
    Outcome.NOT_APPLICABLE: ("-", None),
}


@dataclass(frozen=True)
class Results:
    """The results of all checks."""

    services: dict[str, dict[Item, list[Answer]]]
    required: list[tuple[str, Answer]]
    """The cluster's prerequisites; empty if they were not checked."""
    open_items: list[OpenItem]

    @property
    def outcome(self) -> Outcome:
        """The worst of all results."""
        found = [
            finding.outcome
            for items in self.services.values()
            for findings in items.values()
            for finding in findings
        ]
        found += [finding.outcome for _, finding in self.required]
        return worst([*found, *([Outcome.OPEN] if self.open_items else [])])

    def show(self) -> None:
        """Print all services as a table, then everything that did not pass."""
        terminal.show_table(
            *("Service", *(str(item.number) for item in Item)),
            rows=[
                (service, *(_MARKS[_worst(findings)][0] for findings in items.values()))
                for service, items in self.services.items()
            ],
        )
        terminal.show()
        for item in Item:
            terminal.show(f"{item.number}  {item.value}")
            for finding, services in self._not_passed(item).items():
                everywhere = len(services) == len(self.services)
                who = "all services" if everywhere else ", ".join(services)
                _show(Answer(finding.outcome, f"{who}: {finding.detail}"))
        terminal.show()
        self._show_rest()

    def show_details(self, service: str) -> None:
        """Print one service with the findings of every item."""
        for item, findings in self.services[service].items():
            terminal.show(f"{item.number}  {item.value}")
            for finding in findings:
                _show(finding)
        terminal.show()
        self._show_rest()

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "services": {
                service: [
                    {
                        "item": item.number,
                        "title": item.value,
                        "outcome": _worst(findings),
                        "findings": [asdict(finding) for finding in findings],
                    }
                    for item, findings in items.items()
                ]
                for service, items in self.services.items()
            },
            "cluster": [{"name": name, **asdict(finding)} for name, finding in self.required],
            "openItems": [asdict(item) for item in self.open_items],
        }

    def _not_passed(self, item: Item) -> dict[Answer, list[str]]:
        """Return what did not pass, and for which services."""
        found = defaultdict(list)
        for service, items in self.services.items():
            for finding in dict.fromkeys(items[item]):
                if finding.outcome in (Outcome.FAILED, Outcome.OPEN, Outcome.NOT_CHECKED):
                    found[finding].append(service)
        return found

    def _show_rest(self) -> None:
        if self.required:
            terminal.show("Cluster prerequisites")
            for name, finding in self.required:
                _show(Answer(finding.outcome, f"{name}: {finding.detail}"))
            terminal.show()
        if self.open_items:
            terminal.show("Open items")
            terminal.show_list(
                *_MARKS[Outcome.OPEN],
                [
                    (f"{item.name} {item.consequence}", f"→ {item.remedy.replace('`', '')}")
                    for item in self.open_items
                ],
            )
            terminal.show()
        marks = ", ".join(f"{mark} {outcome}" for outcome, (mark, _) in _MARKS.items())
        terminal.show(f"{marks}. Overall: {self.outcome}.")


def _worst(findings: list[Answer]) -> Outcome:
    return worst(finding.outcome for finding in findings)


def _show(finding: Answer) -> None:
    mark, style = _MARKS[finding.outcome]
    terminal.show(f"   {mark} {finding.detail}", style)
