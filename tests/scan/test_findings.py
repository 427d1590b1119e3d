"""The output of scanners is parsed, and findings and waivers must match."""

from collections.abc import Iterable
from datetime import date

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_s3 as s3

from constructs_lib.model.waivers import Result, Waiver
from tests.scan import scanners
from tests.scan.__main__ import compare

_PROBES = Result("kube-score:pod-probes", "Deployment cerebro/one", "No probes")


def _waiver(check: str, item: str) -> Waiver:
    return Waiver(checks=[check], objects=[item], reason="A test", expires=date(2999, 1, 1))


def _score(grade: int, *, skipped: bool = False) -> dict[str, object]:
    about = {"id": "pod-probes", "comment": "No probes"}
    return {"check": about, "grade": grade, "skipped": skipped}


_SCORED = {
    "type_meta": {"kind": "Deployment"},
    "object_meta": {"name": "one", "namespace": "cerebro"},
    "checks": [_score(1), _score(10), _score(1, skipped=True)],
}
_KUBECONFORM = {"kind": "Service", "name": "one", "msg": ""}
_LEAK = {
    "RuleID": "jwt",
    "File": "catalogue/one.py",
    "Description": "Uncovered a token",
    "StartLine": 3,
    "Commit": "0123456789abcdef",
    "Secret": "REDACTED",
}
_LINTED = [
    {"Rule": {"Id": "E1"}, "Location": {"Path": path}, "Message": "M"}
    for path in (["Resources", "one", "Type", 0], ["Outputs"], None)
]
_BROKEN = {
    "ruleName": "AwsSolutions-S1",
    "description": "M",
    "violatingConstructs": [{"constructPath": "SecretsStack/a"}, {"constructPath": "SecretsStack"}],
}
_NAGGED = {
    "pluginReports": [
        {"pluginName": "AwsSolutions", "violations": [_BROKEN]},
        {"pluginName": "CloudFormation Validate", "violations": [{**_BROKEN, "ruleName": "W1"}]},
    ]
}


def _checked(outcome: str, resource: str) -> dict[str, object]:
    check = {"check_id": "CKV_1", "check_name": "M", "resource": resource}
    return {"results": {"failed_checks": [], "skipped_checks": [], outcome: [check]}}


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        (scanners.of_kube_score([_SCORED]), [_PROBES]),
        (scanners.of_checkov(_checked("failed_checks", "Deployment.cerebro.one")),
         [Result("checkov:CKV_1", "Deployment cerebro/one", "M")]),
        (scanners.of_checkov(_checked("skipped_checks", "Deployment.cerebro.one")),
         [Result("checkov:CKV_1", "Deployment cerebro/one", "M (skipped by annotation)")]),
        (scanners.of_checkov(_checked("failed_checks", "AWS::Lambda::Function.one")),
         [Result("checkov:CKV_1", "AWS::Lambda::Function SecretsStack/one", "M")]),
        (scanners.of_kubeconform({"resources": [
            {**_KUBECONFORM, "status": "statusValid"}, {**_KUBECONFORM, "status": "statusSkipped"},
        ]}), [Result("kubeconform:skipped", "Service one", "no schema")]),
        (scanners.of_gitleaks([_LEAK]),
         [Result("gitleaks:jwt", "File catalogue/one.py",
                 "Uncovered a token (line 3, commit 012345678)")]),
        (scanners.of_cfn_lint(_LINTED, {"Resources": {"one": {"Type": "AWS::S3::Bucket"}}}),
         [Result("cfn-lint:E1", "AWS::S3::Bucket SecretsStack/one", "M"),
          *(2 * [Result("cfn-lint:E1", "Template SecretsStack", "M")])]),
        (scanners.of_cdk_nag(_NAGGED, {"SecretsStack/a": "AWS::S3::Bucket SecretsStack/a1"}),
         [Result("cdk-nag:AwsSolutions-S1", "AWS::S3::Bucket SecretsStack/a1", "M"),
          Result("cdk-nag:AwsSolutions-S1", "SecretsStack", "M")]),
    ],
    ids=["kube-score", "checkov", "checkov-skipped", "checkov-template", "kubeconform", "gitleaks",
         "cfn-lint", "cdk-nag"],
)  # fmt: skip
def test_reports_are_read(findings: Iterable[Result], expected: list[Result]) -> None:
    assert list(findings) == expected


def test_checkov_that_found_nothing_to_check_has_not_passed() -> None:
    with pytest.raises(RuntimeError, match="nothing to check"):
        list(scanners.of_checkov({"passed": 0, "resource_count": 0}))


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


def test_findings_and_waivers_must_match() -> None:
    waived = _waiver("kube-score:pod-probes", "Deployment cerebro/*")
    of_another_scanner = _waiver("checkov:CKV_1", "*")
    assert compare([_PROBES], [waived, of_another_scanner], ["kube-score"]) == []
    finding, unused = compare([_PROBES], [_waiver("kube-score:other", "*")], ["kube-score"])
    assert finding == "kube-score:pod-probes at Deployment cerebro/one: No probes"
    assert "kube-score:other has no findings" in unused
