"""The Platform: what every construct needs to know of the installation it renders for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from constructs_lib.checks import checked
from constructs_lib.errors import DeclarationError
from constructs_lib.model import ClusterTarget, Pin
from constructs_lib.rules.waivers import Waiver
from constructs_lib.tree import nearest

if TYPE_CHECKING:
    from constructs import IConstruct


@checked
@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where a person changes what a message is about: a file, or words in place of one."""

    hosts: str = "the Platform's hosts"
    """The host names."""
    parameters: str = "the Platform's parameters"
    """The SSM parameters."""
    pin: str = "the Platform's image {service}"
    """The pin of one image; `{service}` is replaced by its name."""
    charts: str = "the App"
    """The list of charts."""
    quotas: str = "its Namespace"
    """The quotas of the namespaces."""


@checked
@dataclass(frozen=True, kw_only=True)
class Platform:
    """What the constructs need to know of the installation they render for."""

    name: str
    """The `app.kubernetes.io/part-of` label of every object."""
    images: Mapping[str, Pin]
    """The pin of each service's image, by the service's name."""
    registry: str
    """Where the images are: `<registry>/<service>:<pin>`, as `ghcr.io/example`."""
    target: ClusterTarget
    """Which forms the cluster serves."""
    region: str
    """The AWS region of the parameters and the certificate."""
    certificate_arn: str | None = None
    """The load balancers' certificate; None leaves the annotation out, and the controller
    looks one up by host."""
    hosts: tuple[str, ...] = ()
    """The host names that the certificate covers; each is served by exactly one Ingress."""
    parameters: tuple[str, ...] = ()
    """The paths of the SSM parameters that exist; each is read by a service."""
    parameter_prefix: str = "/"
    """What the paths of all parameters begin with, `/example/`."""
    alb_subnets: tuple[str, ...] = ()
    """CIDR ranges the load balancers send from; none means any source on a service's port."""
    vpc_cidrs: tuple[str, ...] = ()
    """CIDR ranges of the VPC, which alone reach the internal load balancers; none means any."""
    access_logs_bucket: str | None = None
    """The S3 bucket of the load balancers' access logs; None means no logs."""
    deletion_protection: bool = False
    """Whether the load balancers refuse to be deleted."""
    storage_class: str | None = None
    """Of volume claims; None is the cluster's default class."""
    repository: str
    """The Git address that Argo CD reads."""
    revision: str = "main"
    """The branch or tag that Argo CD follows."""
    waivers: tuple[Waiver, ...] = ()
    """Violations of rules that are accepted. Default: none."""
    sources: Sources = Sources()
    """Where a person changes these facts, for the messages of the rules."""

    def __post_init__(self) -> None:
        for path in self.parameters:
            if not path.startswith(self.parameter_prefix):
                raise DeclarationError(
                    f"parameter {path} is not below {self.parameter_prefix}; rename it in "
                    f"{self.sources.parameters}"
                )

    @classmethod
    def of(cls, construct: IConstruct) -> Self:
        """The platform set at the App above `construct`."""
        missing = f"is not below an App with a {cls.__name__}; make the App as App(platform)"
        return nearest(construct, "platform", cls, missing)
