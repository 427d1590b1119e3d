"""The outputs of `cdk deploy SecretsStack`, committed as a file for the manifests."""

import json
from pathlib import Path
from typing import Annotated

from constructs_lib.errors import DeclarationError, reading
from constructs_lib.model.checks import Form, props
from constructs_lib.model.names import RoleArn

FILE = Path(__file__).with_name("stack_outputs.json")
STACK = "SecretsStack"
EXAMPLE_ACCOUNT = "111122223333"
"""AWS's account for documentation: a certificate of this account is only an example."""
_REMEDY = "restore it from Git, or rewrite it with `make deploy-secrets`"

_CertificateArn = Annotated[
    str,
    Form(
        r"arn:aws(-[a-z]+)*:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-f-]{36}",
        "is not the ARN of an ACM certificate, arn:aws:acm:<region>:<account>:certificate/<id>",
    ),
]


@props
class StackOutputs:
    """The stack's outputs, with their CloudFormation names."""

    CertificateArn: _CertificateArn | None = None
    """The load balancers' certificate. None omits the annotation from the Ingresses."""
    Region: str | None = None
    """The stack's region. None: the installation's region."""
    ExternalSecretsRoleArn: RoleArn | None = None
    """The IAM role of External Secrets' service account."""


def load(region: str, file: Path = FILE) -> StackOutputs:
    """Read the outputs of the stack in `region`; empty if the file does not exist yet.

    Raises DeclarationError if the file is unreadable or has other content.
    """
    with reading(file, _REMEDY):
        try:
            content = json.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            return StackOutputs()
        outputs = content.get(STACK) if isinstance(content, dict) else None
        if not isinstance(outputs, dict) or None in outputs.values():
            raise DeclarationError(f"does not contain the outputs of {STACK}; {_REMEDY}")
        try:
            known = StackOutputs(**outputs)
        except DeclarationError as error:
            raise DeclarationError(f"{error.message}; {_REMEDY}") from error
        certified = known.CertificateArn.split(":")[3] if known.CertificateArn else region
        if f":{EXAMPLE_ACCOUNT}:" in (known.CertificateArn or "") and known.Region != region:
            return StackOutputs()  # the example that this repository ships, not a deployment
        if known.Region not in (None, region):
            raise DeclarationError(
                f"Region is {known.Region!r}, but the installation is in {region!r}; set region in "
                "catalogue/installation.py, or deploy the stack there"
            )
        if certified != region:
            raise DeclarationError(
                f"the certificate is in {certified}, but the installation is in {region}; a load "
                f"balancer needs a certificate in its own region; {_REMEDY}"
            )
    return known
