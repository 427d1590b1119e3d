"""SecretsStack: what the next `cdk deploy` does, and templates that cannot be read."""

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from ops.review.model import ReviewError, Severity
from ops.review.report import Report
from ops.review.revisions import STACK
from tests.conftest import ROOT
from tests.ops.review.cases import Case, Expected
from tests.ops.review.edits import (
    Edit,
    editing,
    rendered,
    review,
    revision,
    set_field,
    together,
    unchanged,
)

TEMPLATE: dict[str, Any] = json.loads((ROOT / STACK).read_text("utf-8"))


def named(start: str) -> str:
    """The only resource with this start of its logical ID."""
    (name,) = [str(name) for name in TEMPLATE["Resources"] if name.startswith(start)]
    return name


def resource(name: str) -> str:
    """A resource as in a report."""
    return f"{TEMPLATE['Resources'][name]['Type']} SecretsStack/{name}"


CERTIFICATE, LOG = named("certificate"), named("parameterslog")
HOST, READER, MAKER = (
    named(f"parameters{start}") for start in ("clickhousehost", "role", "function")
)
HOSTS = TEMPLATE["Resources"][CERTIFICATE]["Properties"]["SubjectAlternativeNames"]
POLICY = f"Resources.{READER}.Properties.Policies.0.PolicyDocument.Statement"
SECRETS = "ExternalSecret crawlers/nebula-secrets"
USER, READ = "spec.data[NEBULA_DATABASE_USER]", "/cerebro/clickhouse/reader"
ARN = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/cerebro/a/b"
ADDED = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":ssm:", {"Ref": "AWS::Region"},
                           ":", {"Ref": "AWS::AccountId"}, ":parameter/cerebro/a/b"]]}  # fmt: skip


def edited(path: str, content: Any) -> Any:
    """The template with another value at `Section.Name.Field...`; None removes it."""
    template = deepcopy(TEMPLATE)
    set_field(template, path, content)
    return template


def deploy(template: Any, **options: Any) -> Edit:
    """Add the template to dist/."""
    return lambda files: {**files, STACK: json.dumps(template, **options)}


def case(
    name: str, before: Any, after: Any, *expects: tuple[str, str, str], edit: Edit = unchanged
) -> Case:
    """A case with another template, and another edit of dist/. Expected findings have a severity
    and class, a logical ID or an object, and a text.
    """
    expected = [
        Expected.of({f"{start} {resource(key) if key in TEMPLATE['Resources'] else key}": text})
        for start, key, text in expects
    ]
    return Case(name, together(edit, deploy(after)), expected, base=deploy(before))


def changed(path: str, content: Any, *expects: tuple[str, str, str]) -> Case:
    return case(path, TEMPLATE, edited(path, content), *expects)


def reading(name: str, path: str, value: Any, *texts: str) -> Case:
    """A case in which an ExternalSecret reads another parameter."""
    findings = zip(("high secret", "medium secret"), (SECRETS, SECRETS), texts, strict=True)
    return case(name, TEMPLATE, TEMPLATE, *findings, edit=editing({SECRETS: {path: value}}))


DEPLOY = "the next `cdk deploy`"
CASES = [
    changed(f"Resources.{CERTIFICATE}.Properties.SubjectAlternativeNames", ["new.gnosis.io"],
            ("high replace", CERTIFICATE, f"{DEPLOY} replaces it: SubjectAlternativeNames "
             f"+new.gnosis.io, {', '.join(f'-{host}' for host in HOSTS)}")),
    changed(f"Resources.{HOST}.Properties.Name", "/cerebro/clickhouse/address",
            ("medium secret", HOST, "creates SSM parameter /cerebro/clickhouse/address with a "
             "placeholder; set its value; /cerebro/clickhouse/host stays in AWS")),
    case("name a parameter that had no name",
         edited(f"Resources.{HOST}.Properties.Name", None), TEMPLATE,
         ("medium secret", HOST, "creates SSM parameter /cerebro/clickhouse/host with a "
          "placeholder; set its value [resource-changed]")),
    changed(f"Resources.{HOST}", None,
            ("low delete", HOST, "is removed from the stack; SSM parameter "
             "/cerebro/clickhouse/host stays in AWS [resource-removed]")),
    changed(f"Resources.{HOST}.Properties.Placeholder", "other.invalid",
            ("low update", HOST, f"{DEPLOY} updates it in place: Placeholder")),
    changed(f"Resources.{CERTIFICATE}", None,
            ("low delete", CERTIFICATE, "is removed from the stack; it stays in AWS")),
    changed(f"Resources.{LOG}", None, ("high delete", LOG, f"{DEPLOY} deletes it")),
    changed("Resources.Token", {"Type": "Custom::X", "Properties": {"Name": "/cerebro/a/b"}},
            ("medium secret", "Custom::X SecretsStack/Token", "creates SSM parameter /cerebro/a/b "
             "with a placeholder; set its value")),
    changed(f"{POLICY}.0.Resource.0", ADDED,
            ("high privilege", READER, "new permissions: ssm:AddTagsToResource, "
             f"ssm:GetParameterHistory, ssm:PutParameter on {ARN}"),
            ("low privilege", READER, "removed permissions: ")),
    changed(f"Resources.{MAKER}.Properties.Timeout", 30,
            ("low update", MAKER, f"{DEPLOY} updates it in place: Timeout")),
    changed(f"Resources.{MAKER}.Properties.Role", "arn:aws:iam::123456789012:role/admin",
            ("high privilege", MAKER, "runs as another IAM role: "
             f'{{"Fn::GetAtt": ["{READER}", "Arn"]}} → arn:aws:iam::123456789012:role/admin')),
    changed(f"Resources.{MAKER}.Properties.Layers", ["arn"],
            ("high unknown", MAKER, 'effect unknown: Properties.Layers (none) → ["arn"]')),
    changed("Outputs.Region.Value", "eu-west-1",
            ("medium update", "Outputs SecretsStack/Region", "changes an output that the "
             'manifests use: {"Ref": "AWS::Region"} → eu-west-1')),
    changed("Description", "Other words",
            ("low update", "Description SecretsStack/Description", "changes the description: "
             f"{TEMPLATE['Description'][:59]}… → Other words")),
    Case("reformat the template", deploy(TEMPLATE, indent=2),
         [Expected("low", "noise", f"File {STACK}")], base=deploy(TEMPLATE)),
    reading("read a parameter that the stack does not create", f"{USER}.remoteRef.key", READ,
            f"reads {READ}, which SecretsStack does not create; run `make template`", READ),
    reading("extract a parameter that the stack does not create", "spec.dataFrom",
            [{"extract": {"key": READ}}],
            f"reads {READ}, which SecretsStack does not create; run `make template`", "dataFrom"),
]  # fmt: skip


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
def test_a_template_that_cannot_be_read_is_refused(text: str, problem: str) -> None:
    before = revision(rendered())
    with pytest.raises(ReviewError, match=rf"{STACK}:1 at a test: .*{problem}.* from Git$"):
        Report(before, replace(before, files={**before.files, STACK: text}))


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
