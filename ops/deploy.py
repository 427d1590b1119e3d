"""`ops deploy-secrets`: deploy SecretsStack, and save its outputs."""

import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError

from catalogue import stack_outputs
from catalogue.hosts import Hosts
from catalogue.installation import INSTALLATION
from catalogue.parameters import Parameters
from charts import output
from constructs_lib.errors import DeclarationError
from ops import aws, terminal
from ops.errors import OpsError

_POLL_SECONDS = 10


def deploy_secrets(
    cdk_arguments: Annotated[
        list[str] | None,
        typer.Argument(help="Arguments for `cdk deploy`, after `--`.", show_default=False),
    ] = None,
) -> int | None:
    """Deploy SecretsStack, and save its outputs to catalogue/stack_outputs.json.

    Uses the AWS credentials of the environment and the installation's region.
    Without a hosted zone in catalogue/installation.py, prints the DNS records
    that validate the certificate.

    Exit status: 0 deployed and saved, 1 deployed, but the outputs do not match
    this checkout, else that of `cdk`. The file changes only with status 0.
    """
    with tempfile.TemporaryDirectory(prefix="deploy-") as folder:
        outputs = Path(folder, "outputs.json")
        if status := _deploy(outputs, cdk_arguments or []):
            return status
        try:
            stack_outputs.load(INSTALLATION.region, outputs)
        except DeclarationError as error:
            raise OpsError(
                f"{stack_outputs.STACK} is deployed, but its outputs do not match this "
                f"checkout: {error.message}. catalogue/{stack_outputs.FILE.name} is unchanged"
            ) from error
        output.replace_file(stack_outputs.FILE, outputs.read_text("utf-8").rstrip() + "\n")
    _report_keys()
    terminal.info(
        f"Saved the stack outputs to catalogue/{stack_outputs.FILE.name}. Run `make synth`, and "
        "commit both."
    )
    return None


def _deploy(outputs: Path, arguments: list[str]) -> int:
    aws.require_credentials()
    _unprotect_failed_stack()
    region = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), INSTALLATION.region)
    command = ["cdk", "deploy", stack_outputs.STACK, "--outputs-file", str(outputs), *arguments]
    shown: set[str] = set()
    try:
        with subprocess.Popen(command, env={**os.environ, **region}) as cdk:
            try:
                while True:
                    with suppress(subprocess.TimeoutExpired):
                        return cdk.wait(_POLL_SECONDS)
                    if INSTALLATION.hosted_zone_id is None:
                        _show_records(shown)
            finally:
                cdk.kill()  # after an interrupt; else it has ended by itself
    except FileNotFoundError as error:
        raise OpsError("`cdk` is not on the PATH; run `make deploy-secrets`") from error


def _unprotect_failed_stack() -> None:
    """Let cdk delete the empty, protected stack of a first deploy that failed."""
    # an error: the stack is missing, or access is denied, which cdk reports
    with suppress(BotoCoreError, ClientError):
        client = boto3.client("cloudformation", region_name=INSTALLATION.region)
        stack = client.describe_stacks(StackName=stack_outputs.STACK)["Stacks"][0]
        if stack["StackStatus"] == "ROLLBACK_COMPLETE":
            client.update_termination_protection(
                StackName=stack_outputs.STACK, EnableTerminationProtection=False
            )


def _show_records(shown: set[str]) -> None:
    """Print the DNS records that validate the certificate, and add them to those already shown."""
    try:
        records = validation_records()
    except (BotoCoreError, ClientError) as error:
        terminal.warn(f"cannot get the DNS records from ACM yet: {error}")
        return
    for record in records - shown:
        terminal.warn(f"Create this DNS record for the certificate: {record}")
    shown |= records


def validation_records() -> set[str]:
    """Return `NAME CNAME VALUE` for each record that a certificate of our hosts waits for."""
    client = boto3.client("acm", region_name=INSTALLATION.region)
    hosts = {host.fqdn for host in Hosts}
    pages = client.get_paginator("list_certificates").paginate(
        CertificateStatuses=["PENDING_VALIDATION"]
    )
    found = set()
    for certificate in (one for page in pages for one in page["CertificateSummaryList"]):
        if certificate["DomainName"] not in hosts:
            continue
        details = client.describe_certificate(CertificateArn=certificate["CertificateArn"])
        for option in details["Certificate"].get("DomainValidationOptions", ()):
            record = option.get("ResourceRecord")
            if record and option.get("ValidationStatus") != "SUCCESS":
                found.add(f"{record['Name']} {record['Type']} {record['Value']}")
    return found


def _report_keys() -> None:
    """Print the adopted parameters that use another KMS key than the installation's."""
    wanted = INSTALLATION.kms_key_arn or "alias/aws/ssm"
    try:
        found = aws.describe(parameter.path for parameter in Parameters)
    except OpsError as error:
        terminal.warn(f"cannot get the parameters' keys from SSM: {error}")
        return
    for path, known in sorted(found.items()):
        if (key := known.get("KeyId", "")) != wanted:
            terminal.warn(f"{path} is encrypted with {key}, not with {wanted}")
