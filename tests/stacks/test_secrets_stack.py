"""The template of SecretsStack matches its snapshot and fulfills its requirements."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Token

from catalogue.hosts import Hosts
from catalogue.installation import INSTALLATION
from catalogue.parameters import Parameters
from constructs_lib.errors import DeclarationError
from constructs_lib.model import Parameter
from constructs_lib.model.names import looks_secret
from stacks.secrets_stack import SecretsStack
from stacks.template import SNAPSHOT, render
from tests.conftest import ROOT, run
from tests.scan.scanners import SCANNERS

Template = dict[str, Any]
_KEY = "arn:aws:kms:eu-central-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef"


@pytest.fixture(scope="module")
def template() -> Template:
    """The committed template."""
    content: Template = json.loads(SNAPSHOT.read_text("utf-8"))
    return content


def synthesized(**settings: Any) -> Template:
    """The template for other settings."""
    app = App(analytics_reporting=False)
    SecretsStack(app, replace(INSTALLATION, **settings))
    content: Template = json.loads(render(app))
    return content


def resources(template: Template, kind: str) -> list[Template]:
    return [r for r in template["Resources"].values() if r["Type"] == kind]


def statements(template: Template) -> Iterator[tuple[str, str, str]]:
    """All permissions: first word of the role's description, action, resource."""
    for role in resources(template, "AWS::IAM::Role"):
        name = role["Properties"]["Description"].split()[0]
        for policy in role["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                for action in _list(statement["Action"]):
                    for resource in _list(statement["Resource"]):
                        yield name, action, _text(resource)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(resource: Any) -> str:
    """The ARN of a resource, with references in braces."""
    if isinstance(resource, str):
        return resource
    if "Fn::Join" in resource:
        return "".join(map(_text, resource["Fn::Join"][1]))
    named = resource.get("Ref") or resource["Fn::GetAtt"][0]
    return f"{{{named}}}"


def test_the_feature_flags_are_those_that_cdk_init_sets() -> None:
    recommended = ROOT / "node_modules/aws-cdk/lib/init-templates/.recommended-feature-flags.json"
    context = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"]
    assert context == json.loads(recommended.read_text("utf-8"))


def test_the_template_is_the_snapshot_on_any_machine(tmp_path: Path) -> None:
    other = {"PYTHONHASHSEED": "4711", "TZ": "Pacific/Kiritimati", "PYTHONPATH": str(ROOT)}
    script = "from stacks.template import render; print(render(), end='')"
    done = run(sys.executable, "-c", script, folder=tmp_path, environment=other)
    assert done.returncode == 0, done.stderr
    assert done.stdout == SNAPSHOT.read_text("utf-8"), "run `make template`, commit its snapshot"


def test_every_parameter_of_the_catalogue_is_a_create_only_resource(template: Template) -> None:
    made = {
        r["Properties"]["Name"]: r["Properties"]["Placeholder"]
        for r in resources(template, "Custom::SecureString")
    }
    assert made == {parameter.path: parameter.placeholder for parameter in Parameters}
    assert not resources(template, "AWS::SSM::Parameter")


def test_the_template_contains_no_secret(template: Template) -> None:
    text = json.dumps(template)
    assert not [word for word in re.findall(r'"([^"]*)"', text) if looks_secret("", word)]


def test_the_roles_have_minimal_permissions(template: Template) -> None:
    arn = "arn:{AWS::Partition}:ssm:{AWS::Region}:{AWS::AccountId}:parameter"
    (log,) = (name for name in template["Resources"] if name.startswith("parameterslog"))
    allowed = {
        (role, action, f"{arn}{parameter.path}")
        for parameter in Parameters
        for role, action in (
            ("Creates", "ssm:AddTagsToResource"),
            ("Creates", "ssm:GetParameterHistory"),
            ("Creates", "ssm:PutParameter"),
            ("Reads", "ssm:GetParameter"),
        )
    } | {("Creates", f"logs:{verb}", f"{{{log}}}") for verb in ("CreateLogStream", "PutLogEvents")}
    assert set(statements(template)) == allowed
    assert not resources(template, "AWS::IAM::Policy")
    assert not any("ManagedPolicyArns" in r["Properties"] for r in template["Resources"].values())


def test_a_customer_key_adds_only_permissions_for_the_key(template: Template) -> None:
    with_key = synthesized(kms_key_arn=_KEY)
    assert set(statements(with_key)) - set(statements(template)) == {
        ("Creates", "kms:Encrypt", _KEY),
        ("Reads", "kms:Decrypt", _KEY),
    }
    strings = resources(with_key, "Custom::SecureString")
    assert {string["Properties"]["KeyId"] for string in strings} == {_KEY}


def trust(template: Template) -> Template:
    (role,) = (
        role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
        for role in resources(template, "AWS::IAM::Role")
        if role["Properties"]["Description"].startswith("Reads")
    )
    return dict(role)


def test_pod_identity_is_trusted_for_the_operators_service_account(template: Template) -> None:
    statement = trust(template)
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert not resources(template, "AWS::EKS::PodIdentityAssociation")
    (association,) = resources(
        synthesized(cluster_name="analytics"), "AWS::EKS::PodIdentityAssociation"
    )
    assert association["Properties"]["ClusterName"] == "analytics"


def test_irsa_is_a_setting() -> None:
    provider = "oidc.eks.eu-central-1.amazonaws.com/id/ABC"
    template = synthesized(
        oidc_provider_arn=f"arn:aws:iam::111122223333:oidc-provider/{provider}",
        cluster_name="analytics",
    )
    statement = trust(template)
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"]["StringEquals"] == {
        f"{provider}:aud": "sts.amazonaws.com",
        f"{provider}:sub": "system:serviceaccount:external-secrets:external-secrets",
    }
    assert not resources(template, "AWS::EKS::PodIdentityAssociation")


def test_the_certificate_covers_the_hosts_and_is_retained(template: Template) -> None:
    (certificate,) = resources(template, "AWS::CertificateManager::Certificate")
    names = certificate["Properties"]
    assert [names["DomainName"], *names["SubjectAlternativeNames"]] == [h.fqdn for h in Hosts]
    assert certificate["UpdateReplacePolicy"] == certificate["DeletionPolicy"] == "Retain"
    strings = {
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] == "Custom::SecureString"
    }
    assert strings <= set(certificate["DependsOn"])


def test_a_hosted_zone_validates_the_certificate() -> None:
    (certificate,) = resources(
        synthesized(hosted_zone_id="Z123"), "AWS::CertificateManager::Certificate"
    )
    options = certificate["Properties"]["DomainValidationOptions"]
    assert {option["HostedZoneId"] for option in options} == {"Z123"}


def test_an_account_sets_the_environment_of_the_stack() -> None:
    anywhere = SecretsStack(App(analytics_reporting=False), INSTALLATION)
    assert Token.is_unresolved(anywhere.account)
    assert Token.is_unresolved(anywhere.region)
    bound = SecretsStack(
        App(analytics_reporting=False), replace(INSTALLATION, account="111122223333")
    )
    assert (bound.account, bound.region) == ("111122223333", INSTALLATION.region)
    assert bound.termination_protection


def test_a_path_declared_twice_is_rejected() -> None:
    one = Parameter("/cerebro/test/one", "One", "placeholder")
    with pytest.raises(DeclarationError, match="/cerebro/test/one is declared twice"):
        SecretsStack(App(), parameters=[one, replace(one, description="Another")])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": "/aws/test/one"}, "in lower case, not below /aws or /ssm"),
        ({"path": f"/cerebro/test/{940 * 'a'}"}, "with at most 950 characters"),
        ({"description": 1025 * "a"}, "has 1025 characters, but SSM allows 0 to 1024"),
        ({"placeholder": ""}, "has 0 characters, but SSM allows 1 to 4096; write a short one"),
        ({"placeholder": 4097 * "a"}, "has 4097 characters, but SSM allows 1 to 4096"),
    ],
)
def test_a_parameter_that_ssm_refuses_is_rejected(changes: dict[str, str], message: str) -> None:
    longest = Parameter("/cerebro/test/one", 1024 * "a", 4096 * "a")
    with pytest.raises(DeclarationError, match=message):
        replace(longest, **changes)


@pytest.mark.parametrize("scanner", ["cdk-nag", "cfn-lint"])
def test_scanners_find_nothing(scanner: str) -> None:
    stated_twice = "cfn-lint:W3005"  # CDK writes out a dependency that a reference already implies
    assert [finding for finding in SCANNERS[scanner](print) if finding.check != stated_twice] == []
