"""SecretsStack deployed to an emulator: values that an operator has set are never lost."""

import json

import pytest

from catalogue.hosts import Hosts
from catalogue.parameters import Parameters
from catalogue.stack_outputs import EXAMPLE_ACCOUNT, STACK
from charts.output import read
from overview import FILE as OVERVIEW
from tests.conftest import ROOT
from tests.deploy.conftest import Deployment

pytestmark = pytest.mark.deploy

_KNOWN = {
    Parameters.CLICKHOUSE_PASSWORD.path: "known-to-the-test-password",
    Parameters.API_KEYS.path: '{"known-to-the-test-key": "tier3"}',
}
_LAST_PARAMETER = '    MIXPANEL_SECRET = "/cerebro/mixpanel/sa-secret"'


def fresh() -> dict[str, tuple[str, str, int]]:
    """Return all parameters as the first deploy creates them."""
    return {p.path: ("SecureString", p.placeholder, 1) for p in Parameters}


def set_values(deployment: Deployment) -> dict[str, tuple[str, str, int]]:
    for path, value in _KNOWN.items():
        deployment.set(path, value)
    return deployment.values()


def documented_commands() -> list[str]:
    """The commands of the section on the deployment in docs/installation.md."""
    section = (
        (ROOT / "docs/installation.md").read_text("utf-8").partition("## Deploying SecretsStack")[2]
    )
    block = section.partition("```sh\n")[2].partition("```")[0]
    return [line.partition("#")[0].strip() for line in block.splitlines()]


def test_the_documented_commands_create_everything_and_save_the_outputs(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read(deployment.folder / "dist")
    commands = documented_commands()
    assert {"make deploy-secrets", "make synth"} <= {*commands}
    monkeypatch.setenv("ARGS", "--require-approval never")  # no prompts
    assert deployment.run("git", "init", "--quiet") == 0
    for command in commands:
        assert deployment.run("bash", "-c", command) == 0, deployment.output
    assert deployment.values() == fresh()

    stored = (deployment.folder / "catalogue/stack_outputs.json").read_text()
    assert EXAMPLE_ACCOUNT not in stored
    outputs = json.loads(stored)[STACK]
    certificate = deployment.emulator.client("acm").describe_certificate(
        CertificateArn=outputs["CertificateArn"]
    )["Certificate"]
    assert set(certificate["SubjectAlternativeNames"]) == {host.fqdn for host in Hosts}

    after = read(deployment.folder / "dist")
    changed = {path for path in before if before[path] != after[path]}
    ingresses = {
        f"cerebro/{name}.k8s.yaml" for name in ("cerebro-api", "cerebro-mcp", "metrics-dashboard")
    }
    assert changed == {*ingresses, OVERVIEW}
    for path in ingresses:
        (line,) = set(after[path].splitlines()) - set(before[path].splitlines())
        assert line.strip() == (
            f"alb.ingress.kubernetes.io/certificate-arn: {outputs['CertificateArn']}"
        )
    no_longer_open = set(before[OVERVIEW].splitlines()) - set(after[OVERVIEW].splitlines())
    assert {line.split(" | ")[0] for line in no_longer_open} == {
        "| `region`", "| `account`", "| `certificate`"
    }  # fmt: skip


def test_no_deploy_touches_a_value(deployment: Deployment) -> None:
    assert deployment.deploy() == 0, deployment.output
    values = set_values(deployment)

    assert deployment.deploy() == 0, deployment.output
    assert deployment.values() == values

    deployment.edit("catalogue/parameters.py", "ClickHouse password", "The ClickHouse password")
    deployment.edit("stacks/secrets_stack.py", "of Gnosis Analytics", "of the analytics team")
    assert deployment.deploy() == 0, deployment.output
    assert deployment.values() == values

    deployment.edit(
        "catalogue/parameters.py",
        _LAST_PARAMETER,
        '    ADDED = "/cerebro/added/one", "Added", "placeholder"\n' + _LAST_PARAMETER,
    )
    assert deployment.deploy() == 0, deployment.output
    added = {"/cerebro/added/one": ("SecureString", "placeholder", 1)}
    assert deployment.values() == values | added


def test_a_parameter_that_existed_before_is_adopted(deployment: Deployment) -> None:
    path = Parameters.IPINFO_TOKEN.path
    deployment.set(path, "known-token-4711")
    assert deployment.deploy() == 0, deployment.output
    assert deployment.values() == fresh() | {path: ("SecureString", "known-token-4711", 1)}


def test_neither_destroy_nor_removal_deletes_a_parameter(deployment: Deployment) -> None:
    assert deployment.deploy() == 0, deployment.output
    values = set_values(deployment)

    deployment.edit("catalogue/parameters.py", "/cerebro/cow/api-key", "/cerebro/cow/renamed")
    assert deployment.deploy() == 0, deployment.output
    renamed = {"/cerebro/cow/renamed": ("SecureString", "placeholder", 1)}
    assert deployment.values() == values | renamed

    assert deployment.destroy() == 0, deployment.output
    assert deployment.values() == values | renamed
    assert deployment.deploy() == 0, deployment.output
    assert deployment.values() == values | renamed


def test_termination_protection_holds(deployment: Deployment) -> None:
    assert deployment.deploy() == 0, deployment.output
    assert deployment.run("cdk", "destroy", STACK, "--force") != 0
    assert deployment.values() == fresh()


def test_a_failure_names_the_parameter_and_loses_nothing(deployment: Deployment) -> None:
    taken, kept = Parameters.IPINFO_TOKEN.path, Parameters.API_KEYS.path
    deployment.ssm.put_parameter(Name=taken, Value="plain", Type="String")
    deployment.set(kept, "known-keys-4711")
    stack_outputs = (deployment.folder / "catalogue/stack_outputs.json").read_text()

    assert deployment.deploy() != 0
    assert f"{taken}: it exists as a String" in deployment.output
    assert (deployment.folder / "catalogue/stack_outputs.json").read_text() == stack_outputs
    assert deployment.values()[taken] == ("String", "plain", 1)
    assert deployment.values()[kept] == ("SecureString", "known-keys-4711", 1)

    deployment.ssm.delete_parameter(Name=taken)
    assert deployment.deploy() == 0, deployment.output
    assert deployment.values() == fresh() | {kept: ("SecureString", "known-keys-4711", 1)}


def test_no_value_appears_anywhere(deployment: Deployment) -> None:
    for path, value in _KNOWN.items():
        deployment.set(path, value)
    assert deployment.deploy() == 0, deployment.output
    set_values(deployment)
    deployment.edit("stacks/secrets_stack.py", "of Gnosis Analytics", "of the analytics team")
    assert deployment.deploy() == 0, deployment.output

    log = deployment.function_log()
    assert f"adopted {Parameters.API_KEYS.path}" in log
    template = deployment.cloudformation.get_template(StackName=STACK)["TemplateBody"]
    assembly = read(deployment.folder / "cdk.out")
    assert assembly
    places = [deployment.events(), log, deployment.output, str(template), *assembly.values()]
    places += [deployment.emulator.log]
    places += [(deployment.folder / "catalogue/stack_outputs.json").read_text()]
    assert not [place[:80] for place in places if "known-to-the-test" in place]
