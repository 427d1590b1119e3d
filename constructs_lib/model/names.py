"""Checks names against the rules of Kubernetes, DNS and POSIX, and detects secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_network

from constructs_lib.errors import DeclarationError

_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_FQDN = re.compile(r"(?=.{4,253}$)([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_MOUNT_PATH = re.compile(r"(/[a-z0-9]+)+")
_FOLDER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_FILE_PATH = re.compile(r"(/[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*)+")
_LABEL_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")

_SECRET_NAME = re.compile(
    r"(^|_)(PASSWORD|PASSWD|TOKEN|SECRET|API_?KEYS?|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS?)$"
)
_SECRET_VALUE = re.compile(
    r"""
    -----BEGIN\ [A-Z ]*PRIVATE\ KEY            # PEM
    | \b(AKIA|ASIA)[A-Z0-9]{16}\b              # AWS access key
    | \bgh[pousr]_[A-Za-z0-9]{36,}             # GitHub token
    | \bgithub_pat_[A-Za-z0-9_]{22,}
    | \bxox[abprs]-[A-Za-z0-9-]{10,}           # Slack token
    | \bsk_(live|test)_\w{8,}                  # Stripe's format, also used by others
    | \beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.         # JSON Web Token
    | ://[^/\s:@]*:[^/\s@]+@                   # a password inside a URL
    | [?&](api_?key|apikey|access_token|token|password|secret)=[^&\s{]+
    """,
    re.VERBOSE | re.IGNORECASE,
)


def check_object_name(name: str, *, longest: int = 63) -> None:
    """Reject a name that is not an RFC 1035 label.

    `longest` is 63 for most kinds, and 52 for a CronJob, because its Jobs add a suffix.
    """
    if not _DNS_LABEL.fullmatch(name) or len(name) > longest:
        raise DeclarationError(
            f"{name!r} is not a valid name; use lower-case letters, digits and hyphens, start with "
            f"a letter, at most {longest} characters"
        )


def check_folder(path: str) -> None:
    """Reject a folder that is not inside dist/."""
    if not _FOLDER.fullmatch(path):
        raise DeclarationError(
            f"{path!r} is not a valid folder; use a path inside dist/ of letters, digits, dots, "
            "hyphens and underscores, such as cluster or team/one"
        )


def check_ranges(ranges: Iterable[str], name: str) -> None:
    """Reject anything but CIDR ranges. `name` is the setting, for the message."""
    for cidr in ranges:
        try:
            ip_network(cidr)
        except ValueError as error:
            raise DeclarationError(f"{name}: {error}; write it like 10.0.1.0/24") from error


def check_fqdn(fqdn: str) -> None:
    """Reject anything but a fully qualified, lower-case host name."""
    if not _FQDN.fullmatch(fqdn):
        raise DeclarationError(
            f"{fqdn!r} is not a valid host name; write it in lower case without scheme or path, "
            "such as api.example.org"
        )


def check_mount_path(path: str) -> None:
    """Reject a path that is not absolute, or cannot be part of a volume name."""
    if not _MOUNT_PATH.fullmatch(path):
        raise DeclarationError(
            f"{path!r} is not a valid mount path; use an absolute path of lower-case letters and "
            "digits, such as /app/data"
        )


def check_file_path(path: str) -> None:
    """Reject a path that is not absolute, or cannot be a ConfigMap key."""
    if not _FILE_PATH.fullmatch(path):
        raise DeclarationError(
            f"{path!r} is not a valid file path; use an absolute path of letters, digits and ._-, "
            "such as /etc/app/app.toml"
        )


def check_label(key: str, value: str = "") -> None:
    """Reject an invalid label or annotation key, and an invalid label value."""
    if not _LABEL_KEY.fullmatch(key):
        raise DeclarationError(
            f"{key!r} is not a valid label or annotation key; use name or prefix/name with "
            "letters, digits and ._-, at most 63 characters"
        )
    if not _LABEL_VALUE.fullmatch(value):
        raise DeclarationError(
            f"{value!r} is not a valid value for the label {key}; use letters, digits and ._-, at "
            "most 63 characters"
        )


def check_variable(name: str) -> None:
    """Reject an environment variable name that the programs here do not use."""
    if not _VARIABLE.fullmatch(name):
        raise DeclarationError(
            f"{name!r} is not a valid environment variable name; use A-Z, 0-9 and _"
        )


def looks_secret(name: str, value: str) -> bool:
    """Whether a plain variable looks like a secret, by name or value.

    A path (a file to read) in a variable with a secret's name does not.
    """
    named = bool(_SECRET_NAME.search(name)) and value != "" and not value.startswith(("/", "./"))
    return named or bool(_SECRET_VALUE.search(value))
