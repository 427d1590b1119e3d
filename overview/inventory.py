"""The objects of all charts, as input for the overview."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from constructs_lib.kubernetes import ChartFile
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.workload import Workload, workloads

ANY_HOST = "any host"
"""In place of the host of a rule without one."""


class Inventory:
    """The declared objects, in order of declaration."""

    def __init__(self, charts: Sequence[ChartFile]) -> None:
        self.charts = charts
        self.objects = {chart: Objects.of(chart.objects) for chart in charts}

    def of(self, kind: str) -> Iterator[tuple[ChartFile, Object]]:
        """The objects of a kind, each with its chart."""
        for chart, objects in self.objects.items():
            for item in objects.of_kinds(kind):
                yield chart, item

    @cached_property
    def workloads(self) -> dict[ChartFile, tuple[Workload, ...]]:
        """The workloads by chart. Charts without workloads are omitted."""
        found = {chart: workloads(objects) for chart, objects in self.objects.items()}
        return {chart: those for chart, those in found.items() if those}
