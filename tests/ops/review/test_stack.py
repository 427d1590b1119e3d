"""SecretsStack: permissions, properties without a case, and templates that cannot be read."""

from typing import Any

import pytest

from ops.review.model import Severity
from ops.review.revisions import STACK
from tests.ops.review.edits import rendered, review
from tests.ops.review.stack_cases import READER, TEMPLATE, deploy, edited

HIGH, _, LOW = Severity


def said(before: Any, after: Any) -> set[tuple[Severity, str, str]]:
    """Severity, class and object, and text of each finding."""
    report = review(deploy(before)(rendered()), deploy(after)(rendered()))
    return {(f.severity, f"{f.risk} {f.key.name}", f.text) for f in report.findings}


def test_a_removed_role_removes_its_permissions() -> None:
    gone = said(TEMPLATE, edited(f"Resources.{READER}", None))
    found = {(severity, subject): text for severity, subject, text in gone}
    assert found[HIGH, f"delete {READER}"] == "the next `cdk deploy` deletes it"
    lost = found[LOW, f"privilege {READER}"]
    assert lost.startswith(
        "removed permissions: ssm:AddTagsToResource, ssm:GetParameterHistory, ssm:P"
    )
    policy = TEMPLATE["Resources"][READER]["Properties"]["Policies"][0]["PolicyDocument"]
    parameters = len(policy["Statement"][0]["Resource"])
    granted = parameters + 2  # to write its log, and to be assumed
    assert lost.endswith(f" and {granted - len(lost.split('; '))} more")


def test_every_property_of_the_stack_is_known_to_the_review() -> None:
    texts = {
        (resource["Type"], name): (f"Resources.{place}.Properties.{name}", content)
        for place, resource in TEMPLATE["Resources"].items()
        for name, content in resource["Properties"].items()
        if isinstance(content, str)
    }
    unknown = [
        key
        for key, (path, content) in texts.items()
        if any("unknown" in about for _, about, _ in said(TEMPLATE, edited(path, f"{content}1")))
    ]
    assert (unknown, len(texts) > 8) == ([], True)


def resources(properties: str) -> str:
    return f'{{"Resources": {{"One": {{"Type": "AWS::IAM::Role", "Properties": {properties}}}}}}}'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (resources(f"{5_000 * '['}{5_000 * ']'}"), "it is nested too deeply"),
        (resources(f"{400 * '['}{400 * ']'}"), "it is nested too deeply"),
        (resources(5_000 * "9"), "Exceeds the limit"),
        (resources(r'"\ud800"'), "surrogates not allowed"),
        (resources('"text"'), "the Properties of One are not a mapping"),
        (resources("[]"), "the Properties of One are not a mapping"),
        ('{"Resources": {},', "Expecting property name"),
        ("[]", "not a CloudFormation template"),
    ],
)
def test_a_template_that_cannot_be_read_is_reported(text: str, problem: str) -> None:
    report = review(rendered(), {**rendered(), STACK: text})
    assert [f"{f.severity} {f.key.name}" for f in report.findings] == [f"high {STACK}:1"]
    assert problem in report.findings[0].text


@pytest.mark.parametrize("properties", [None, {}, {"PolicyDocument": {"Statement": []}}])
def test_a_role_without_statements_has_no_permissions(properties: dict[str, Any] | None) -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": properties}
    found = said(TEMPLATE, edited("Resources.One", role))
    assert found == {(LOW, "create One", "the next `cdk deploy` creates it")}


@pytest.mark.parametrize(
    "policies",
    [
        {"PolicyDocument": "text"},
        {"PolicyDocument": {"Statement": ["text"]}},
        {"Policies": ["text"]},
        {"ManagedPolicyArns": {"Ref": "One"}},
    ],
)
def test_a_policy_of_another_shape_is_shown_as_it_is(policies: dict[str, Any]) -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": policies}
    found = said(TEMPLATE, edited("Resources.One", role))
    assert [text for _, about, text in found if about == "privilege One"]
