"""Each class of the review, by the cases in tests/ops/review/cases."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from ops.review.model import Risk
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
)
from tests.ops.review.edits import rendered, review

CASES = [
    case
    for theme in (removal, availability, access, control, secrets, operation, meaning)
    for case in theme.CASES
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_review_reports_exactly_the_expected_findings(case: Case) -> None:
    report = review(case.base(rendered()), case.edit(rendered()))
    found = mismatches(case.expects, report.findings)
    if case.others:
        found = [problem for problem in found if problem.startswith("missing: ")]
    assert not found, "\n".join(found)


def test_each_class_is_documented() -> None:
    guide = (ROOT / "docs" / "review.md").read_text("utf-8")
    assert re.findall(r"^### (\w+)$", guide, re.MULTILINE) == [str(risk) for risk in Risk]


def test_each_class_has_at_least_three_cases_and_is_absent_from_others() -> None:
    cases = Counter(risk for case in CASES for risk in {each.risk for each in case.expects})
    assert all(3 <= cases[risk] < len(CASES) for risk in Risk), cases
