"""The App, and the Platform that every construct below it finds in the tree."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import cdk8s
from constructs import IConstruct

from constructs_lib.errors import DeclarationError, PlatformError
from constructs_lib.model import ClusterTarget, Pin

if TYPE_CHECKING:
    from constructs_lib.kubernetes.chart import Chart


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What the constructs need to know of the installation they render for."""

    images: Mapping[str, Pin]
    """The pin of each service's image, by the service's name."""
    registry: str = "ghcr.io/gnosischain"
    """Where the images are: `<registry>/<service>:<pin>`."""
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
    alb_subnets: tuple[str, ...] = ()
    """CIDR ranges the load balancers send from; none means any source on a service's port."""
    storage_class: str | None = None
    """Of volume claims; None is the cluster's default class."""
    repository: str
    """The Git address that Argo CD reads."""
    revision: str = "main"
    """The branch or tag that Argo CD follows."""

    @classmethod
    def of(cls, construct: IConstruct) -> Self:
        """The platform set at the App above `construct`."""
        above: IConstruct | None = construct
        while above:
            platform = getattr(above, "platform", None)
            if isinstance(platform, cls):
                return platform
            above = above.node.scope
        raise DeclarationError(
            f"stands below no App with a {cls.__name__}; make the App as App(platform)",
            where=construct.node.path,
        )


class App(cdk8s.App):
    """A cdk8s App for one platform, whose charts are checked together before they are written."""

    def __init__(self, platform: Platform) -> None:
        self._outdir = tempfile.TemporaryDirectory(prefix="synth-")
        super().__init__(outdir=self._outdir.name)
        self.platform = platform
        self.files: list[Chart] = []
        """Every chart, in the order of declaration; each is one file."""

    def synth(self) -> None:
        """Check all charts together, then write them into `outdir`. Raises PlatformError."""
        from constructs_lib.kubernetes.rules import problems

        if found := problems(self):
            raise PlatformError(found)
        super().synth()

    def render(self) -> dict[str, str]:
        """What `synth` writes, as text by path: `cerebro/cerebro-api.k8s.yaml`."""
        with self._outdir as outdir:
            self.synth()
            return {
                chart.path: Path(outdir, f"{chart.name}.k8s.yaml").read_text("utf-8")
                for chart in self.files
            }
