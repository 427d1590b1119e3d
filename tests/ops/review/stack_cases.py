"""Cases of SecretsStack: what the next `cdk deploy` does."""

import json
from copy import deepcopy
from typing import Any

from ops.review.revisions import STACK
from tests.conftest import ROOT
from tests.ops.review.cases import Case, Expected
from tests.ops.review.edits import Edit, editing, set_field, together, unchanged

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
ROLE = named("externalsecrets")
READ_POLICY = f"Resources.{ROLE}.Properties.Policies.0.PolicyDocument.Statement"
CODE = TEMPLATE["Resources"][MAKER]["Properties"]["Code"]["ZipFile"]
HOSTS = TEMPLATE["Resources"][CERTIFICATE]["Properties"]["SubjectAlternativeNames"]
POLICY = f"Resources.{READER}.Properties.Policies.0.PolicyDocument.Statement"
DENY = {"Action": "ssm:*", "Effect": "Deny", "Resource": "arn:aws:ssm:*"}
SECRETS = "ExternalSecret crawlers/nebula-secrets"
USER, READ = "spec.data[NEBULA_DATABASE_USER]", "/cerebro/clickhouse/reader"
ARN = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/cerebro/a/b"
ADDED = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":ssm:", {"Ref": "AWS::Region"},
                           ":", {"Ref": "AWS::AccountId"}, ":parameter/cerebro/a/b"]]}  # fmt: skip


def edited(path: str, content: Any) -> Any:
    """The template with another value at `Section.Name.Field...`; None removes it."""
    template = deepcopy(TEMPLATE)
    if content is None:
        set_field(template, path, "")  # it may be absent
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
FUNCTION, STACK_KEY = "AWS::Lambda::Function", "AWS::CloudFormation::Stack SecretsStack"
PARAMETERS = [name for name, one in TEMPLATE["Resources"].items() if "Name" in one["Properties"]]
KEY_ARNS = [f"arn:aws:kms:eu-central-1:123456789012:key/{n}" for n in (1, 2)]
_KEEP = "theirs until `python -m ops secrets rotate` writes a new value: keep that key enabled"
_NEW = [("medium secret", name, f"have the key {KEY_ARNS[0]}; existing ones keep {_KEEP}")
        for name in PARAMETERS]  # fmt: skip
_UNREADABLE = "no policy of the stack allows kms:Decrypt on {}: External Secrets cannot read a para"


def with_key(arn: str | None, readable: str | None = None) -> Any:
    """The template as with `kms_key_arn`: the key of the parameters, and the one of the policy."""
    template = deepcopy(TEMPLATE)
    for name in PARAMETERS if arn else ():
        template["Resources"][name]["Properties"]["KeyId"] = arn
    if readable:
        allow = {"Action": "kms:Decrypt", "Effect": "Allow", "Resource": readable}
        set_field(template, f"{READ_POLICY}.+", allow)
    return template


def renamed(old: str, new: str) -> Any:
    """The template with another logical ID."""
    return json.loads(json.dumps(TEMPLATE).replace(f'"{old}"', f'"{new}"'))


def measured(path: str, *steps: tuple[Any, Any, str, str]) -> list[Case]:
    """Cases of a property with a value before and after, and the severity and text expected."""
    name = path.split(".")[1]
    return [
        case(f"{path} {was} → {now}", edited(path, was), edited(path, now), (severity, name, text))
        for was, now, severity, text in steps
    ]  # fmt: skip


CASES = [
    changed(f"Resources.{CERTIFICATE}.Properties.SubjectAlternativeNames",
            [*HOSTS, "new.gnosis.io"],
            ("high replace", CERTIFICATE, "until Argo CD has synced that, these Ingresses use the "
             "old ARN: cerebro-api, cerebro-mcp, metrics-dashboard; AWS cannot delete the old "
             "certificate while a load balancer uses it: delete it afterwards: "
             "Properties.SubjectAlternativeNames +new.gnosis.io [certificate-replaced]")),
    changed(f"Resources.{CERTIFICATE}.Properties", {
                "DomainName": HOSTS[0], "SubjectAlternativeNames": [], "ValidationMethod": "DNS"},
            ("high replace", CERTIFICATE, "delete it afterwards: Properties.DomainName"),
            ("low update", CERTIFICATE, "changes only how it is described; Properties.Tags")),
    changed(f"Resources.{HOST}.Properties.Name", "/cerebro/clickhouse/address",
            ("medium secret", HOST, "creates SSM parameter /cerebro/clickhouse/address with a "
             "placeholder; set its value; one that it named before stays in AWS (before: "
             "/cerebro/clickhouse/host)")),
    case("name a parameter that had no name",
         edited(f"Resources.{HOST}.Properties.Name", None), TEMPLATE,
         ("medium secret", HOST, "creates SSM parameter /cerebro/clickhouse/host with a "
          "placeholder; set its value; one")),
    changed(f"Resources.{HOST}", None,
            ("low delete", HOST, "is removed from the stack; SSM parameter "
             "/cerebro/clickhouse/host stays in AWS [resource-removed]")),
    case("rename a parameter's resource", TEMPLATE, renamed(HOST, "Other"),
         ("low delete", HOST, "/cerebro/clickhouse/host stays in AWS"),
         ("low create", "Custom::SecureString SecretsStack/Other",
          "adopts SSM parameter /cerebro/clickhouse/host with its value"),
         ("low update", CERTIFICATE, "changes what is created before it; DependsOn +Other")),
    case("rename the function", TEMPLATE, renamed(MAKER, "Other"),
         *(("high replace", name, "no value is lost; Properties.ServiceToken[Fn::GetAtt] +Other, "
            f"-{MAKER} [") for name in PARAMETERS),
         ("high delete", MAKER, f"{DEPLOY} deletes it"),
         ("low create", f"{FUNCTION} SecretsStack/Other", f"{DEPLOY} creates it"),
         ("low update", CERTIFICATE, "DependsOn")),
    changed(f"Resources.{MAKER}.Properties.FunctionName", "maker",
            ("high replace", MAKER, "so the deploy fails; Properties.FunctionName (none) → maker")),
    changed(f"Resources.{HOST}.Type", "Custom::Other",
            ("high replace", f"Custom::Other SecretsStack/{HOST}",
             "CloudFormation refuses another type of a resource, so the deploy fails; give it "
             "another logical ID: Custom::SecureString → Custom::Other [resource-created]")),
    case("a first key", TEMPLATE, with_key(KEY_ARNS[0], KEY_ARNS[0]),
         *_NEW,
         ("high privilege", ROLE, f"new permissions: kms:Decrypt on {KEY_ARNS[0]}")),
    case("a first key that nothing may decrypt with", TEMPLATE, with_key(KEY_ARNS[0]),
         *_NEW,
         ("high secret", STACK_KEY, _UNREADABLE.format(KEY_ARNS[0]))),
    case("another key", with_key(KEY_ARNS[0], KEY_ARNS[0]), with_key(KEY_ARNS[1], KEY_ARNS[1]),
         *(("medium secret", name, f"{_KEEP} (before: {KEY_ARNS[0]})") for name in PARAMETERS),
         ("high secret", STACK_KEY, _UNREADABLE.format(KEY_ARNS[0])),
         ("high privilege", ROLE, "new permissions: "),
         ("low privilege", ROLE, "removed permissions: ")),
    case("no key", with_key(KEY_ARNS[0], KEY_ARNS[0]), with_key(None, "*"),
         *(("medium secret", name, "new parameters have the AWS managed key; existing ones keep "
            "theirs, also in a rotation: keep that key enabled, or") for name in PARAMETERS),
         ("high privilege", ROLE, "new permissions: kms:Decrypt on *"),
         ("low privilege", ROLE, "removed permissions: ")),
    changed(f"{READ_POLICY}.0.Action", "ssm:GetParameters",
            ("high secret", STACK_KEY, "no policy of the stack allows ssm:GetParameter on /"),
            ("high privilege", ROLE, "new permissions: "),
            ("low privilege", ROLE, "removed permissions: ")),
    changed(f"{READ_POLICY}.0.Action", ["ssm:Get*"],
            ("high privilege", ROLE, "new permissions: "),
            ("low privilege", ROLE, "removed permissions: ")),
    changed(f"{READ_POLICY}.+", DENY | {"Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            ("high secret", STACK_KEY, "a policy of the stack denies ssm:GetParameter on /"),
            ("low privilege", ROLE, "now denies: ssm:* on arn:aws:ssm:*")),
    case("deny what was denied no longer", edited(f"{READ_POLICY}.+", DENY), TEMPLATE,
         ("high privilege", ROLE, "no longer denies: ssm:* on arn:aws:ssm:*")),
    changed(f"{POLICY}.+", DENY, ("low privilege", READER, "now denies: ssm:* on arn:aws:ssm:*")),
    changed(f"{READ_POLICY}.+", DENY | {"Resource": "arn:aws:s3:::*"},
            ("low privilege", ROLE, "now denies: ssm:* on arn:aws:s3:::*")),
    changed(f"{POLICY}.0.Action",
            ["ssm:PutParameter", "ssm:AddTagsToResource", "ssm:GetParameterHistory"],
            ("low update", READER, "allows and denies the same; ")),
    changed(f"Resources.{ROLE}.Properties.AssumeRolePolicyDocument.Statement", [],
            ("high secret", ROLE, "if it no longer trusts External Secrets, no value is refreshed"),
            ("low privilege", ROLE, "removed permissions: assume this role")),
    changed(f"Resources.{HOST}.Properties.Placeholder", "other.invalid",
            ("low update", HOST, "applies to new parameters; existing ones keep theirs; "
             "Properties.Placeholder placeholder.invalid → other.invalid [field-updated]")),
    *(changed(f"Resources.{key}.Properties.{name}", None,
              ("high replace", key, f"the deploy fails without it: Properties.{name} ["))
      for key, name in ((HOST, "Name"), (HOST, "Placeholder"), (HOST, "Tags"), (MAKER, "Code"),
                        (MAKER, "Handler"), (CERTIFICATE, "DomainName"))),
    changed(f"Resources.{CERTIFICATE}", None,
            ("low delete", CERTIFICATE, "is removed from the stack; it stays in AWS")),
    case("request a certificate", edited(f"Resources.{CERTIFICATE}", None), TEMPLATE,
         ("medium create", CERTIFICATE, "waits until each name is validated")),
    changed(f"Resources.{LOG}", None, ("high delete", LOG, f"{DEPLOY} deletes it")),
    changed("Resources.Token",
            {"Type": "Custom::SecureString", "Properties": {"Name": "/cerebro/a/b"}},
            ("medium secret", "Custom::SecureString SecretsStack/Token",
             "creates SSM parameter /cerebro/a/b with a placeholder; set its value")),
    changed(f"{POLICY}.0.Resource.0", ADDED,
            ("high privilege", READER, "new permissions: ssm:AddTagsToResource, "
             f"ssm:GetParameterHistory, ssm:PutParameter on {ARN}"),
            ("low privilege", READER, "removed permissions: ")),
    changed(f"Resources.{MAKER}.Properties.Code.ZipFile",
            CODE.replace("Overwrite=False", "Overwrite=True"),
            ("medium update", MAKER, "runs other code, which may write every parameter that its "
             "role may write; Properties.Code.ZipFile +'    ")),
    *measured(f"Resources.{MAKER}.Properties.Timeout",
              (120, 30, "medium update", "is stopped after 30 s; if it needs longer"),
              (30, None, "medium update", "is stopped after 3 s"),
              (30, 120, "low update", "better: is stopped after 120 s; if it needs longer")),
    *measured(f"Resources.{MAKER}.Properties.MemorySize",
              (None, 256, "low update", "has up to 256 MB"),
              (256, 128, "medium update", "has up to 128 MB; if it needs more"),
              (256, {"Ref": "Size"}, "high unknown", "MemorySize"),
              (128, "128", "low update", "has up to 128 MB; if")),
    *measured(f"Resources.{MAKER}.Properties.ReservedConcurrentExecutions",
              (None, 5, "medium update", "handles 5 parameters at once (before: any number of)"),
              (5, 0, "high update", "never runs: no parameter can be created, changed or removed"),
              (0, 5, "low update", "better: handles 5")),
    *measured(f"Resources.{LOG}.Properties.RetentionInDays",
              (30, 7, "high update", "keeps logs for 7 days, and deletes older ones (before: 30)"),
              (30, 90, "low update", "better: CloudWatch"), (30, None, "low update", "keeps all")),
    *measured(f"Resources.{HOST}.Properties.ServiceTimeout",
              ("300", "60", "medium update", "deploy fails if the function takes longer than 60"),
              ("300", None, "low update", "better: the deploy fails if the function takes longer")),
    *measured(f"Resources.{CERTIFICATE}.DeletionPolicy",
              ("Retain", None, "high update", "is deleted when it leaves the stack, or"),
              (None, "RetainExceptOnCreate", "low update", "stays in AWS when it leaves the stack"),
              ("Retain", "Snapshot", "high unknown", "DeletionPolicy"),
              ("Retain", 1, "high unknown", "DeletionPolicy"),
              ("Delete", None, "low update", "changes nothing")),
    *measured(f"Resources.{CERTIFICATE}.UpdateReplacePolicy",
              ("Retain", "Delete", "high update", "is deleted when a change replaces it")),
    *measured(f"Resources.{HOST}.DeletionPolicy",
              ("Retain", "Delete", "low update", "its function deletes no parameter in any case")),
    *measured(f"Resources.{LOG}.Condition", (None, "Never", "high unknown", "Condition")),
    changed(f"Resources.{MAKER}.Properties.Role", "arn:aws:iam::123456789012:role/admin",
            ("high privilege", MAKER, "runs as another IAM role; Properties.Role "
             f'{{"Fn::GetAtt": ["{READER}… → arn:aws:iam::123456789012:role/admin')),
    changed(f"Resources.{MAKER}.Properties.Layers", ["arn"],
            ("high unknown", MAKER, 'effect unknown: Properties.Layers (none) → ["arn"]')),
    changed("Outputs.Region.Value", "eu-west-1",
            ("medium update", "Outputs SecretsStack/Region", "saves another value, which "
             '`make synth` writes to dist/; Value {"Ref": "AWS::Region"} → eu-west-1')),
    changed("Outputs.CertificateArn", None,
            ("high update", "Outputs SecretsStack/CertificateArn", "so `make synth` renders these "
             "Ingresses without a certificate: cerebro-api, cerebro-mcp, metrics-dashboard [")),
    changed("Outputs.Region", None, ("medium update", "Outputs SecretsStack/Region", "no longer")),
    changed("Outputs.New", {"Value": "1"},
            ("medium update", "Outputs SecretsStack/New", "catalogue/stack_outputs.py")),
    changed("Outputs.Region.Export", {"Name": "region"},
            ("high unknown", "Outputs SecretsStack/Region", "Export.Name")),
    changed("Conditions", {"Never": {"Fn::Equals": ["a", "b"]}},
            ("high unknown", "Conditions SecretsStack/Never", "effect unknown")),
    changed("Parameters.Size", {"Type": "Number"},
            ("medium update", "Parameters SecretsStack/Size", "unless it has a default")),
    changed("Rules", None, ("low update", "Rules SecretsStack/CheckBootstrapVersion", "no longer")),
    changed("Description", "Other words",
            ("low update", "Description SecretsStack/Description", "changes the description; Value "
             f"{TEMPLATE['Description'][:39]}… → Other words")),
    Case("reformat the template", deploy(TEMPLATE, indent=2),
         [Expected("low", "noise", f"File {STACK}")], base=deploy(TEMPLATE)),
    reading("read a parameter that the stack does not create", f"{USER}.remoteRef.key", READ,
            f"reads {READ}, which SecretsStack does not create; run `make template`", READ),
    reading("extract a parameter that the stack does not create", "spec.dataFrom",
            [{"extract": {"key": READ}}],
            f"reads {READ}, which SecretsStack does not create; run `make template`", "dataFrom"),
]  # fmt: skip
