"""A rule that cannot fail is no rule: whatever is broken in rendered objects, a rule refuses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from constructs_lib.rules import RULES
from tests.mutants import Mutant, mutants, refusals, start

_ALSO = ("Deployment crawlers/ip-crawler", "NetworkPolicy cerebro/default-deny")
"""Beside the first object of each kind; `make mutants` breaks all."""
_FEWEST = 400
_BROKEN_ELSEWHERE = {
    "files-are-written-once",
    "load-balancers-agree",
    "objects-are-declared-once",
}
"""Rules about Apps, which tests/test_refusals.py and the tests of constructs_lib break."""


def chosen() -> Iterator[Mutant]:
    first: dict[str, str] = {}
    for mutant in mutants():
        title = mutant.name.partition(": ")[0]
        if title in (first.setdefault(title.partition(" ")[0], title), *_ALSO):
            yield mutant


def test_nothing_is_refused_before_it_is_broken() -> None:
    assert refusals(start()) == []


def test_every_mutant_is_refused_and_every_rule_refuses_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused: Counter[str] = Counter()
    survivors = []
    made = list(chosen())
    for mutant in made:
        problems = refusals(mutant.objects)
        if not problems:
            survivors.append(mutant.name)
        refused.update({name for one in problems for name in re.findall(r"\[([a-z-]+)\]$", one)})
    with capsys.disabled():
        print(f"\n{len(made) - len(survivors)} of {len(made)} mutants refused")
    assert not survivors
    assert len(made) >= _FEWEST
    assert {rule.name for rule in RULES} - refused.keys() == _BROKEN_ELSEWHERE
