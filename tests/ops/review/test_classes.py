"""Each class and effect of the review, by the cases in tests/ops/review/cases."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest

from ops.review import report
from ops.review.effects import EFFECTS as OF_COMPARISONS
from ops.review.model import Finding, Risk, effects_of
from tests.conftest import ROOT
from tests.ops.review.cases import (
    Case,
    access,
    availability,
    control,
    meaning,
    mismatches,
    operation,
    removal,
    secrets,
    stack,
)
from tests.ops.review.edits import rendered, review

CASES = [
    case
    for theme in (removal, availability, access, control, secrets, operation, meaning, stack)
    for case in theme.CASES
]
EFFECTS = {effect.id: effect.reason for effect in (*OF_COMPARISONS, *effects_of(report))}
GUIDE = (ROOT / "docs" / "review.md").read_text("utf-8")


@cache
def findings(case: Case) -> list[Finding]:
    return review(case.base(rendered()), case.edit(rendered())).findings


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_review_reports_exactly_the_expected_findings(case: Case) -> None:
    found = mismatches(case.expects, findings(case))
    if case.others:
        found = [problem for problem in found if problem.startswith("missing: ")]
    assert not found, "\n".join(found)


def test_each_effect_has_a_case() -> None:
    named = {finding.rule for case in CASES for finding in findings(case)}
    assert {*EFFECTS} - named == set()


def test_each_class_and_effect_is_documented() -> None:
    assert re.findall(r"^### (\w+)$", GUIDE, re.MULTILINE) == [str(risk) for risk in Risk]
    rows = dict(re.findall(r"^\| `([a-z]+-[a-z-]+)` \| (.+) \|$", GUIDE, re.MULTILINE))
    assert rows == EFFECTS


def test_each_class_has_at_least_three_cases_and_is_absent_from_others() -> None:
    cases = Counter(risk for case in CASES for risk in {each.risk for each in case.expects})
    assert all(3 <= cases[risk] < len(CASES) for risk in Risk), cases
