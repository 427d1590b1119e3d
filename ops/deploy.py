"""`ops deploy-secrets`: the stack, and its outputs on their way back into the manifests."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from catalogue import stack_outputs
from catalogue.hosts import Hosts
from catalogue.installation import INSTALLATION
from catalogue.parameters import Parameters
from constructs_lib import output
from constructs_lib.errors import DeclarationError
from ops.aws import AwsError, ParameterStore

_POLL_SECONDS = 10
console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def deploy_secrets(
    cdk_arguments: Annotated[
        list[str] | None,
        typer.Argument(help="Further arguments of `cdk deploy`, after `--`.", show_default=False),
    ] = None,
) -> None:
    """Deploy SecretsStack, and write its outputs into catalogue/stack_outputs.json.

    Uses the AWS credentials of your environment, in the installation's region.
    Without a hosted zone in catalogue/installation.py it prints the DNS records
    that the certificate waits for.

    Exit status: 0 deployed and handed over, 1 deployed with outputs that do not
    fit this checkout, else that of `cdk`. Unless it is 0, the outputs file is as it
    was.
    """
    with tempfile.TemporaryDirectory(prefix="deploy-") as workshop:
        outputs = Path(workshop, "outputs.json")
        status = _deploy(outputs, cdk_arguments or [])
        if status:
            raise typer.Exit(status)
        try:
            stack_outputs.load(INSTALLATION.region, outputs)
        except DeclarationError as error:
            console.print(
                f"error: {stack_outputs.STACK} is deployed, but its outputs do not fit this "
                f"checkout: {error.message}. catalogue/{stack_outputs.FILE.name} is unchanged",
                style="red",
            )
            raise typer.Exit(1) from error
        output.replace_file(stack_outputs.FILE, outputs.read_text("utf-8").rstrip() + "\n")
    _report_keys()
    console.print(
        f"catalogue/{stack_outputs.FILE.name} holds the stack's outputs. Run `make synth`, and "
        "commit both."
    )


def _deploy(outputs: Path, arguments: list[str]) -> int:
    _make_room()
    region = {"AWS_REGION": INSTALLATION.region, "AWS_DEFAULT_REGION": INSTALLATION.region}
    command = ["cdk", "deploy", stack_outputs.STACK, "--outputs-file", str(outputs), *arguments]
    done = threading.Event()
    watcher = threading.Thread(target=_show_records, args=(done,), daemon=True)
    if INSTALLATION.hosted_zone_id is None:
        watcher.start()
    try:
        return subprocess.run(command, env={**os.environ, **region}, check=False).returncode
    except FileNotFoundError:
        console.print("error: no `cdk` on the PATH; run `make deploy-secrets`", style="red")
        return 1
    finally:
        done.set()


def _make_room() -> None:
    """Let cdk delete what is left of a first deploy that failed: an empty, protected stack."""
    try:
        client = boto3.client("cloudformation", region_name=INSTALLATION.region)
        stack = client.describe_stacks(StackName=stack_outputs.STACK)["Stacks"][0]
        if stack["StackStatus"] == "ROLLBACK_COMPLETE":
            client.update_termination_protection(
                StackName=stack_outputs.STACK, EnableTerminationProtection=False
            )
    except (BotoCoreError, ClientError):
        return  # no such stack; or no access, of which cdk tells more than we could


def _show_records(done: threading.Event) -> None:
    """Print each DNS record that the certificate waits for, once."""
    shown: set[str] = set()
    while not done.wait(_POLL_SECONDS):
        try:
            records = validation_records()
        except (BotoCoreError, ClientError) as error:
            console.print(f"cannot ask ACM for the DNS records yet: {error}", style="yellow")
            continue
        for record in records - shown:
            console.print(f"The certificate waits for this DNS record: {record}", style="yellow")
        shown |= records


def validation_records() -> set[str]:
    """`NAME CNAME VALUE` for every record that a certificate of our hosts waits for."""
    client = boto3.client("acm", region_name=INSTALLATION.region)
    names = {host.fqdn for host in Hosts}
    pages = client.get_paginator("list_certificates").paginate(
        CertificateStatuses=["PENDING_VALIDATION"]
    )
    waiting = [
        summary["CertificateArn"]
        for page in pages
        for summary in page["CertificateSummaryList"]
        if summary["DomainName"] in names
    ]
    options = [
        option
        for arn in waiting
        for option in client.describe_certificate(CertificateArn=arn)["Certificate"].get(
            "DomainValidationOptions", []
        )
    ]
    return {
        f"{record['Name']} {record['Type']} {record['Value']}"
        for option in options
        if option.get("ValidationStatus") != "SUCCESS" and (record := option.get("ResourceRecord"))
    }


def _report_keys() -> None:
    """Name the adopted parameters that are encrypted with another key than the installation's."""
    wanted = INSTALLATION.kms_key_arn or "alias/aws/ssm"
    try:
        found = ParameterStore().describe(parameter.path for parameter in Parameters)
    except AwsError as error:
        console.print(f"cannot ask SSM for the parameters' keys: {error}", style="yellow")
        return
    for path, one in sorted(found.items()):
        if one.key != wanted:
            console.print(f"{path} is encrypted with {one.key}, not with {wanted}", style="yellow")
