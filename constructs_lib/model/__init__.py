"""Immutable types shared by the catalogue, the charts and the constructs."""

import re
from dataclasses import KW_ONLY
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, Self

from constructs_lib.errors import DeclarationError
from constructs_lib.model.checks import Between, props, value
from constructs_lib.model.names import FQDN, ParameterPath, UrlPath, looks_secret
from constructs_lib.model.quantity import amount, check_bytes, check_canonical

Port = Annotated[int, Between(1, 65535)]
Positive = Annotated[int, Between(1, None)]
NotNegative = Annotated[int, Between(0, None)]

KubernetesVersion = Literal[
    "1.27", "1.28", "1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"
]
"""A minor version whose schemas constructs_lib/manifests/schemas.json contains."""

Manifest = dict[str, Any]
"""One Kubernetes object as plain data, with its keys in output order."""

_TAG = re.compile(r"latest|sha-[0-9a-f]{40}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@value
class Parameter:
    """A SecureString in the AWS SSM Parameter Store."""

    path: ParameterPath
    """Its SSM name, `/<platform>/<area>/<name>`."""
    description: str
    """Shown in the AWS console. At most 1,024 characters."""
    placeholder: str
    """The initial value, until an operator sets it. The reader can parse it. Never a secret. At
    most 4,096 characters, the limit of a standard parameter (PutParameter in the API of SSM)."""

    def __post_init__(self) -> None:
        for field, least, most in (("description", 0, 1024), ("placeholder", 1, 4096)):
            if not least <= (size := len(getattr(self, field))) <= most:
                raise DeclarationError(
                    f"the {field} of {self.path} has {size} characters, but SSM allows {least} to "
                    f"{most}; write a short one"
                )
        if looks_secret("", self.placeholder):
            raise DeclarationError(
                f"the placeholder of {self.path} looks like a secret and would be published; "
                "replace it, and set the real value in SSM"
            )


@value
class Host:
    """A host name, served by an Ingress and covered by the certificate."""

    fqdn: Annotated[str, FQDN]
    """Fully qualified, lower case."""


@value
class Pin:
    """The build of an image to run: a tag of `<registry>/<service>` and its digest."""

    tag: str
    """`sha-<commit>` with all 40 hex digits, or `latest` before the first bump."""
    digest: str | None = None
    """Digest of the image index, `sha256:<64 hex digits>`. None: the tag's current image."""

    def __post_init__(self) -> None:
        if not _TAG.fullmatch(self.tag) or not (
            self.digest is None or _DIGEST.fullmatch(self.digest)
        ):
            raise DeclarationError(
                f"{str(self)!r} is not a valid pin; write sha-<the 40 hex digits of the commit>, "
                "with or without @sha256:<64 hex digits>, or latest"
            )
        if self.digest and self.floats:
            raise DeclarationError(f"{self} pins a digest to a moving tag; write sha-<commit>")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the content of a pin file. Raises DeclarationError if it is malformed."""
        tag, at, digest = text.strip().partition("@")
        return cls(tag, digest if at else None)

    def __str__(self) -> str:
        return self.tag if self.digest is None else f"{self.tag}@{self.digest}"

    @property
    def floats(self) -> bool:
        """Whether the tag moves with every build."""
        return self.tag == "latest"


@props
class ClusterTarget:
    """API versions and features of the cluster. Defaults follow the deployment page."""

    kubernetes: KubernetesVersion = "1.27"
    """The minor version of the cluster. A synth refuses fields that it does not have."""
    external_secrets: Literal["v1beta1", "v1"] = "v1beta1"
    """The API version of External Secrets: v1beta1 up to 0.16, v1 from 0.16 on."""
    ingress_class: Literal["annotation", "field"] = "annotation"
    """`kubernetes.io/ingress.class` or `spec.ingressClassName`. Both together are rejected."""
    pod_security: str = "v1.27"
    """The Kubernetes version of the enforced `restricted` profile, or `latest`."""
    dns_addresses: tuple[str, ...] = ("169.254.20.10",)
    """IPv4 addresses of DNS servers that pods may use on port 53, in addition to kube-dns. The
    default is the address of NodeLocal DNSCache. It is link-local, so packets to it never leave
    the node: it opens nothing without the cache, and pods would lose DNS with it. EKS Auto Mode
    also needs the cluster DNS address, the tenth of the service CIDR: `172.20.0.10` or
    `10.100.0.10`. `ops checklist --cluster` prints the addresses of a cluster."""

    def __post_init__(self) -> None:
        for address in self.dns_addresses:
            try:
                IPv4Address(address)
            except ValueError as error:
                raise DeclarationError(
                    f"dns_addresses: {address!r} is not an IPv4 address; write it like "
                    "169.254.20.10"
                ) from error
        if len(set(self.dns_addresses)) < len(self.dns_addresses):
            raise DeclarationError("dns_addresses lists an address twice; remove one")


@props
class Resources:
    """Requests and limits of a container, as pairs (request, limit).

    Raises DeclarationError for a missing limit, a limit below its request, and a quantity that is
    not in canonical form.
    """

    cpu: tuple[str, str]
    """In cores: `("250m", "1")`."""
    memory: tuple[str, str]
    """In bytes: `("512Mi", "1Gi")`."""
    ephemeral_storage: tuple[str, str] = ("64Mi", "512Mi")
    """Logs and emptyDir volumes, in bytes. The default is our estimate."""

    def __post_init__(self) -> None:
        for name, pair in self._pairs().items():
            if not all(pair):
                raise DeclarationError(
                    f"{name} {pair!r} has no limit; write (request, limit), such as ('250m', '1')"
                )
            for text in pair:
                (check_canonical if name == "cpu" else check_bytes)(text, name)
                if name == "cpu" and not text.removesuffix("m").isdigit():
                    raise DeclarationError(f"cpu {text!r} is not in cores; write it like 250m or 2")
            if amount(pair[1]) < amount(pair[0]):
                raise DeclarationError(
                    f"{name} limit {pair[1]} is below the request {pair[0]}; "
                    "raise the limit or lower the request"
                )

    @property
    def requests(self) -> dict[str, str]:
        """The requests by Kubernetes resource name."""
        return {name: request for name, (request, _) in self._pairs().items()}

    @property
    def limits(self) -> dict[str, str]:
        """The limits by Kubernetes resource name."""
        return {name: limit for name, (_, limit) in self._pairs().items()}

    def _pairs(self) -> dict[str, tuple[str, str]]:
        return {
            "cpu": self.cpu,
            "memory": self.memory,
            "ephemeral-storage": self.ephemeral_storage,
        }


@value
class HttpGet:
    """Healthy if GET `path` returns a status from 200 to 399."""

    path: UrlPath
    """Absolute, with its leading slash."""
    port: Port | None = None
    """Default: the port of the workload."""


@value
class TcpSocket:
    """Healthy if `port` accepts a connection."""

    port: Port | None = None
    """Default: the port of the workload."""


@value
class Command:
    """Healthy if `command`, run in the container without a shell, exits with 0."""

    command: tuple[str, ...]
    """Program and arguments."""


@value
class Probe:
    """A health check. None means the default of Kubernetes."""

    check: HttpGet | TcpSocket | Command
    """How the probe checks the container."""
    _: KW_ONLY
    initial_delay_seconds: NotNegative | None = None
    """Delay before the first check. Default: 0."""
    period_seconds: Positive | None = None
    """Time between checks. Default: 10."""
    timeout_seconds: Positive | None = None
    """Time until a check fails. Default: 1."""
    failure_threshold: Positive | None = None
    """Consecutive failures until the container is unhealthy. Default: 3."""

    @property
    def patience_seconds(self) -> int:
        """Time from container start until it is unhealthy, if no check succeeds."""
        checking = (self.period_seconds or 10) * (self.failure_threshold or 3)
        return (self.initial_delay_seconds or 0) + checking


@value
class Egress:
    """Allowed outgoing connections of a pod, in addition to cluster DNS."""

    ports: tuple[Port, ...]
    """Destination ports. Empty: all ports."""
    to: Literal["anywhere", "public"] = "public"
    """`public` excludes private, shared, loopback and link-local address ranges; `anywhere`
    excludes only loopback and link-local ranges."""
    protocols: tuple[Literal["TCP", "UDP"], ...] = ("TCP",)
    """Protocols, each for all ports."""


@value
class Calls:
    """A web service that a pod calls inside the cluster.

    Allows this port in the NetworkPolicies of both the caller and the service.
    """

    service: str
    """Name of the WebService, which is also its host name within its namespace."""
    _: KW_ONLY
    namespace: str | None = None
    """Its namespace. Default: the caller's."""
    port: str = "http"
    """Name of the Service port."""


@value
class Pending:
    """A workload that is declared but not rendered, because a setting is missing."""

    name: str
    """Name of the future object."""
    settings: tuple[str, ...]
    """The variables without a value."""
    parameters: tuple[Parameter, ...]
    """The parameters it will read."""
