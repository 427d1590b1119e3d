"""The output of scanners is parsed, and findings and waivers must match."""

from __future__ import annotations

import json
from datetime import date

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_s3 as s3

from constructs_lib.model.waivers import Result, Waiver
from tests.scan import scanners
from tests.scan.__main__ import compare

_PROBES = Result("kube-score:pod-probes", "Deployment cerebro/one", "No probes")


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
    assert scanners.of_kube_score(json.dumps([item])) == [_PROBES]


@pytest.mark.parametrize(
    ("outcome", "resource", "naming", "item", "message"),
    [
        ("failed_checks", "Deployment.cerebro.one", "_of_manifest", "Deployment cerebro/one", "M"),
        ("skipped_checks", "Deployment.cerebro.one", "_of_manifest", "Deployment cerebro/one",
         "M (skipped by annotation)"),
        ("failed_checks", "AWS::Lambda::Function.one", "_of_template",
         "AWS::Lambda::Function SecretsStack/one", "M"),
    ],
)  # fmt: skip
def test_checkov_names_objects_and_resources_as_the_waivers_do(
    outcome: str, resource: str, naming: str, item: str, message: str
) -> None:
    broken = {"check_id": "CKV_1", "check_name": "M", "resource": resource}
    results: dict[str, list[object]] = {"failed_checks": [], "skipped_checks": []}
    printed = json.dumps({"results": results | {outcome: [broken]}})
    assert scanners.of_checkov(printed, getattr(scanners, naming)) == [
        Result("checkov:CKV_1", item, message)
    ]


def test_checkov_that_found_nothing_to_check_has_not_passed() -> None:
    with pytest.raises(RuntimeError, match="nothing to check"):
        scanners.of_checkov(json.dumps({"passed": 0, "resource_count": 0}), str)


def test_kubeconform_reports_objects_that_it_could_not_check() -> None:
    def one(status: str) -> dict[str, str]:
        return {"kind": "Service", "name": "one", "status": status, "msg": ""}

    printed = json.dumps({"resources": [one("statusValid"), one("statusSkipped")]})
    (finding,) = scanners.of_kubeconform(printed)
    assert finding.check == "kubeconform:skipped"


def test_gitleaks_names_the_file_and_not_the_secret() -> None:
    about = {"RuleID": "jwt", "File": "catalogue/one.py", "Description": "Uncovered a token"}
    leak = {**about, "StartLine": 3, "Commit": "0123456789abcdef", "Secret": "REDACTED"}
    message = "Uncovered a token (line 3, commit 012345678)"
    assert scanners.of_gitleaks(json.dumps([leak])) == [
        Result("gitleaks:jwt", "File catalogue/one.py", message)
    ]


def test_cfn_lint_names_the_rule_and_the_resource() -> None:
    places = [["Resources", "one", "Type"], ["Outputs"], None]
    problems = [{"Rule": {"Id": "E1"}, "Location": {"Path": p}, "Message": "m"} for p in places]
    template = {"Resources": {"one": {"Type": "AWS::S3::Bucket"}}}
    names = ("AWS::S3::Bucket SecretsStack/one", *("Template SecretsStack",) * 2)
    assert scanners.of_cfn_lint(json.dumps(problems), template) == [
        Result("cfn-lint:E1", name, "m") for name in names
    ]


def test_cdk_nag_reports_each_construct_by_its_path_or_its_resource() -> None:
    places = [{"constructPath": "SecretsStack/one"}, {"constructPath": "SecretsStack/two"}]
    broken = {"ruleName": "AwsSolutions-S1", "description": "m", "violatingConstructs": places}
    reports = [
        {"pluginName": "AwsSolutions", "violations": [broken]},
        {"pluginName": "CloudFormation Validate", "violations": [{**broken, "ruleName": "W1"}]},
    ]
    names = {"SecretsStack/one": "AWS::S3::Bucket SecretsStack/one1"}
    assert scanners.of_cdk_nag(json.dumps({"pluginReports": reports}), names) == [
        Result("cdk-nag:AwsSolutions-S1", "AWS::S3::Bucket SecretsStack/one1", "m"),
        Result("cdk-nag:AwsSolutions-S1", "SecretsStack/two", "m"),
    ]


def test_cdk_nag_reports_an_unsafe_resource() -> None:
    def unsafe(app: App) -> Stack:
        stack = Stack(app, "SecretsStack")
        s3.Bucket(stack, "unsafe")
        return stack

    findings = scanners.nagged(unsafe)
    checks = {f"cdk-nag:AwsSolutions-{check}" for check in ("S1", "S10")}
    assert {finding.check for finding in findings} == checks
    bucket = "AWS::S3::Bucket SecretsStack/unsafe"
    assert all(finding.item.startswith(bucket) for finding in findings)


@pytest.mark.parametrize(
    ("waiver", "problem"),
    [
        (_waiver("kube-score:other", "*"), "kube-score:pod-probes at Deployment cerebro/one"),
        (_waiver("kube-score:other", "*"), "kube-score:other has no findings"),
        (_waiver("kube-score:pod-probes", "Job *"), "no findings for Job *"),
        (_waiver("kube-score:pod-probes", "*", date(2020, 1, 1)), "expired on 2020-01-01"),
    ],
)
def test_findings_and_waivers_must_match(waiver: Waiver, problem: str) -> None:
    assert any(problem in one for one in compare([_PROBES], [waiver], ["kube-score"]))


def test_a_waiver_is_checked_only_with_its_own_scanner() -> None:
    waived = _waiver("kube-score:pod-probes", "Deployment cerebro/*")
    other = _waiver("checkov:CKV_1", "*")
    assert compare([_PROBES], [waived, other], ["kube-score"]) == []
