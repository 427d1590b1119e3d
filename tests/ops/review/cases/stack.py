"""SecretsStack: what the next `cdk deploy` does."""

import json
from copy import deepcopy
from typing import Any

from ops.review.revisions import STACK
from tests.conftest import ROOT
from tests.ops.review.cases import Case, Expected, case, high, low, medium
from tests.ops.review.cases.objects import remove_field, set_field
from tests.ops.review.edits import Edit, together

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
READ = "/cerebro/clickhouse/reader"
ARN = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/cerebro/a/b"
ADDED = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":ssm:", {"Ref": "AWS::Region"},
                           ":", {"Ref": "AWS::AccountId"}, ":parameter/cerebro/a/b"]]}  # fmt: skip


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


def deploy(template: Any, **options: Any) -> Edit:
    """Add the template to dist/."""
    return lambda files: {**files, STACK: json.dumps(template, **options)}


def changed(path: str, content: Any, *expects: Expected) -> Case:
    """A case that changes the template."""
    return case(path, deploy(edited(path, content)), *expects, base=deploy(TEMPLATE))


CASES = [
    changed(f"Resources.{CERTIFICATE}.Properties.SubjectAlternativeNames", ["new.gnosis.io"],
         high("replace", resource(CERTIFICATE), "the next `cdk deploy` replaces it: Subject"
              f"AlternativeNames +new.gnosis.io, {', '.join(f'-{host}' for host in HOSTS)}")),
    changed(f"Resources.{HOST}.Properties.Name", "/cerebro/clickhouse/address",
         medium("secret", resource(HOST), "creates SSM parameter /cerebro/clickhouse/address with "
                "a placeholder; set its value; /cerebro/clickhouse/host stays in AWS")),
    case("name a parameter that had no name", deploy(TEMPLATE),
         medium("secret", resource(HOST), "creates SSM parameter /cerebro/clickhouse/host with a "
                "placeholder; set its value [resource-changed]"),
         base=deploy(edited(f"Resources.{HOST}.Properties.Name", None))),
    changed(f"Resources.{HOST}", None,
         low("delete", resource(HOST), "is removed from the stack; SSM parameter "
             "/cerebro/clickhouse/host stays in AWS [resource-removed]")),
    changed(f"Resources.{HOST}.Properties.Placeholder", "other.invalid",
         low("update", resource(HOST), "the next `cdk deploy` updates it in place: Placeholder")),
    changed(f"Resources.{CERTIFICATE}", None,
         low("delete", resource(CERTIFICATE), "is removed from the stack; it stays in AWS")),
    changed(f"Resources.{LOG}", None,
         high("delete", resource(LOG), "the next `cdk deploy` deletes it")),
    changed("Resources.Token", {"Type": "Custom::X", "Properties": {"Name": "/cerebro/a/b"}},
         medium("secret", "Custom::X SecretsStack/Token", "creates SSM parameter /cerebro/a/b with "
                "a placeholder; set its value")),
    changed(f"{POLICY}.0.Resource.0", ADDED,
         high("privilege", resource(READER), "new permissions: ssm:AddTagsToResource, "
              f"ssm:GetParameterHistory, ssm:PutParameter on {ARN}"),
         low("privilege", resource(READER), "removed permissions: ")),
    changed(f"Resources.{MAKER}.Properties.Timeout", 30,
         low("update", resource(MAKER), "the next `cdk deploy` updates it in place: Timeout")),
    changed(f"Resources.{MAKER}.Properties.Role", "arn:aws:iam::123456789012:role/admin",
         high("privilege", resource(MAKER), "runs as another IAM role: "
              f'{{"Fn::GetAtt": ["{READER}", "Arn"]}} → arn:aws:iam::123456789012:role/admin')),
    changed(f"Resources.{MAKER}.Properties.Layers", ["arn"],
         high("unknown", resource(MAKER), 'effect unknown: Properties.Layers (none) → ["arn"]')),
    changed("Outputs.Region.Value", "eu-west-1",
         medium("update", "Outputs SecretsStack/Region", "changes an output that the manifests "
                'use: {"Ref": "AWS::Region"} → eu-west-1')),
    changed("Description", "Other words",
         low("update", "Description SecretsStack/Description", "changes the description: "
             f"{TEMPLATE['Description'][:59]}… → Other words")),
    case("reformat the template", deploy(TEMPLATE, indent=2), low("noise", f"File {STACK}"),
         base=deploy(TEMPLATE)),
    case("read a parameter that the stack does not create",
         together(set_field(SECRETS, "spec.data[NEBULA_DATABASE_USER].remoteRef.key", READ),
                  deploy(TEMPLATE)),
         high("secret", SECRETS, f"reads {READ}, which SecretsStack does not create; run "
              "`make template`"),
         medium("secret", SECRETS, READ), base=deploy(TEMPLATE)),
    case("read no parameter",
         together(remove_field(SECRETS, "spec.data[NEBULA_DATABASE_USER].remoteRef.key"),
                  deploy(TEMPLATE)),
         high("secret", SECRETS, "reads None, which SecretsStack does not create"),
         medium("secret", SECRETS, "from None"), base=deploy(TEMPLATE)),
    case("extract a parameter that the stack does not create",
         together(set_field(SECRETS, "spec.dataFrom", [{"extract": {"key": READ}}]),
                  deploy(TEMPLATE)),
         high("secret", SECRETS, f"reads {READ}, which SecretsStack does not create; run "
              "`make template`"),
         medium("secret", SECRETS, "dataFrom"), base=deploy(TEMPLATE)),
]  # fmt: skip
