"""The parameters in SSM, with readable AWS errors: each function raises OpsError."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore import exceptions as boto
from botocore.config import Config

from catalogue.installation import INSTALLATION
from ops.errors import OpsError
from ops.terminal import SecretValue

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import ParameterMetadataTypeDef, PutParameterRequestTypeDef

SECURE: Literal["SecureString"] = "SecureString"
LARGEST_BYTES = 8192
"""The maximum size of an advanced-tier parameter. AWS charges for this tier."""


class AwsUnreachableError(OpsError):
    """AWS did not respond, so it is unknown whether the request took effect."""


@dataclass(frozen=True)
class Version:
    """One version of a parameter."""

    number: int
    value: SecretValue
    type: str
    changed: datetime | None
    author: str = ""
    """Role and session, or user; empty if it was not asked for, like the key."""
    key: str = ""
    """The KMS key; empty if the parameter is not encrypted."""
    tier: str = "Standard"

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Version:
        return cls(
            answer["Version"],
            SecretValue(answer["Value"]),
            answer["Type"],
            answer["LastModifiedDate"],
            # `Admin/jane` for an assumed role, `user/jane`, or `root`
            answer.get("LastModifiedUser", "").rpartition(":")[2].removeprefix("assumed-role/"),
            answer.get("KeyId", ""),
            answer.get("Tier", "Standard"),
        )


MISSING = Version(0, SecretValue(""), "", None)
"""The current version of a parameter that does not exist."""


@cache
def client() -> SSMClient:
    """Return the client for the installation's region, with the credentials of the environment."""
    config = Config(connect_timeout=5, read_timeout=20)
    return boto3.Session().client("ssm", region_name=INSTALLATION.region, config=config)


def read(paths: Iterable[str], *, described: bool = False) -> dict[str, Version]:
    """Return the current version of the existing parameters by path, decrypted.

    With `described`, another request adds the author, key and tier.
    """
    answers: dict[str, Mapping[str, Any]] = {}
    for batch in _batches(paths, 10):
        with _translate_errors("ssm:GetParameters"):
            answer = client().get_parameters(Names=batch, WithDecryption=True)
        answers |= {known["Name"]: known for known in answer["Parameters"]}
    metadata = describe(answers) if described else {}
    return {
        path: Version.of({**metadata.get(path, {}), **answer}) for path, answer in answers.items()
    }


def describe(paths: Iterable[str]) -> dict[str, ParameterMetadataTypeDef]:
    """Return the metadata of the existing parameters by path."""
    found: dict[str, ParameterMetadataTypeDef] = {}
    for batch in _batches(paths, 50):
        with _translate_errors("ssm:DescribeParameters"):
            pages = client().get_paginator("describe_parameters")
            for page in pages.paginate(ParameterFilters=[{"Key": "Name", "Values": batch}]):
                found.update((known["Name"], known) for known in page["Parameters"])
    return found


def history(path: str) -> dict[int, Version]:
    """Return the versions that SSM still keeps by number, oldest first."""
    with _translate_errors("ssm:GetParameterHistory"):
        pages = client().get_paginator("get_parameter_history")
        return {
            version["Version"]: Version.of(version)
            for page in pages.paginate(Name=path, WithDecryption=True)
            for version in page["Parameters"]
        }


def put(path: str, value: SecretValue, now: Version) -> int:
    """Write a new version of an existing SecureString and return its number.

    `now` is the current, described version. Keeps its KMS key unless the installation sets one;
    AWS would use the account's default key. A value over 4 KB moves to the advanced tier.
    """
    request: PutParameterRequestTypeDef = {
        "Name": path,
        "Value": value.text,
        "Type": SECURE,
        "Overwrite": True,
        "KeyId": INSTALLATION.kms_key_arn or now.key,
    }
    if needs_advanced_tier(value) or now.tier != "Standard":
        request["Tier"] = "Intelligent-Tiering"
    with _translate_errors("ssm:PutParameter"):
        return client().put_parameter(**request)["Version"]


def require_credentials() -> None:
    """Raises OpsError if the environment has no AWS credentials."""
    with _translate_errors():
        if boto3.Session().get_credentials() is None:
            raise boto.NoCredentialsError


def needs_advanced_tier(value: SecretValue) -> bool:
    return len(value.text.encode()) > 4096  # the maximum of the standard tier


def _batches(paths: Iterable[str], size: int) -> Iterator[list[str]]:
    every = sorted(paths)
    for start in range(0, len(every), size):
        yield every[start : start + size]


@contextmanager
def _translate_errors(permission: str = "") -> Iterator[None]:
    """Turn errors of boto into OpsErrors. `permission` is that of the request."""
    try:
        yield
    except (boto.ConnectionError, boto.HTTPClientError) as error:
        raise AwsUnreachableError(
            f"AWS cannot be reached ({_first_line(error)}); check the network and try again"
        ) from error
    except boto.ClientError as error:
        raise OpsError(_explain_response(error, permission)) from error
    except (
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.CredentialRetrievalError,
        boto.ProfileNotFound,
    ) as error:
        raise OpsError(
            f"no AWS credentials found ({_first_line(error)}); log in, for example with "
            "`aws sso login`, and set AWS_PROFILE"
        ) from error
    except (boto.SSOError, boto.LoginError, boto.TokenRetrievalError) as error:
        raise OpsError(_EXPIRED) from error
    except boto.BotoCoreError as error:
        raise OpsError(f"the AWS request failed: {_first_line(error)}") from error


def _explain_response(error: boto.ClientError, permission: str) -> str:
    answer = error.response.get("Error", {})
    code, message = answer.get("Code", ""), answer.get("Message", "")
    if "Expired" in code:
        return _EXPIRED
    if re.search("AccessDenied|UnauthorizedOperation", code):
        denied = re.search(r"not authorized to perform: (\S+)", message)
        missing = denied[1] if denied else permission
        return f"the AWS credentials lack the permission {missing}; add it, or use others"
    if re.search(_NOT_ACCEPTED, code):
        return f"AWS rejects the credentials ({code}); log in again, or use other credentials"
    if re.search("Throttl|TooManyRequests|TooManyUpdates|^RequestLimitExceeded|SlowDown", code):
        return f"AWS throttles requests ({code}); try again in a minute"
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
        return f"AWS has an internal error ({code}); try again"
    return f"AWS rejects {permission}: {code}: {message}"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error) else type(error).__name__


_EXPIRED = "the AWS credentials have expired; log in again, for example with `aws sso login`"
_NOT_ACCEPTED = (
    "AuthFailure|IncompleteSignature|InvalidClientTokenId|InvalidSignatureException"
    "|SignatureDoesNotMatch|UnrecognizedClientException"
)
