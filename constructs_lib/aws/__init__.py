"""Constructs for CloudFormation resources."""

from constructs_lib.aws.external_secrets_role import ExternalSecretsRole
from constructs_lib.aws.secure_strings import SecureStrings

__all__ = ["ExternalSecretsRole", "SecureStrings"]
