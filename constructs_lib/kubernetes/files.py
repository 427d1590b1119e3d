"""All objects of an App as they will be written, native and our own, and their rule violations."""

from __future__ import annotations

import inspect
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import cdk8s
from constructs import IConstruct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.chart import Chart
from constructs_lib.manifests.argocd import DIST
from constructs_lib.manifests.objects import Object, Objects, is_cluster_scoped
from constructs_lib.manifests.shape import is_identified, malformed
from constructs_lib.manifests.text import Quoting, may_be_misread
from constructs_lib.model import Manifest, Pending, waivers
from constructs_lib.model.platform import Platform
from constructs_lib.rules import violations
from constructs_lib.rules.model import Rendered, Violation

if TYPE_CHECKING:
    from constructs_lib.kubernetes.app import App


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
    def needs_quotes(self) -> bool:
        """Whether it contains strings that need special quoting."""
        return may_be_misread(self.objects)


class ChartFiles(tuple[ChartFile, ...]):
    """The files of all charts of an App, in order of declaration, but after their dependencies."""

    platform: Platform

    @classmethod
    def read(cls, app: App) -> Self:
        """Read an App. All our objects together need three messages to Node, native objects more.

        The order of charts and of native objects is that of cdk8s: as declared, but each after what
        `add_dependency` names.
        """
        constructs = cdk8s.DependencyGraph(app.node).topology()
        natives: dict[str, list[cdk8s.ApiObject]] = defaultdict(list)
        for native in constructs:
            if isinstance(native, cdk8s.ApiObject):
                natives[_identity(native.chart)].append(native)
        files = cls(
            _file(chart, natives[_identity(chart)])
            for chart in constructs
            if isinstance(chart, cdk8s.Chart)
        )
        files.platform = app.platform
        return files

    def of(self, chart: cdk8s.Chart) -> ChartFile:
        return next(file for file in self if _identity(file.chart) == _identity(chart))

    def render(self) -> dict[str, str]:
        """The files as text by path."""
        return {file.path: to_yaml(file.objects, odd=file.needs_quotes) for file in self}

    @property
    def objects(self) -> list[Manifest]:
        return [item for file in self for item in file.objects]

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The names of the declared Namespaces."""
        return tuple(item.name for item in Objects.of(self.objects).of_kinds("Namespace"))

    @property
    def pending(self) -> list[Pending]:
        """The workloads that are not rendered because a setting is missing."""
        return [job for file in self for job in file.pending]

    @cached_property
    def rendered(self) -> Rendered:
        """The input of the rules."""
        return Rendered(
            Objects(
                Object.of(item, f"{DIST}/{file.path}") for file in self for item in file.objects
            ),
            self.platform,
            tuple(self.pending),
            tuple(file.path for file in self),
            frozenset(f"{DIST}/{file.path}" for file in self if file.needs_quotes),
        )

    @cached_property
    def violations(self) -> list[Violation]:
        """All violations of the rules, including waived ones. The rules run once."""
        return violations(self.rendered)

    def problems(self) -> list[str]:
        """The violations that no waiver covers, and invalid waivers.

        Malformed objects are reported first and alone, because the rules cannot read them.
        """
        malformations = [
            f"{file.path}: {Object.of(item).key}: {problem}"
            for file in self
            for item in file.objects
            for problem in malformed(item)
        ]
        if malformations:
            return malformations
        accepted = self.platform.waivers
        return [
            *map(self._message, waivers.left(self.violations, accepted)),
            # a waiver without a colon is for a rule, even a misspelled one
            *waivers.problems(self.violations, accepted, checks=lambda check: ":" not in check),
        ]

    def _message(self, violation: Violation) -> str:
        """The message with its file and construct path."""
        item = violation.object
        if item is None:
            return violation.message
        file, owner = next(
            (file, owner)
            for file in self
            for content, owner in zip(file.objects, file.owners, strict=True)
            if content is item.manifest
        )
        return f"{file.path}: {item.key} (construct {owner.node.path}): {violation.text}"


def _file(chart: cdk8s.Chart, natives: list[cdk8s.ApiObject]) -> ChartFile:
    own = chart.kube_objects if isinstance(chart, Chart) else []
    objects = [one.to_json() for one in own]
    owners = [one.owner for one in own]
    for native in natives:
        objects.append(_written(native))
        owners.append(native)
    if isinstance(chart, Chart):
        name, path, pending = chart.name, chart.path, chart.pending
    else:
        name = cdk8s.Names.to_dns_label(chart)
        path, pending = f"{chart.namespace or 'cluster'}/{name}.k8s.yaml", []
    described = "" if type(chart) in (Chart, cdk8s.Chart) else inspect.getdoc(type(chart)) or ""
    description = described.partition("\n\n")[0].replace("\n", " ")
    return ChartFile(chart, name, path, chart.namespace, description, objects, owners, pending)


def _identity(construct: IConstruct) -> str:
    """A unique ID, as one construct of Node can have several Python objects."""
    return str(construct.__jsii_ref__.ref)  # type: ignore[attr-defined]


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


def to_yaml(objects: list[Manifest], *, odd: bool = True) -> str:
    """The output of `cdk8s.Yaml.stringify`; if `odd`, with quotes around misread strings."""
    if not odd:
        return cdk8s.Yaml.stringify(*objects)
    quoting = Quoting()
    return quoting.put_back(cdk8s.Yaml.stringify(*quoting.set_aside(objects)))
