"""The SSM Parameter Store, and plain sentences for what AWS refuses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import boto3
from botocore import exceptions as boto
from botocore.config import Config

from catalogue.installation import INSTALLATION
from ops.asking import SecretValue
from ops.errors import OpsError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import PutParameterRequestTypeDef

SECURE: Literal["SecureString"] = "SecureString"
STANDARD_BYTES = 4096
"""The most that a parameter of the standard tier holds."""
LARGEST_BYTES = 8192
"""The most that a parameter of the advanced tier holds, which AWS charges for."""


class AwsError(OpsError):
    """AWS cannot be asked, or refuses."""


class AwsUnreachableError(AwsError):
    """AWS gave no answer, so what was asked for may have been done or not."""


@dataclass(frozen=True)
class Stored:
    """A parameter as it is now."""

    value: SecretValue
    version: int
    type: str
    changed: datetime


@dataclass(frozen=True)
class Description:
    """What AWS tells of a parameter beside its value."""

    key: str
    """The KMS key that encrypts it; empty for one that is not encrypted."""
    tier: str
    changed_by: str
    """Role and session, or user."""


@dataclass(frozen=True)
class Version:
    """One version that a parameter has had."""

    number: int
    value: SecretValue
    author: str
    """Role and session, or user."""


class ParameterStore:
    """The parameters of the installation's region, under the credentials of the environment."""

    region = INSTALLATION.region

    def read(self, paths: Iterable[str]) -> dict[str, Stored]:
        """Those of the parameters that exist, decrypted, by path. Raises AwsError."""
        found = {}
        for batch in _batches(paths, 10):
            with _asking("ssm:GetParameters"):
                answer = self._client.get_parameters(Names=batch, WithDecryption=True)
            for one in answer["Parameters"]:
                value = SecretValue(one["Value"])
                found[one["Name"]] = Stored(
                    value, one["Version"], one["Type"], one["LastModifiedDate"]
                )
        return found

    def version(self, path: str) -> int | None:
        """The version of a parameter that holds now; None without one. Raises AwsError."""
        found = self.read([path]).get(path)
        return found.version if found else None

    def describe(self, paths: Iterable[str]) -> dict[str, Description]:
        """Those of the parameters that exist, by path. Raises AwsError."""
        found = {}
        for batch in _batches(paths, 50):
            with _asking("ssm:DescribeParameters"):
                pages = self._client.get_paginator("describe_parameters")
                for page in pages.paginate(ParameterFilters=[{"Key": "Name", "Values": batch}]):
                    for one in page["Parameters"]:
                        found[one["Name"]] = Description(
                            one.get("KeyId", ""),
                            one.get("Tier", "Standard"),
                            _who(one.get("LastModifiedUser", "")),
                        )
        return found

    def history(self, path: str) -> list[Version]:
        """The versions of a parameter that are still kept, the oldest first. Raises AwsError."""
        with _asking("ssm:GetParameterHistory"):
            pages = self._client.get_paginator("get_parameter_history")
            return [
                Version(
                    one["Version"], SecretValue(one["Value"]), _who(one.get("LastModifiedUser", ""))
                )
                for page in pages.paginate(Name=path, WithDecryption=True)
                for one in page["Parameters"]
            ]

    def put(self, path: str, value: SecretValue, now: Description) -> int:
        """Write a new version of a SecureString that exists, described as `now`; its number.

        It keeps its key, unless the installation names one: AWS itself would fall back to the
        account's own key. Over 4 KB it becomes one of the advanced tier. Raises AwsError.
        """
        request: PutParameterRequestTypeDef = {
            "Name": path,
            "Value": value.text,
            "Type": SECURE,
            "Overwrite": True,
        }
        if key := INSTALLATION.kms_key_arn or now.key:
            request["KeyId"] = key
        if needs_advanced_tier(value) or now.tier != "Standard":
            request["Tier"] = "Intelligent-Tiering"
        with _asking("ssm:PutParameter"):
            return self._client.put_parameter(**request)["Version"]

    @cached_property
    def _client(self) -> SSMClient:
        """Made where it is first used, since a profile that does not exist shows only then."""
        config = Config(connect_timeout=5, read_timeout=20)
        return boto3.Session().client("ssm", region_name=self.region, config=config)


def needs_advanced_tier(value: SecretValue) -> bool:
    """Whether the value is too long for a parameter of the standard tier."""
    return len(value.text.encode()) > STANDARD_BYTES


def _batches(paths: Iterable[str], size: int) -> Iterator[list[str]]:
    every = sorted(paths)
    for start in range(0, len(every), size):
        yield every[start : start + size]


def _who(arn: str) -> str:
    """`Admin/jane`, of an assumed role's ARN, `user/jane` or `root`."""
    return arn.rpartition(":")[2].removeprefix("assumed-role/")


@contextmanager
def _asking(permission: str) -> Iterator[None]:
    try:
        yield
    except (boto.ConnectionError, boto.HTTPClientError) as error:
        raise AwsUnreachableError(
            f"AWS cannot be reached ({_first_line(error)}); check the network and try again"
        ) from error
    except boto.ClientError as error:
        raise AwsError(_explain_answer(error, permission)) from error
    except boto.BotoCoreError as error:
        raise AwsError(_explain(error)) from error


def _explain(error: Exception) -> str:
    if isinstance(error, _NO_CREDENTIALS):
        return (
            f"there are no AWS credentials ({_first_line(error)}); log in, `aws sso login` for "
            "instance, and name the profile in AWS_PROFILE"
        )
    if isinstance(error, _EXPIRED_LOGIN):
        return _EXPIRED
    return f"AWS cannot be asked: {_first_line(error)}"


def _explain_answer(error: boto.ClientError, permission: str) -> str:
    answer = error.response.get("Error", {})
    code, message = answer.get("Code", ""), answer.get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if re.search("Expired", code):
        return _EXPIRED
    if re.search("AccessDenied|UnauthorizedOperation", code):
        denied = re.search(r"not authorized to perform: (\S+)", message)
        missing = denied[1] if denied else permission
        return f"these AWS credentials lack the permission {missing}; use others, or have it added"
    if code in _NOT_ACCEPTED:
        return f"AWS does not accept the credentials ({code}); log in again, or use others"
    if re.search("Throttl|TooManyRequests|TooManyUpdates|^RequestLimitExceeded|SlowDown", code):
        return f"AWS takes no more requests for the moment ({code}); try again in a minute"
    if status >= 500:
        return f"AWS has an internal error ({code}); try again"
    return f"AWS refuses {permission}: {code}: {message}"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error) else type(error).__name__


_EXPIRED = "the AWS credentials have expired; log in again, `aws sso login` for instance"
_NOT_ACCEPTED = (
    "AuthFailure",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
)
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.ProfileNotFound,
)
_EXPIRED_LOGIN = (boto.SSOError, boto.LoginError, boto.TokenRetrievalError)
