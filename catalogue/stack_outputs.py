"""The outputs of `cdk deploy SecretsStack`, committed as a file for the manifests."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constructs_lib.errors import DeclarationError
from constructs_lib.model.names import ROLE_ARN

FILE = Path(__file__).with_name("stack_outputs.json")
STACK = "SecretsStack"
EXAMPLE_ACCOUNT = "111122223333"
"""AWS's account for documentation: a certificate of this account is only an example."""

_CERTIFICATE = re.compile(
    r"arn:aws(?:-[a-z]+)*:acm:(?P<region>[a-z0-9-]+):\d{12}:certificate/[0-9a-f-]{36}"
)


@dataclass(frozen=True, kw_only=True)
class StackOutputs:
    """The stack's outputs, with their CloudFormation names."""

    CertificateArn: str | None = None
    """The load balancers' certificate. None omits the annotation from the Ingresses."""
    Region: str | None = None
    """The stack's region. None: the installation's region."""
    ExternalSecretsRoleArn: str | None = None
    """The IAM role of External Secrets' service account."""


def load(region: str, file: Path = FILE) -> StackOutputs:
    """Read the outputs of the stack in `region`; empty if the file does not exist yet.

    Raises DeclarationError if the file is unreadable or has other content.
    """
    try:
        content = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return StackOutputs()
    except (OSError, ValueError) as error:
        raise DeclarationError(f"cannot be read ({error}). {_REMEDY}", where=file) from error
    try:
        return _checked(content, region)
    except DeclarationError as error:
        raise error.at(file) from error


_REMEDY = "Restore it from Git, or rewrite it with `make deploy-secrets`"


def _checked(content: Any, region: str) -> StackOutputs:
    outputs = content.get(STACK) if isinstance(content, dict) else None
    if not isinstance(outputs, dict) or not all(isinstance(v, str) for v in outputs.values()):
        raise DeclarationError(f"does not contain the outputs of {STACK}. {_REMEDY}")
    if unknown := outputs.keys() - StackOutputs.__dataclass_fields__.keys():
        raise DeclarationError(f"contains unknown outputs {', '.join(sorted(unknown))}. {_REMEDY}")
    known = StackOutputs(**outputs)
    if f":{EXAMPLE_ACCOUNT}:" in (known.CertificateArn or "") and known.Region != region:
        return StackOutputs()  # the example that this repository ships, not a deployment
    if known.Region not in (None, region):
        raise DeclarationError(
            f"Region is {known.Region!r}, but the installation is in {region!r}; set region in "
            "catalogue/installation.py, or deploy the stack there"
        )
    if known.ExternalSecretsRoleArn and not ROLE_ARN.fullmatch(known.ExternalSecretsRoleArn):
        raise DeclarationError(
            f"ExternalSecretsRoleArn {known.ExternalSecretsRoleArn!r} is not the ARN of an IAM "
            f"role. {_REMEDY}"
        )
    certificate = _CERTIFICATE.fullmatch(known.CertificateArn or "")
    if known.CertificateArn is not None and not certificate:
        raise DeclarationError(
            f"CertificateArn {known.CertificateArn!r} is not the ARN of an ACM certificate, "
            f"arn:aws:acm:<region>:<account>:certificate/<id>. {_REMEDY}"
        )
    if certificate and certificate["region"] != region:
        raise DeclarationError(
            f"the certificate is in {certificate['region']}, but the installation is in {region}; "
            f"a load balancer needs a certificate in its own region. {_REMEDY}"
        )
    return known
