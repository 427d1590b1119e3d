"""Each class and effect of the review, by the cases in tests/ops/review/cases."""

import re
from collections import Counter
from functools import cache

import pytest

from constructs_lib.manifests.objects import Object
from constructs_lib.rules import RULES
from constructs_lib.rules.model import Problems, Rendered, declared, rule
from ops.review import effects, report
from ops.review.diff import NOTHING, Change, Comparison
from ops.review.live import findings as of_clusters
from ops.review.model import Effect, Finding, Findings, Risk, Severity, effect
from tests.conftest import ROOT
from tests.ops.review import cases, stack_cases
from tests.ops.review.cases import Case
from tests.ops.review.edits import editing, rendered, review

CASES = [*cases.CASES, *stack_cases.CASES]
EFFECTS = {effect.id: effect.reason for effect in (*effects.EFFECTS, *declared(Effect, report))}
GUIDE = (ROOT / "docs" / "review.md").read_text("utf-8")


@cache
def findings(case: Case) -> list[Finding]:
    return review(case.base(rendered()), case.edit(rendered()), case.path).findings


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_review_reports_exactly_the_expected_findings(case: Case) -> None:
    problems = case.mismatches(findings(case), case.base(rendered()), case.edit(rendered()))
    assert not problems, "\n".join(problems)


def test_nothing_is_deleted_when_dist_is_lost() -> None:
    texts = {found.text for found in review(rendered(), {}).findings if found.risk == "delete"}
    assert all(text.startswith("stays in the cluster: ") for text in texts)


def test_an_object_that_a_rule_cannot_read_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing_replicas(item: Object, _: Rendered) -> Problems:
        yield f"runs {item.spec['replicas']} pods"

    broken = rule("Deployment", risk="update", remedy="set them")
    monkeypatch.setattr(effects, "RULES_OF_THE_SYNTH", (broken(missing_replicas),))
    edit = editing({"Deployment cerebro/cerebro-api": {"spec.replicas": None}})
    reported = [(f.severity, f.rule, f.text) for f in review(rendered(), edit(rendered())).findings]
    text = "effect unknown: rule missing-replicas cannot read it (KeyError: 'replicas')"
    assert ("high", "missing-replicas", text) in reported
    assert not [text for *_, text in reported if "fixed: runs" in text]
    assert review(rendered(), rendered()).findings == []


def test_an_object_that_an_effect_cannot_read_is_unknown() -> None:
    @effect("Deployment", risk="update")
    def surprised(change: Change, _: Comparison) -> Findings:
        yield Finding(Severity.LOW, change.after.spec["replicas"])

    (found,) = surprised(Change(NOTHING, NOTHING), None)
    text = "effect unknown: surprised cannot read it (KeyError: 'replicas'); correct the object"
    assert (found.severity, found.risk, found.text) == ("high", "unknown", text)


def test_each_effect_has_a_case() -> None:
    named = {finding.rule for case in CASES for finding in findings(case)}
    assert {*EFFECTS} - named == set()


def test_each_class_and_effect_is_documented() -> None:
    assert re.findall(r"^### (\w+)$", GUIDE, re.MULTILINE) == [str(risk) for risk in Risk]
    assert {rule.risk for rule in RULES} <= {*Risk}
    rows = dict(re.findall(r"^\| `([a-z]+-[a-z-]+)` \| (.+) \|$", GUIDE, re.MULTILINE))
    assert rows == EFFECTS | {effect.id: effect.reason for effect in declared(Effect, of_clusters)}


def test_each_class_has_at_least_three_cases_and_is_absent_from_others() -> None:
    counts = Counter(risk for case in CASES for risk in {each.risk for each in case.expects})
    assert all(3 <= counts[risk] < len(CASES) for risk in Risk), counts
