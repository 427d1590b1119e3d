"""What the scanners print is understood, and findings and waivers must be the same."""

from __future__ import annotations

import json
from datetime import date

import pytest

from constructs_lib.rules.waivers import Result, Waiver
from tests.scan.__main__ import compare
from tests.scan.scanners import (
    _of_manifest,
    _of_template,
    of_cdk_nag,
    of_cfn_lint,
    of_checkov,
    of_kube_score,
    of_kubeconform,
)

_FOUND = Result("kube-score:pod-probes", "Deployment cerebro/one", "No probes")


def _waiver(check: str, item: str, expires: date = date(2999, 1, 1)) -> Waiver:
    return Waiver(checks=(check,), objects=(item,), reason="A test", expires=expires)


def test_kube_score_counts_what_is_not_passed_and_not_skipped() -> None:
    def check(grade: int, *, skipped: bool = False) -> dict[str, object]:
        about = {"id": "pod-probes", "comment": "No probes"}
        return {"check": about, "grade": grade, "skipped": skipped}

    item = {
        "type_meta": {"kind": "Deployment"},
        "object_meta": {"name": "one", "namespace": "cerebro"},
        "checks": [check(1), check(10), check(1, skipped=True)],
    }
    assert of_kube_score(json.dumps([item])) == [_FOUND]


def test_checkov_names_objects_and_resources_as_the_waivers_do() -> None:
    def report(resource: str) -> str:
        one = {"check_id": "CKV_1", "check_name": "One", "resource": resource}
        return json.dumps({"results": {"failed_checks": [one]}})

    (manifest,) = of_checkov(report("Deployment.cerebro.one"), _of_manifest)
    (template,) = of_checkov(report("AWS::Lambda::Function.one"), _of_template)
    assert (manifest.check, manifest.item) == ("checkov:CKV_1", "Deployment cerebro/one")
    assert template.item == "AWS::Lambda::Function SecretsStack/one"
    assert not of_checkov(json.dumps({"passed": 0}), _of_manifest)


def test_kubeconform_reports_what_it_could_not_check_as_well() -> None:
    def one(status: str) -> dict[str, str]:
        return {"kind": "Service", "name": "one", "status": status, "msg": ""}

    printed = json.dumps({"resources": [one("statusValid"), one("statusSkipped")]})
    (finding,) = of_kubeconform(printed)
    assert finding.check == "kubeconform:skipped"


def test_cfn_lint_and_cdk_nag_name_their_rules() -> None:
    place = {"Path": ["Resources", "one", "Type"]}
    found = of_cfn_lint(json.dumps([{"Rule": {"Id": "E1"}, "Location": place, "Message": "m"}]))
    assert [(one.check, one.item) for one in found] == [("cfn-lint:E1", "SecretsStack/one")]
    (nag,) = of_cdk_nag("[AwsSolutions-S1] one\n[AwsSolutions-S1] two")
    assert nag.check == "cdk-nag:AwsSolutions-S1"


@pytest.mark.parametrize(
    ("waiver", "problem"),
    [
        (_waiver("kube-score:other", "*"), "kube-score:pod-probes at Deployment cerebro/one"),
        (_waiver("kube-score:other", "*"), "kube-score:other finds nothing"),
        (_waiver("kube-score:pod-probes", "Job *"), "nothing is found at Job *"),
        (_waiver("kube-score:pod-probes", "*", date(2020, 1, 1)), "expired on 2020-01-01"),
    ],
)
def test_findings_and_waivers_have_to_be_equal(waiver: Waiver, problem: str) -> None:
    assert any(problem in one for one in compare([_FOUND], [waiver], ["kube-score"]))


def test_a_waiver_is_judged_by_its_own_scanner_alone() -> None:
    waived = _waiver("kube-score:pod-probes", "Deployment cerebro/*")
    other = _waiver("checkov:CKV_1", "*", date(2020, 1, 1))
    assert compare([_FOUND], [waived, other], ["kube-score"]) == []
