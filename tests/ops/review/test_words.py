"""The first line of a report, and rules that crash."""

from __future__ import annotations

import pytest

from constructs_lib.manifests.objects import Object
from constructs_lib.rules.model import Problems, Rendered, rule
from ops.review.effects import violations
from tests.ops.review.cases.objects import create, delete
from tests.ops.review.edits import rendered, review, together, write

API = "cerebro/cerebro-api"


def test_pods_are_counted() -> None:
    report = review(rendered(), write(API, ('"300"', '"600"'))(rendered()))
    (restart,) = report.findings
    assert restart.pods == 2
    assert report.verdict == "Low risk: 2 pods restarted."


def test_an_object_that_could_be_deleted_is_not_counted_as_removed() -> None:
    new = create("cluster/namespace-cerebro.k8s.yaml", "Namespace open", "v1")
    verdict = review(rendered(), new(rendered())).verdict
    assert verdict.startswith("High risk: 1 object that could be deleted, ")
    assert "removed" not in verdict
    unprotected = write("cluster/aws-ssm", ("Prune=false,Delete=false", "Delete=false"))
    verdict = review(rendered(), unprotected(rendered())).verdict
    assert verdict.startswith("High risk: 1 object that could be deleted")
    assert "removed" not in verdict
    both = together(new, delete("PersistentVolumeClaim crawlers/ip-crawler"))
    verdict = review(rendered(), both(rendered())).verdict
    assert verdict.startswith("High risk: 1 object removed, 1 object that could be deleted, ")


def test_an_object_that_a_rule_cannot_read_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing_replicas(item: Object, _: Rendered) -> Problems:
        yield f"runs {item.spec['replicas']} pods"

    broken = rule("Deployment", risk="update", remedy="set them")
    monkeypatch.setattr(violations, "RULES_OF_THE_SYNTH", (broken(missing_replicas),))
    findings = review(rendered(), write(API, ("  replicas: 2\n", ""))(rendered())).findings
    text = "effect unknown: rule missing-replicas cannot read it (KeyError: 'replicas')"
    assert ("high", "missing-replicas", text) in [(f.severity, f.rule, f.text) for f in findings]
    assert not [finding for finding in findings if "fixed: runs" in finding.text]
    assert review(rendered(), rendered()).findings == []
