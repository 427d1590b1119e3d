"""Every mutant is rejected, and no change is played down; `make mutants` tests all of them."""

from collections.abc import Iterator
from itertools import islice

import pytest

from tests.mutants import Mutant, mutants, refusals, start
from tests.mutants.reviewed import changes, shortcomings

_ALSO = ("Deployment crawlers/ip-crawler", "NetworkPolicy cerebro/default-deny")
"""Objects in addition to the first of each kind; `make mutants` breaks all objects."""
_FEWEST = 400


def chosen() -> Iterator[Mutant]:
    first: dict[str, str] = {}
    for mutant in mutants():
        title = mutant.name.partition(": ")[0]
        if title in (first.setdefault(title.partition(" ")[0], title), *_ALSO):
            yield mutant


def test_the_base_has_no_violations() -> None:
    assert refusals(start()) == []


@pytest.mark.no_cover  # several times slower, and each rule has a test of its own
def test_every_mutant_is_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    broken = list(chosen())
    survivors = [mutant.name for mutant in broken if not refusals(mutant.objects)]
    with capsys.disabled():
        print(f"\n{len(broken) - len(survivors)} of {len(broken)} mutants rejected")
    assert not survivors
    assert len(broken) >= _FEWEST


@pytest.mark.no_cover
def test_no_change_is_played_down() -> None:
    assert not [text for change in islice(changes(), 0, None, 30) for text in shortcomings(change)]
