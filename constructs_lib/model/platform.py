"""The Platform: the settings of the installation that the constructs render for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self, TypeVar

from constructs_lib.errors import DeclarationError
from constructs_lib.model import ClusterTarget, Pin
from constructs_lib.model.checks import props
from constructs_lib.model.waivers import Waiver

if TYPE_CHECKING:
    from constructs import IConstruct


@props
class Platform:
    """The settings of the installation that the constructs render for."""

    name: str
    """The `app.kubernetes.io/part-of` label of every object."""
    images: Mapping[str, Pin]
    """The pin of each image, by service name."""
    registry: str
    """The image registry, such as `ghcr.io/example`: images are `<registry>/<service>:<pin>`."""
    target: ClusterTarget
    """API versions and features of the cluster."""
    region: str
    """The AWS region of the parameters and the certificate."""
    certificate_arn: str | None = None
    """The load balancers' certificate. None omits the annotation; the controller then looks for a
    certificate by host."""
    hosts: tuple[str, ...] = ()
    """The host names of the certificate, each served by exactly one Ingress."""
    parameters: tuple[str, ...] = ()
    """The paths of the existing SSM parameters, each read by a service."""
    parameter_prefix: str = "/"
    """The common prefix of all parameter paths, such as `/example/`."""
    alb_subnets: tuple[str, ...] = ()
    """CIDR ranges of the load balancers' subnets. Empty: service ports accept any source."""
    vpc_cidrs: tuple[str, ...] = ()
    """CIDR ranges that may reach the internal load balancers. Empty: any."""
    access_logs_bucket: str | None = None
    """The S3 bucket of the load balancers' access logs. None: no logs."""
    deletion_protection: bool = False
    """Whether AWS protects the load balancers from deletion."""
    storage_class: str | None = None
    """StorageClass of volume claims. None: the cluster's default."""
    repository: str
    """The URL of the Git repository that Argo CD reads."""
    revision: str = "main"
    """The branch or tag that Argo CD follows."""
    waivers: tuple[Waiver, ...] = ()
    """Accepted rule violations. Default: none."""

    def __post_init__(self) -> None:
        for path in self.parameters:
            if not path.startswith(self.parameter_prefix):
                raise DeclarationError(
                    f"parameter {path} does not start with {self.parameter_prefix}; rename it in "
                    "catalogue/parameters.py"
                )
            if self.parameters.count(path) > 1:
                raise DeclarationError(
                    f"parameter {path} is declared twice; correct or remove one in "
                    "catalogue/parameters.py"
                )

    @classmethod
    def of(cls, construct: IConstruct) -> Self:
        """The platform of the App that contains `construct`."""
        missing = f"is not in an App with a {cls.__name__}; create the App with App(platform)"
        return find_in_scopes(construct, "platform", cls, missing)


_T = TypeVar("_T")


def find_in_scopes(construct: IConstruct, attribute: str, kind: type[_T], otherwise: str) -> _T:
    """The `attribute` of type `kind` on `construct` or its nearest ancestor.

    Raises DeclarationError with the message `otherwise` if none has it.
    """
    scope: IConstruct | None = construct
    while scope:  # upwards, because each attribute of a node is a message to Node.js
        found = getattr(scope, attribute, None)
        if isinstance(found, kind):
            return found
        scope = scope.node.scope
    raise DeclarationError(otherwise, where=construct.node.path)
