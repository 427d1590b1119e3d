"""The objects of all charts, as the overview looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from constructs_lib.capacity import pod_template
from constructs_lib.kubernetes import ChartFile
from constructs_lib.model import Manifest


@dataclass(frozen=True)
class Workload:
    """A Deployment, CronJob or Job, and the chart that declares it."""

    chart: ChartFile
    manifest: Manifest

    @property
    def name(self) -> str:
        """Of the object."""
        return str(self.manifest["metadata"]["name"])

    @property
    def kind(self) -> str:
        """Of the object."""
        return str(self.manifest["kind"])

    @property
    def pods(self) -> int:
        """How many run all the time."""
        return int(self.manifest["spec"].get("replicas", 0))

    @property
    def pod(self) -> Manifest:
        """The spec of its pods."""
        spec: Manifest = (pod_template(self.manifest) or {})["spec"]
        return spec

    @property
    def containers(self) -> list[Manifest]:
        """The containers of its pods."""
        return list(self.pod["containers"])

    @property
    def pull_secrets(self) -> list[str]:
        """The Secrets that pull its images."""
        return [reference["name"] for reference in self.pod.get("imagePullSecrets", ())]

    @property
    def secrets(self) -> tuple[str, ...]:
        """The Secrets that its containers read."""
        return tuple(
            dict.fromkeys(
                source["secretRef"]["name"]
                for container in self.containers
                for source in container.get("envFrom", ())
            )
        )


class Inventory:
    """What is declared, in the order of declaration."""

    def __init__(self, charts: Sequence[ChartFile]) -> None:
        self.charts = charts

    def of(self, kind: str) -> Iterator[tuple[ChartFile, Manifest]]:
        """The objects of a kind, with their charts."""
        for chart in self.charts:
            for manifest in chart.objects:
                if manifest["kind"] == kind:
                    yield chart, manifest

    @cached_property
    def workloads(self) -> list[Workload]:
        """Everything that makes pods."""
        return [
            Workload(chart, manifest)
            for chart in self.charts
            for manifest in chart.objects
            if pod_template(manifest)
        ]

    def workloads_of(self, chart: ChartFile) -> list[Workload]:
        """Those of one chart."""
        return [workload for workload in self.workloads if workload.chart is chart]

    @property
    def services(self) -> list[ChartFile]:
        """The charts that run something."""
        return list(dict.fromkeys(workload.chart for workload in self.workloads))


def audience(ingress: Manifest) -> str:
    """Who reaches the load balancer of an Ingress."""
    scheme = ingress["metadata"]["annotations"].get("alb.ingress.kubernetes.io/scheme")
    return "the internet" if scheme == "internet-facing" else "the VPC"
