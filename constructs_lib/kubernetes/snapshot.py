"""All objects of an App as they will be written, whichever way they were declared."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property

import cdk8s
from constructs import IConstruct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.chart import Chart
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.kubernetes.ordering import Dependencies, identity
from constructs_lib.kubernetes.text import stringify
from constructs_lib.manifests.kinds import is_cluster_scoped
from constructs_lib.manifests.shape import is_identified
from constructs_lib.manifests.text import is_odd
from constructs_lib.model import Manifest, Pending


@dataclass(frozen=True, eq=False)
class ChartFile:
    """A chart, and the file that it becomes."""

    chart: cdk8s.Chart
    name: str
    """Of the chart."""
    path: str
    """Below dist/, `<folder>/<chart>.k8s.yaml`."""
    namespace: str | None
    """Of the chart; an object may name another."""
    description: str
    """The first paragraph of the chart's docstring, in one line."""
    objects: list[Manifest]
    """In the order in which they are written."""
    owners: list[IConstruct]
    """The construct of each object."""
    pending: list[Pending]
    """What it declares but does not render yet."""

    @cached_property
    def is_odd(self) -> bool:
        """Whether a text in it needs a closer look before it is written."""
        return is_odd(self.objects)


@dataclass(frozen=True)
class Snapshot:
    """Every chart of an App, in the order of declaration; what another depends on comes first."""

    files: tuple[ChartFile, ...]

    def of(self, chart: cdk8s.Chart) -> ChartFile:
        """The file of one chart."""
        return next(file for file in self.files if identity(file.chart) == identity(chart))

    def render(self) -> dict[str, str]:
        """The files as text by path."""
        return {file.path: stringify(file.objects, odd=file.is_odd) for file in self.files}

    @property
    def objects(self) -> list[Manifest]:
        """Every object."""
        return [item for file in self.files for item in file.objects]

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that are declared."""
        return tuple(one["metadata"]["name"] for one in self.objects if one["kind"] == "Namespace")

    @property
    def pending(self) -> list[Pending]:
        """Every workload that waits for a setting."""
        return [job for file in self.files for job in file.pending]


@dataclass(frozen=True)
class _Item:
    """An object that can be written: the construct that it belongs to, and what it holds."""

    owner: IConstruct
    content: Manifest

    def __str__(self) -> str:
        return self.owner.node.path


def read(app: cdk8s.App) -> Snapshot:
    """Read an App. Our own objects cost two messages to Node in all, a native one some more."""
    tree = app.node
    constructs = tree.find_all()
    charts = [one for one in constructs if isinstance(one, cdk8s.Chart)]
    for chart in charts:
        scope = chart.scope if isinstance(chart, Chart) else chart.node.scope
        if isinstance(scope, cdk8s.Chart):
            scope.add_dependency(chart)  # as cdk8s does with its first synth
    items: dict[str, list[_Item]] = {
        identity(chart): [_Item(one.owner, one.to_json()) for one in _made_by_us(chart)]
        for chart in charts
    }
    for one in constructs:
        if isinstance(one, cdk8s.ApiObject):
            items[identity(one.chart)].append(_Item(one, _written(one)))
    in_order = cdk8s.DependencyGraph(tree).topology()
    if [identity(one) for one in in_order] != [identity(one) for one in constructs]:
        dependencies = Dependencies(constructs)
        declared = charts
        charts = dependencies.sort(charts, lambda one: dependencies.of_chart(one, declared))
        items = {
            chart: dependencies.sort(those, lambda item: {identity(item.owner)})
            for chart, those in items.items()
        }
    return Snapshot(tuple(_file(chart, items[identity(chart)]) for chart in charts))


def _made_by_us(chart: cdk8s.Chart) -> list[KubeObject]:
    return chart.kube_objects if isinstance(chart, Chart) else []


def _written(native: cdk8s.ApiObject) -> Manifest:
    """What cdk8s writes of a native object, but in a chart of ours without a namespace where it
    can have none.
    """
    content: Manifest = native.to_json()
    if not is_identified(content):
        raise DeclarationError(
            "is not an object: apiVersion, kind and metadata.name must be texts; correct its patch",
            where=native.node.path,
        )
    if is_cluster_scoped(content) and isinstance(native.chart, Chart):
        content["metadata"].pop("namespace", None)
    return content


def _file(chart: cdk8s.Chart, items: list[_Item]) -> ChartFile:
    if isinstance(chart, Chart):
        name, path, pending = chart.name, chart.path, chart.pending
    else:
        name = cdk8s.Names.to_dns_label(chart)
        path, pending = f"{chart.namespace or 'cluster'}/{name}.k8s.yaml", []
    described = "" if type(chart) in (Chart, cdk8s.Chart) else inspect.getdoc(type(chart)) or ""
    description = described.partition("\n\n")[0].replace("\n", " ")
    objects, owners = [one.content for one in items], [one.owner for one in items]
    return ChartFile(chart, name, path, chart.namespace, description, objects, owners, pending)
