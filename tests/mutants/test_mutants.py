"""Every mutant is rejected, and every rule rejects at least one mutant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from constructs_lib.rules import RULES
from tests.mutants import SHAPE, Mutant, mutants, refusals, start

_ALSO = ("Deployment crawlers/ip-crawler", "NetworkPolicy cerebro/default-deny")
"""Objects in addition to the first of each kind; `make mutants` breaks all objects."""
_FEWEST = 400
_BROKEN_ELSEWHERE = {
    "duplicate-file",
    "conflicting-load-balancer-settings",
    "duplicate-object",
}
"""Rules about Apps, which tests/test_refusals.py and tests/constructs_lib cover."""


def chosen() -> Iterator[Mutant]:
    first: dict[str, str] = {}
    for mutant in mutants():
        title = mutant.name.partition(": ")[0]
        if title in (first.setdefault(title.partition(" ")[0], title), *_ALSO):
            yield mutant


def test_the_base_has_no_violations() -> None:
    assert refusals(start()) == []


def test_every_mutant_is_rejected_and_every_rule_rejects_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rejected: Counter[str] = Counter()
    survivors = []
    broken = list(chosen())
    for mutant in broken:
        problems = refusals(mutant.objects)
        if not problems:
            survivors.append(mutant.name)
        rejected.update({problem.check for problem in problems})
    with capsys.disabled():
        print(f"\n{len(broken) - len(survivors)} of {len(broken)} mutants rejected")
    assert not survivors
    assert len(broken) >= _FEWEST
    assert rejected.keys() - {SHAPE} == {rule.name for rule in RULES} - _BROKEN_ELSEWHERE
