"""A rule that cannot fail is no rule: whatever is broken in rendered objects, a rule refuses."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.mutants import mutants, refusals, start

_OF_A_KIND = 1
"""How many objects of each kind are broken here; `make mutants` breaks all."""
_FEWEST = 400


def test_nothing_is_refused_before_it_is_broken() -> None:
    assert refusals(start()) == []


def test_every_mutant_is_refused_by_a_rule(capsys: pytest.CaptureFixture[str]) -> None:
    broken: dict[str, set[str]] = {}
    made: Counter[str] = Counter()
    survivors = []
    for mutant in mutants():
        title = mutant.name.partition(": ")[0]
        kind = title.partition(" ")[0]
        of_kind = broken.setdefault(kind, set())
        if title not in of_kind and len(of_kind) == _OF_A_KIND:
            continue
        of_kind.add(title)
        made[kind] += 1
        if not refusals(mutant.objects):
            survivors.append(mutant.name)
    with capsys.disabled():
        print(f"\n{made.total() - len(survivors)} of {made.total()} mutants refused")
    assert not survivors
    assert made.total() >= _FEWEST
