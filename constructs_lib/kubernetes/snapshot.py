"""All objects of an App as they will be written, native and our own."""

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
from constructs_lib.manifests.objects import is_cluster_scoped
from constructs_lib.manifests.shape import is_identified
from constructs_lib.manifests.text import is_odd
from constructs_lib.model import Manifest, Pending


@dataclass(frozen=True, eq=False)
class ChartFile:
    """A chart and its rendered file."""

    chart: cdk8s.Chart
    name: str
    """Name of the chart."""
    path: str
    """Path below dist/, `<folder>/<chart>.k8s.yaml`."""
    namespace: str | None
    """Namespace of the chart. An object may have another."""
    description: str
    """The first paragraph of the chart's docstring, in one line."""
    objects: list[Manifest]
    """The objects in output order."""
    owners: list[IConstruct]
    """The construct of each object."""
    pending: list[Pending]
    """Workloads that it declares but does not render yet."""

    @cached_property
    def is_odd(self) -> bool:
        """Whether it contains strings that need special quoting."""
        return is_odd(self.objects)


@dataclass(frozen=True)
class Snapshot:
    """All charts of an App, in order of declaration, but after their dependencies."""

    files: tuple[ChartFile, ...]

    def of(self, chart: cdk8s.Chart) -> ChartFile:
        return next(file for file in self.files if identity(file.chart) == identity(chart))

    def render(self) -> dict[str, str]:
        """The files as text by path."""
        return {file.path: stringify(file.objects, odd=file.is_odd) for file in self.files}

    @property
    def objects(self) -> list[Manifest]:
        return [item for file in self.files for item in file.objects]

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The names of the declared Namespaces."""
        return tuple(one["metadata"]["name"] for one in self.objects if one["kind"] == "Namespace")

    @property
    def pending(self) -> list[Pending]:
        """The workloads that are not rendered because a setting is missing."""
        return [job for file in self.files for job in file.pending]


@dataclass(frozen=True)
class _Item:
    """An object and its construct."""

    owner: IConstruct
    content: Manifest

    def __str__(self) -> str:
        return self.owner.node.path


def read(app: cdk8s.App) -> Snapshot:
    """Read an App. All our objects together need two messages to Node, native objects more."""
    tree = app.node
    constructs = tree.find_all()
    charts = [one for one in constructs if isinstance(one, cdk8s.Chart)]
    for chart in charts:
        scope = chart.scope if isinstance(chart, Chart) else chart.node.scope
        if isinstance(scope, cdk8s.Chart):
            scope.add_dependency(chart)  # as cdk8s does in its first synth
    items: dict[str, list[_Item]] = {
        identity(chart): [_Item(one.owner, one.to_json()) for one in _own_objects(chart)]
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


def _own_objects(chart: cdk8s.Chart) -> list[KubeObject]:
    return chart.kube_objects if isinstance(chart, Chart) else []


def _written(native: cdk8s.ApiObject) -> Manifest:
    """A native object as cdk8s renders it; in our charts, cluster-scoped kinds get no namespace."""
    content: Manifest = native.to_json()
    if not is_identified(content):
        raise DeclarationError(
            "is not a valid object: apiVersion, kind and metadata.name must be strings; correct "
            "its patch",
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
