"""The plain frozen types that the catalogue and the charts speak. No construct is made here."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

from constructs_lib.checks import Between, checked
from constructs_lib.errors import DeclarationError
from constructs_lib.names import check_fqdn, looks_secret
from constructs_lib.quantity import amount, check_canonical

Port = Annotated[int, Between(1, 65535)]
Positive = Annotated[int, Between(1, None)]
NotNegative = Annotated[int, Between(0, None)]

Manifest = dict[str, Any]
"""One Kubernetes object as plain data, its keys in the order in which they are written."""

_PARAMETER_PATH = re.compile(r"(/[a-z0-9][a-z0-9-]*){3}")
_TAG = re.compile(r"latest|sha-[0-9a-f]{40}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@checked
@dataclass(frozen=True)
class Parameter:
    """A SecureString in the AWS SSM Parameter Store."""

    path: str
    """Its name there, `/<platform>/<area>/<name>`."""
    description: str
    """What it holds, as the AWS console shows it."""
    placeholder: str
    """What it holds before an operator sets it: a value its reader can parse, never a secret."""

    def __post_init__(self) -> None:
        if not _PARAMETER_PATH.fullmatch(self.path):
            raise DeclarationError(
                f"{self.path!r} is not a valid path of a parameter; "
                "name it /<platform>/<area>/<name> in lower case"
            )
        if looks_secret("", self.placeholder):
            raise DeclarationError(
                f"the placeholder of {self.path} looks like a secret and would be published; "
                "an operator sets the value"
            )


@checked
@dataclass(frozen=True)
class Host:
    """A host name that an Ingress serves and the certificate covers."""

    fqdn: str
    """The fully qualified name, lower case."""

    def __post_init__(self) -> None:
        check_fqdn(self.fqdn)


@checked
@dataclass(frozen=True)
class Pin:
    """Which build of an image runs: a tag of `<registry>/<service>`, and what it names."""

    tag: str
    """`sha-<commit>` with all 40 hex digits, or `latest` before the first bump."""
    digest: str | None = None
    """`sha256:<64 hex digits>` of the index that the tag names. None: whatever it names today."""

    def __post_init__(self) -> None:
        if not _TAG.fullmatch(self.tag) or not (
            self.digest is None or _DIGEST.fullmatch(self.digest)
        ):
            raise DeclarationError(
                f"{str(self)!r} is not a valid pin; write sha-<the 40 hex digits of the commit>, "
                "with or without @sha256:<64 hex digits>, or latest"
            )
        if self.digest and self.floats:
            raise DeclarationError(
                f"{self} pins a digest under a tag that moves; write sha-<commit>"
            )

    @classmethod
    def parse(cls, text: str) -> Pin:
        """Read what a pin file holds. Raises DeclarationError for anything else."""
        tag, at, digest = text.strip().partition("@")
        return cls(tag, digest if at else None)

    def __str__(self) -> str:
        return self.tag if self.digest is None else f"{self.tag}@{self.digest}"

    @property
    def floats(self) -> bool:
        """Whether the tag is meant to name another build tomorrow."""
        return self.tag == "latest"


@checked
@dataclass(frozen=True, kw_only=True)
class ClusterTarget:
    """What the cluster serves, where it may be newer than the forms of the deployment page."""

    external_secrets: Literal["v1beta1", "v1"] = "v1beta1"
    """The API version of External Secrets: v1beta1 up to 0.16, v1 from 0.16 on."""
    ingress_class: Literal["annotation", "field"] = "annotation"
    """`kubernetes.io/ingress.class`, or `spec.ingressClassName`. The API server refuses both."""
    pod_security: str = "v1.27"
    """The Kubernetes version whose `restricted` profile is enforced, or `latest`."""
    dns_addresses: tuple[str, ...] = ("169.254.20.10",)
    """IPv4 addresses that pods may ask for DNS, on port 53, besides the pods of kube-dns. The
    default is where NodeLocal DNSCache answers. It is link-local, so a packet to it never leaves
    the node: without the cache nothing is opened, with it pods would otherwise lose DNS. A cluster
    of EKS Auto Mode also needs the cluster DNS address, the tenth of its service CIDR:
    `172.20.0.10` or `10.100.0.10`. `ops checklist --cluster` says what a cluster has."""

    def __post_init__(self) -> None:
        for address in self.dns_addresses:
            try:
                IPv4Address(address)
            except ValueError as error:
                raise DeclarationError(
                    f"dns_addresses: {address!r} is not an IPv4 address; write 169.254.20.10"
                ) from error
        if len(set(self.dns_addresses)) < len(self.dns_addresses):
            raise DeclarationError("dns_addresses names an address twice; remove one")


@checked
@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a container asks for and may use; each is a pair (request, limit).

    Raises DeclarationError for a missing limit, a limit below its request, and a quantity that
    the API server would store in another spelling.
    """

    cpu: tuple[str, str]
    """Cores, as `("250m", "1")`."""
    memory: tuple[str, str]
    """Bytes, as `("512Mi", "1Gi")`."""
    ephemeral_storage: tuple[str, str] = ("64Mi", "512Mi")
    """Logs and emptyDir volumes together, bytes. The default is our estimate."""

    def __post_init__(self) -> None:
        for name, pair in self.pairs().items():
            if isinstance(pair, str) or len(pair) != 2 or not all(pair):
                raise DeclarationError(
                    f"{name} {pair!r} has no limit; write a request and a limit, ('250m', '1')"
                )
            for text in pair:
                check_canonical(text, name)
            if amount(pair[1]) < amount(pair[0]):
                raise DeclarationError(
                    f"{name} limit {pair[1]} is below the request {pair[0]}; "
                    "raise the limit or lower the request"
                )

    def pairs(self) -> dict[str, tuple[str, str]]:
        """The three resources by the names that Kubernetes gives them."""
        return {
            "cpu": self.cpu,
            "memory": self.memory,
            "ephemeral-storage": self.ephemeral_storage,
        }


@checked
@dataclass(frozen=True)
class HttpGet:
    """Healthy while GET `path` answers with a status from 200 to 399."""

    path: str
    """Absolute, with its leading slash."""
    port: Port | None = None
    """Default: the port of the workload."""

    def __post_init__(self) -> None:
        if not self.path.startswith("/"):
            raise DeclarationError(f"{self.path!r} is no path; begin it with a slash")


@checked
@dataclass(frozen=True)
class TcpSocket:
    """Healthy while `port` accepts a connection."""

    port: Port | None = None
    """Default: the port of the workload."""


@checked
@dataclass(frozen=True)
class Command:
    """Healthy while `command`, run inside the container without a shell, exits with 0."""

    command: tuple[str, ...]
    """Program and arguments."""


@checked
@dataclass(frozen=True)
class Probe:
    """A health check. What is None is left to Kubernetes, whose default is named."""

    check: HttpGet | TcpSocket | Command
    """What is asked."""
    _: KW_ONLY
    initial_delay_seconds: NotNegative | None = None
    """Before the first check; 0."""
    period_seconds: Positive | None = None
    """Between checks; 10."""
    timeout_seconds: Positive | None = None
    """Until a check counts as failed; 1."""
    failure_threshold: Positive | None = None
    """Failures in a row that count as unhealthy; 3."""

    @property
    def patience_seconds(self) -> int:
        """From the container's start until it counts as unhealthy, if no check succeeds."""
        checking = (self.period_seconds or 10) * (self.failure_threshold or 3)
        return (self.initial_delay_seconds or 0) + checking


@checked
@dataclass(frozen=True)
class Egress:
    """Where a pod may open connections to, beside the cluster's DNS."""

    ports: tuple[Port, ...]
    """Destination ports; none means every port."""
    to: Literal["anywhere", "public"] = "public"
    """`public` leaves out private, shared, loopback and link-local address ranges; `anywhere` only
    the latter two."""
    protocols: tuple[Literal["TCP", "UDP"], ...] = ("TCP",)
    """Each port of each of them."""


@checked
@dataclass(frozen=True)
class Calls:
    """A web service of the platform that a pod calls inside the cluster.

    It opens the caller's policy and that of the service, for this port alone.
    """

    service: str
    """Its name, which is also its host name within its namespace."""
    _: KW_ONLY
    namespace: str | None = None
    """Where it is. Default: the caller's namespace."""
    port: str = "http"
    """Which port of its Service, by name."""


@checked
@dataclass(frozen=True)
class Pending:
    """A workload that is declared but not rendered, because a setting is not filled in yet."""

    name: str
    """Of the object that it will be."""
    settings: tuple[str, ...]
    """The variables whose values it waits for."""
    parameters: tuple[Parameter, ...]
    """The parameters it will read."""
