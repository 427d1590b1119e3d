"""The page docs/rules.md: every rule, what it saw, what is waived, which check sets it covers."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from constructs_lib.rules import ROOMS, RULES, violations
from constructs_lib.rules.model import Rendered, Rule
from constructs_lib.rules.waivers import Waiver
from constructs_lib.wording import plural

_SETS = Path(__file__).with_name("check_sets.toml")
_PAGE = """\
# Rules

Rendered by `make synth`, and never edited by hand. Every synth checks all of these rules over all
objects, and writes nothing if one is broken; `python -m ops review` reports what a change newly
breaks. {counts}

A violation that is accepted is a waiver in `catalogue/waivers.toml`, with a reason and a date.

{rooms}
## Waivers

Of our rules, by name, and of the scanners of `make scan`, as `<scanner>:<check>`.

{waivers}
## Public check sets

What each set asks of rendered objects, and how much of it a rule here covers. What is not covered
is not relevant, or was decided otherwise. `make scan` runs kube-score, without its optional checks,
and checkov themselves.

{sets}"""


def check_sets() -> dict[str, dict[str, Any]]:
    """By prefix, the title and the checks of each public set."""
    return tomllib.loads(_SETS.read_text("utf-8"))


def render(rendered: Rendered, waivers: Sequence[Waiver]) -> str:
    """The page, as Markdown."""
    broken = violations(rendered)
    waived = {rule.name: sum(one.check == rule.name for one in broken) for rule in RULES}
    rooms = "\n".join(
        f"### {title}\n\n{_rules(rules, rendered, waived)}" for title, rules in ROOMS.items()
    )
    counts = f"{plural(len(RULES), 'rule')}, {plural(len(rendered.objects.every), 'object')}."
    return _PAGE.format(
        counts=counts, rooms=rooms, waivers=_waivers(waivers), sets=_sets(check_sets())
    )


def _rules(rules: Iterable[Rule], rendered: Rendered, waived: dict[str, int]) -> str:
    return _table(
        ("Rule", "Why, and what to do", "Objects", "Waived", "Covers"),
        (
            (
                f"`{rule.name}`",
                f"{rule.reason} To do: {rule.remedy}.",
                str(len(rule.subjects(rendered))) if rule.kinds else "all",
                str(waived[rule.name] or ""),
                ", ".join(rule.covers),
            )
            for rule in rules
        ),
    )


def _waivers(waivers: Sequence[Waiver]) -> str:
    rows = [
        (
            "<br>".join(f"`{check}`" for check in one.checks),
            "<br>".join(one.objects).replace("*", r"\*"),
            one.reason,
            str(one.expires),
        )
        for one in waivers
    ]
    return _table(("Check", "Objects", "Reason", "Until"), rows) if rows else "None.\n"


def _sets(sets: dict[str, dict[str, Any]]) -> str:
    return _table(
        ("Set", "Covered", "Not covered"),
        (
            (
                content["title"],
                f"{len(content['checks']) - len(missing)} of {len(content['checks'])}",
                ", ".join(missing),
            )
            for prefix, content in sets.items()
            for missing in ([one for one in content["checks"] if one not in _covered(prefix)],)
        ),
    )


def _covered(prefix: str) -> set[str]:
    return set(_identifiers(prefix))


def _identifiers(prefix: str) -> Iterator[str]:
    for rule in RULES:
        for one in rule.covers:
            of, _, identifier = one.partition(":")
            if of == prefix:
                yield identifier


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["-"] * len(headings), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines
    )
