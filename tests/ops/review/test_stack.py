"""Changes of the SecretsStack's template, as CloudFormation carries them out."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from ops.review.errors import ReviewError
from ops.review.model import Severity
from ops.review.report import Report
from ops.review.revisions import STACK, Revision
from tests.ops.review.edits import rendered, revision

HIGH, MEDIUM, LOW = Severity
STORE = "arn:aws:ssm:eu-central-1:111122223333:parameter/cerebro/*"
TEMPLATE: dict[str, Any] = {
    "Description": "Parameters and certificate",
    "Resources": {
        "Certificate": {
            "Type": "AWS::CertificateManager::Certificate",
            "Properties": {
                "DomainName": "api.analytics.gnosis.io",
                "SubjectAlternativeNames": ["mcp.analytics.gnosis.io"],
                "ValidationMethod": "DNS",
            },
        },
        "ClickHouseHost": {
            "Type": "Custom::SecureString",
            "DeletionPolicy": "Retain",
            "Properties": {"Name": "/cerebro/clickhouse/host", "Description": "Host"},
        },
        "Reader": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Statement": [
                        {
                            "Action": "sts:AssumeRole",
                            "Effect": "Allow",
                            "Principal": {"Service": "pods.eks.amazonaws.com"},
                        }
                    ]
                }
            },
        },
        "Policy": {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "PolicyDocument": {
                    "Statement": [
                        {"Action": "ssm:GetParameter", "Effect": "Allow", "Resource": STORE}
                    ]
                }
            },
        },
        "Maker": {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Code": {"ZipFile": "pass"}, "Timeout": 60},
        },
    },
    "Outputs": {"Region": {"Value": "eu-central-1"}},
}
"""As the stack synthesizes, cut down to one of each that the rules know."""


def said(before: Any, after: Any) -> set[tuple[Severity, str, str]]:
    """Severity, class and object, and what happens, for each finding about the stack."""
    manifests = {f"dist/{path}": text for path, text in rendered().items()}
    sides = [
        Revision(name=name, commit=None, files={**manifests, STACK: json.dumps(template)})
        for name, template in (("before", before), ("after", after))
    ]
    return {(f.severity, f"{f.risk} {f.key.name}", f.text) for f in Report(*sides).findings}


def edited(path: str, content: Any) -> Any:
    """The template with another value at `Section.Name.Field...`; None removes it."""
    template = deepcopy(TEMPLATE)
    *steps, last = path.split(".")
    inner = template
    for step in steps:
        inner = inner[int(step)] if isinstance(inner, list) else inner[step]
    if content is None:
        del inner[last]
    else:
        inner[last] = content
    return template


POLICY = "Resources.Policy.Properties.PolicyDocument.Statement"


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("Resources.Certificate.Properties.SubjectAlternativeNames", ["new.analytics.gnosis.io"],
         (HIGH, "replace Certificate", "the next `cdk deploy` makes it anew: "
          'SubjectAlternativeNames ["mcp.analytics.gnosis.io"] → ["new.analytics.gnosis.io"]')),
        ("Resources.ClickHouseHost.Properties.Name", "/cerebro/clickhouse/address",
         (HIGH, "replace ClickHouseHost", "the next `cdk deploy` makes it anew: "
          "Name /cerebro/clickhouse/host → /cerebro/clickhouse/address")),
        ("Resources.ClickHouseHost", None,
         (LOW, "delete ClickHouseHost", "the stack lets go of SSM /cerebro/clickhouse/host, "
          "which stays behind in AWS (Retain)")),
        ("Resources.Token", {"Type": "Custom::X", "Properties": {"Name": "/cerebro/a/b"}},
         (MEDIUM, "secret Token", "SSM /cerebro/a/b is made with a placeholder: put its value in")),
        (f"{POLICY}.0.Action", ["ssm:GetParameter", "ssm:PutParameter"],
         (HIGH, "privilege Policy", f"may now: ssm:GetParameter, ssm:PutParameter on {STORE}")),
        ("Resources.Maker.Properties.Timeout", 30,
         (LOW, "update Maker", "changes in place with the next `cdk deploy`: Timeout")),
        ("Resources.Maker.Properties.Layers", ["arn"],
         (HIGH, "unknown Maker", "what this does is not known to this review: Properties.Layers "
          '(none) → ["arn"]')),
        ("Outputs.Region.Value", "eu-west-1",
         (MEDIUM, "update Region", "what `cdk deploy` hands over to the manifests: "
          "eu-central-1 → eu-west-1")),
        ("Description", "Other words",
         (LOW, "update Description", "described in other words: "
          "Parameters and certificate → Other words")),
    ],
)  # fmt: skip
def test_a_change_of_the_template(
    path: str, content: Any, expected: tuple[Severity, str, str]
) -> None:
    found = said(TEMPLATE, edited(path, content))
    assert expected in found
    assert {subject for _, subject, _ in found} == {expected[1]}


def test_a_role_that_goes_takes_its_rights_along() -> None:
    assert said(TEMPLATE, edited("Resources.Reader", None)) == {
        (HIGH, "delete Reader", "the next `cdk deploy` deletes it"),
        (
            LOW,
            "privilege Reader",
            "may no longer: be assumed with sts:AssumeRole by "
            '{"Service": "pods.eks.amazonaws.com"}',
        ),
    }


def test_reformatting_the_template_is_noise() -> None:
    manifests = revision(rendered()).files
    report = Report(
        Revision(name="a", commit=None, files={**manifests, STACK: json.dumps(TEMPLATE)}),
        Revision(name="b", commit=None, files={**manifests, STACK: json.dumps(TEMPLATE, indent=2)}),
    )
    assert [(finding.risk, finding.key.name) for finding in report.findings] == [("noise", STACK)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"Resources": {},', f"{STACK}:1 at a test: Expecting property name"),
        ("[]", f"{STACK}:1 at a test: is no CloudFormation template; restore it from Git"),
    ],
)
def test_a_broken_template_is_named(text: str, message: str) -> None:
    before = revision(rendered())
    with pytest.raises(ReviewError) as refused:
        Report(before, replace(before, files={**before.files, STACK: text}))
    assert message in str(refused.value)


def test_a_parameter_that_the_stack_does_not_make_is_noticed() -> None:
    without_host = edited("Resources.ClickHouseHost.Properties.Name", "/cerebro/other/host")
    manifests = revision(rendered()).files
    path = "dist/crawlers/nebula.k8s.yaml"
    moved = {**manifests, path: manifests[path].replace("clickhouse/user", "clickhouse/reader")}
    report = Report(
        Revision(name="a", commit=None, files={**manifests, STACK: json.dumps(without_host)}),
        Revision(name="b", commit=None, files={**moved, STACK: json.dumps(without_host)}),
    )
    assert "reads /cerebro/clickhouse/reader, which SecretsStack does not make" in {
        finding.text for finding in report.findings
    }
