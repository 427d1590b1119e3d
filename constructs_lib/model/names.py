"""The forms of names in Kubernetes, DNS and POSIX, and the detection of secrets."""

import re
from collections.abc import Iterable
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from constructs_lib.errors import DeclarationError
from constructs_lib.model.checks import Form

Range = IPv4Network | IPv6Network


def _name(longest: int) -> Form:
    """An RFC 1035 label."""
    return Form(
        rf"(?=.{{1,{longest}}}$)[a-z]([-a-z0-9]*[a-z0-9])?",
        "is not a valid name; use lower-case letters, digits and hyphens, start with a letter, at "
        f"most {longest} characters",
    )


OBJECT_NAME = _name(63)
ObjectName = Annotated[str, OBJECT_NAME]
CronJobName = Annotated[str, _name(52)]
"""Shorter, because the names of its Jobs add a suffix."""
PortName = Annotated[str, _name(15)]
Folder = Annotated[
    str,
    Form(
        r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*",
        "is not a valid folder; use a path inside dist/ of letters, digits, dots, hyphens and "
        "underscores, such as cluster or team/one",
    ),
]
FQDN = Form(
    r"(?=.{4,253}$)([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]{2,63}",
    "is not a valid host name; write it in lower case without scheme or path, such as "
    "api.example.org",
)
UrlPath = Annotated[str, Form(r"(?s)/.*", "is not a valid path; start it with a slash")]
RoutePath = Annotated[
    str,
    Form(
        r"/[^*?]*",  # the load balancer controller rejects wildcards in the type Prefix
        "is not a valid path; start it with a slash, and omit * and ?: a prefix includes the paths "
        "below it",
    ),
]
MountPath = Annotated[
    str,
    Form(
        r"(/[a-z0-9]+)+",  # becomes part of a volume name
        "is not a valid mount path; use an absolute path of lower-case letters and digits, such as "
        "/app/data",
    ),
]
FilePath = Annotated[
    str,
    Form(
        r"(/[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*)+",  # becomes a ConfigMap key
        "is not a valid file path; use an absolute path of letters, digits and ._-, such as "
        "/etc/app/app.toml",
    ),
]
Variable = Annotated[
    str,
    Form(r"[A-Z_][A-Z0-9_]*", "is not a valid environment variable name; use A-Z, 0-9 and _"),
]
LabelKey = Annotated[
    str,
    Form(
        r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?",
        "is not a valid label or annotation key; use name or prefix/name with letters, digits and "
        "._-, at most 63 characters",
    ),
]
LabelValue = Annotated[
    str,
    Form(
        r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?",
        "is not a valid label value; use letters, digits and ._-, at most 63 characters",
    ),
]
ParameterPath = Annotated[
    str,
    Form(
        # SSM reserves aws and ssm, and allows 1,011 characters with the start of the ARN
        r"(?=.{1,950}$)(?!/(aws|ssm))(/[a-z0-9][a-z0-9-]*){3}",
        "is not a valid parameter path; name it /<platform>/<area>/<name> in lower case, not below "
        "/aws or /ssm, with at most 950 characters",
    ),
]
RoleArn = Annotated[
    str,
    Form(
        r"arn:aws(-[a-z]+)*:iam::\d{12}:role/[\w+=,.@/-]+",
        "is not the ARN of an IAM role; write arn:aws:iam::<account>:role/<name>",
    ),
]

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


@cache
def as_range(cidr: str) -> Range:
    """Parse a CIDR range. Raises DeclarationError, also for an address without a prefix."""
    try:
        parsed = ip_network(cidr)
    except ValueError as error:
        raise DeclarationError(f"{error}; write it like 10.0.1.0/24") from error
    if "/" not in cidr:
        raise DeclarationError(f"{cidr!r} is not a CIDR range; write it like {parsed}")
    return parsed


def check_ranges(ranges: Iterable[str], name: str) -> None:
    """Reject anything but CIDR ranges. `name` is the setting, for the message."""
    for cidr in ranges:
        try:
            as_range(cidr)
        except DeclarationError as error:
            raise DeclarationError(f"{name}: {error}") from error


def looks_secret(name: str, value: str) -> bool:
    """Whether a plain variable looks like a secret, by name or value.

    A path (a file to read) in a variable with a secret's name does not.
    """
    named = bool(_SECRET_NAME.search(name)) and value != "" and not value.startswith(("/", "./"))
    return named or bool(_SECRET_VALUE.search(value))
