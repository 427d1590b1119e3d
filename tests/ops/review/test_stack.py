"""Changes of the SecretsStack's template."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from ops.review.model import ReviewError, Severity
from ops.review.report import Report
from ops.review.revisions import STACK, Revision
from tests.conftest import ROOT
from tests.ops.review.edits import rendered, revision

HIGH, MEDIUM, LOW = Severity
TEMPLATE: dict[str, Any] = json.loads((ROOT / STACK).read_text("utf-8"))
ARN = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/cerebro/a/b"


def named(start: str) -> str:
    """The only resource with this start of its logical ID."""
    (found,) = [str(name) for name in TEMPLATE["Resources"] if name.startswith(start)]
    return found


CERTIFICATE, LOG = named("certificate"), named("parameterslog")
HOST, READER, MAKER = (
    named(f"parameters{start}") for start in ("clickhousehost", "role", "function")
)


HOSTS = TEMPLATE["Resources"][CERTIFICATE]["Properties"]["SubjectAlternativeNames"]


def said(before: Any, after: Any) -> set[tuple[Severity, str, str]]:
    """Severity, class and object, and text of each finding."""
    manifests = {f"dist/{path}": text for path, text in rendered().items()}
    revisions = [
        Revision(name=name, commit=None, files={**manifests, STACK: json.dumps(template)})
        for name, template in (("before", before), ("after", after))
    ]
    return {(f.severity, f"{f.risk} {f.key.name}", f.text) for f in Report(*revisions).findings}


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
        inner[int(last) if isinstance(inner, list) else last] = content
    return template


POLICY = f"Resources.{READER}.Properties.Policies.0.PolicyDocument.Statement"
ADDED = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":ssm:", {"Ref": "AWS::Region"},
                           ":", {"Ref": "AWS::AccountId"}, ":parameter/cerebro/a/b"]]}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        (f"Resources.{CERTIFICATE}.Properties.SubjectAlternativeNames", ["new.gnosis.io"],
         (HIGH, f"replace {CERTIFICATE}", "the next `cdk deploy` replaces it: "
          f"SubjectAlternativeNames +new.gnosis.io, {', '.join(f'-{host}' for host in HOSTS)}")),
        (f"Resources.{HOST}.Properties.Name", "/cerebro/clickhouse/address",
         (MEDIUM, f"secret {HOST}", "creates SSM parameter /cerebro/clickhouse/address with a "
          "placeholder; set its value; /cerebro/clickhouse/host stays in AWS")),
        (f"Resources.{HOST}", None,
         (LOW, f"delete {HOST}", "is removed from the stack; SSM parameter "
          "/cerebro/clickhouse/host stays in AWS")),
        (f"Resources.{HOST}.Properties.Placeholder", "other.invalid",
         (LOW, f"update {HOST}", "the next `cdk deploy` updates it in place: Placeholder")),
        (f"Resources.{CERTIFICATE}", None,
         (LOW, f"delete {CERTIFICATE}", "is removed from the stack; it stays in AWS")),
        (f"Resources.{LOG}", None,
         (HIGH, f"delete {LOG}", "the next `cdk deploy` deletes it")),
        ("Resources.Token", {"Type": "Custom::X", "Properties": {"Name": "/cerebro/a/b"}},
         (MEDIUM, "secret Token", "creates SSM parameter /cerebro/a/b with a placeholder; "
          "set its value")),
        (f"{POLICY}.0.Resource.0", ADDED,
         (HIGH, f"privilege {READER}", "new permissions: ssm:AddTagsToResource, "
          f"ssm:GetParameterHistory, ssm:PutParameter on {ARN}")),
        (f"Resources.{MAKER}.Properties.Timeout", 30,
         (LOW, f"update {MAKER}", "the next `cdk deploy` updates it in place: Timeout")),
        (f"Resources.{MAKER}.Properties.Role", "arn:aws:iam::123456789012:role/admin",
         (HIGH, f"privilege {MAKER}", "runs as another IAM role: "
          f'{{"Fn::GetAtt": ["{READER}", "Arn"]}} → '
          "arn:aws:iam::123456789012:role/admin")),
        (f"Resources.{MAKER}.Properties.Layers", ["arn"],
         (HIGH, f"unknown {MAKER}", "effect unknown: Properties.Layers "
          '(none) → ["arn"]')),
        ("Outputs.Region.Value", "eu-west-1",
         (MEDIUM, "update Region", "changes an output that the manifests use: "
          '{"Ref": "AWS::Region"} → eu-west-1')),
        ("Description", "Other words",
         (LOW, "update Description", "changes the description: "
          f"{TEMPLATE['Description'][:59]}… → Other words")),
    ],
)  # fmt: skip
def test_a_change_of_the_template(
    path: str, content: Any, expected: tuple[Severity, str, str]
) -> None:
    found = said(TEMPLATE, edited(path, content))
    assert expected in found
    assert {subject for _, subject, _ in found} == {expected[1]}


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
        ("[]", f"{STACK}:1 at a test: not a CloudFormation template; restore it from Git"),
    ],
)
def test_a_broken_template_is_named(text: str, message: str) -> None:
    before = revision(rendered())
    with pytest.raises(ReviewError) as refused:
        Report(before, replace(before, files={**before.files, STACK: text}))
    assert message in str(refused.value)


def test_a_parameter_that_the_stack_does_not_create_is_reported() -> None:
    without_host = edited(f"Resources.{HOST}.Properties.Name", "/cerebro/other/host")
    manifests = revision(rendered()).files
    path = "dist/crawlers/nebula.k8s.yaml"
    moved = {**manifests, path: manifests[path].replace("clickhouse/user", "clickhouse/reader")}
    report = Report(
        Revision(name="a", commit=None, files={**manifests, STACK: json.dumps(without_host)}),
        Revision(name="b", commit=None, files={**moved, STACK: json.dumps(without_host)}),
    )
    text = (
        "reads /cerebro/clickhouse/reader, which SecretsStack does not create; run `make template`"
    )
    assert [finding for finding in report.findings if finding.text.startswith(text)]
