"""The objects of all charts, as input for the overview."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from constructs_lib.kubernetes import ChartFile
from constructs_lib.manifests.workload import Workload, workloads
from constructs_lib.model import Manifest


class Inventory:
    """The declared objects, in order of declaration."""

    def __init__(self, charts: Sequence[ChartFile]) -> None:
        self.charts = charts

    def of(self, kind: str) -> Iterator[tuple[ChartFile, Manifest]]:
        for chart in self.charts:
            for manifest in chart.objects:
                if manifest["kind"] == kind:
                    yield chart, manifest

    @cached_property
    def workloads(self) -> dict[ChartFile, tuple[Workload, ...]]:
        """The workloads by chart. Charts without workloads are omitted."""
        found = {chart: workloads(chart.objects) for chart in self.charts}
        return {chart: those for chart, those in found.items() if those}

    @property
    def services(self) -> list[ChartFile]:
        """The charts with workloads."""
        return list(self.workloads)
