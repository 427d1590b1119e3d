"""What Kubernetes, DNS and a POSIX environment accept as a name, and what looks like a secret."""

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
    | \bsk_(live|test)_\w{8,}                  # Stripe's form, used by others, too
    | \beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.         # JSON Web Token
    | ://[^/\s:@]*:[^/\s@]+@                   # a password inside a URL
    | [?&](api_?key|apikey|access_token|token|password|secret)=[^&\s{]+
    """,
    re.VERBOSE | re.IGNORECASE,
)


def check_object_name(name: str, *, longest: int = 63) -> None:
    """Refuse a name that a Service, a Secret or a label cannot carry (RFC 1035 label).

    `longest` is 63 characters for most kinds and 52 for a CronJob, whose Jobs add a suffix.
    """
    if not _DNS_LABEL.fullmatch(name) or len(name) > longest:
        raise DeclarationError(
            f"{name!r} is no name that Kubernetes accepts here; use lower-case letters, digits "
            f"and hyphens, start with a letter, at most {longest} characters"
        )


def check_folder(path: str) -> None:
    """Refuse a folder that is not below the one it is relative to."""
    if not _FOLDER.fullmatch(path):
        raise DeclarationError(
            f"{path!r} is not a valid folder; use a relative path of letters, digits, dots, "
            "hyphens and underscores, as cluster or team/one, that does not leave dist/"
        )


def check_ranges(ranges: Iterable[str], name: str) -> None:
    """Refuse what is not a CIDR range. `name` is the setting, for the message."""
    for cidr in ranges:
        try:
            ip_network(cidr)
        except ValueError as error:
            raise DeclarationError(f"{name}: {error}; write 10.0.1.0/24") from error


def check_fqdn(fqdn: str) -> None:
    """Refuse what is no fully qualified, lower-case host name."""
    if not _FQDN.fullmatch(fqdn):
        raise DeclarationError(
            f"{fqdn!r} is no host name; write it bare and in lower case, as api.example.org"
        )


def check_mount_path(path: str) -> None:
    """Refuse a path that is no absolute one, or that no volume can be named after."""
    if not _MOUNT_PATH.fullmatch(path):
        raise DeclarationError(
            f"{path!r} is no path to mount at; write an absolute one of lower-case words, /app/data"
        )


def check_file_path(path: str) -> None:
    """Refuse a path that is not absolute, or that has characters a ConfigMap's key cannot have."""
    if not _FILE_PATH.fullmatch(path):
        raise DeclarationError(
            f"{path!r} is not a path for a file; write an absolute one of letters, digits and "
            "._-, as /etc/app/app.toml"
        )


def check_label(key: str, value: str = "") -> None:
    """Refuse a key that a label or annotation cannot have, and a value that a label cannot."""
    if not _LABEL_KEY.fullmatch(key):
        raise DeclarationError(
            f"{key!r} is not a valid key of a label or annotation; write name or prefix/name of "
            "letters, digits and ._-, at most 63 characters"
        )
    if not _LABEL_VALUE.fullmatch(value):
        raise DeclarationError(
            f"{value!r} is not a valid value of the label {key}; use letters, digits and ._-, at "
            "most 63 characters"
        )


def check_variable(name: str) -> None:
    """Refuse what no program here reads as the name of an environment variable."""
    if not _VARIABLE.fullmatch(name):
        raise DeclarationError(
            f"{name!r} is no name of an environment variable; use A-Z, 0-9 and _"
        )


def looks_secret(name: str, value: str) -> bool:
    """Whether a plain variable seems to hold a secret, by its name or its value.

    A path in a variable with a secret's name (a file to read) is none.
    """
    named = bool(_SECRET_NAME.search(name)) and value != "" and not value.startswith(("/", "./"))
    return named or bool(_SECRET_VALUE.search(value))
