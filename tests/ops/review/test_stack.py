"""Changes of the SecretsStack's template."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ops.review.model import ReviewError, Severity
from ops.review.report import Report
from ops.review.revisions import STACK, Revision
from tests.ops.review.cases.stack import READER, TEMPLATE, deploy, edited
from tests.ops.review.edits import rendered, review, revision

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
        if any("unknown" in about for _, about, _ in said(TEMPLATE, edited(path, f"{content}x")))
    ]
    assert (unknown, len(texts) > 8) == ([], True)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (f"{5_000 * '['}{5_000 * ']'}", "it is nested too deeply"),
        (f"{400 * '['}{400 * ']'}", "it is nested too deeply"),
        (5_000 * "9", "Exceeds the limit"),
        (r'"\ud800"', "surrogates not allowed"),
    ],
)
def test_a_template_that_cannot_be_read_is_refused(value: str, problem: str) -> None:
    text = f'{{"Resources": {{"One": {{"Type": "AWS::IAM::Role", "Properties": {value}}}}}}}'
    broken = Revision(name="a test", commit=None, files={STACK: text})
    with pytest.raises(ReviewError, match=rf"{STACK}:1 at a test: .*{problem}.* from Git$"):
        Report(broken, broken)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"Resources": {},', f"{STACK}:1 at a test: Expecting property name"),
        ("[]", f"{STACK}:1 at a test: not a CloudFormation template; restore it from Git"),
    ],
)
def test_a_broken_template_is_named(text: str, message: str) -> None:
    before = revision(rendered())
    with pytest.raises(ReviewError) as refused:
        Report(before, replace(before, files={**before.files, STACK: text}))
    assert message in str(refused.value)
