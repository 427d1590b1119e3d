"""The App: all charts of one platform, validated together before they are written."""

import inspect
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cdk8s
import constructs
import jsii

from constructs_lib.errors import DeclarationError, PlatformError, explain, one_line
from constructs_lib.kubernetes.chart import Chart
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.kubernetes.network import CallDirectory
from constructs_lib.manifests.argocd import DIST
from constructs_lib.manifests.objects import Object, Objects, is_cluster_scoped, is_identified
from constructs_lib.manifests.schema import unreadable
from constructs_lib.manifests.text import put_back, set_aside, unwritable
from constructs_lib.model import Manifest, Pending, waivers
from constructs_lib.model.checks import checked
from constructs_lib.model.platform import Platform
from constructs_lib.rules import violations
from constructs_lib.rules.causes import messages
from constructs_lib.rules.model import Rendered, Violation


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
    declared: list[KubeObject | cdk8s.ApiObject]
    """What declares each object."""
    pending: list[Pending]
    """Workloads that it declares but does not render yet."""

    @cached_property
    def aside(self) -> list[Manifest] | None:
        """The objects as the YAML library gets them; None if a value cannot be written."""
        with suppress(ValueError):
            return list(set_aside(self.objects))
        return None


class ChartFiles(tuple[ChartFile, ...]):
    """The files of all charts of an App, in order of declaration, but after their dependencies."""

    platform: Platform
    partial = False
    """Whether the files of other charts are unknown."""

    def of(self, chart: cdk8s.Chart) -> ChartFile:
        return next(file for file in self if _identity(file.chart) == _identity(chart))

    def render(self) -> dict[str, str]:
        """The files as text by path."""
        return {file.path: to_yaml(file.objects, file.aside) for file in self}

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
            self.partial,
        )

    @cached_property
    def violations(self) -> list[Violation]:
        """All violations of the rules, including waived ones. The rules run once."""
        return violations(self.rendered)

    def problems(self) -> list[str]:
        """The violations that no waiver covers, and invalid waivers.

        Objects that the rules cannot read are reported first and alone.
        """
        version = self.platform.target.kubernetes
        unread = [
            one_line(": ".join((*self._locate(Object.of(item)), problem)))
            for file in self
            for item in file.objects
            for problem in (
                unreadable(item, version) if file.aside is not None else unwritable(item)
            )
        ]
        if unread:
            return unread
        accepted = self.platform.waivers
        problems = [*messages(waivers.left(self.violations, accepted), self._locate)]
        if self.partial:
            return problems
        # a waiver without a colon is for a rule, even a misspelled one
        unused = waivers.problems(self.violations, accepted, checks=lambda check: ":" not in check)
        return [*problems, *unused]

    def _locate(self, item: Object) -> tuple[str, str]:
        """The line that declares an object, of a native one that of its chart, and its name."""
        file, one = next(
            (file, one)
            for file in self
            for content, one in zip(file.objects, file.declared, strict=True)
            if content is item.manifest
        )
        if isinstance(one, KubeObject):
            line = one.declared
            note = f" (changed at {one.changed})" if one.changed != line else ""
        else:
            line, note = getattr(file.chart, "declared", ""), f" (construct {one.node.path})"
        return line or f"{DIST}/{file.path}", f"{item.key}{note}"


@checked
class App(cdk8s.App):
    """A cdk8s App for one platform.

    `synth`, `synth_yaml`, `cdk8s.Testing.synth` and `render` all validate it first, with the rules
    and with the validations added by `node.add_validation`.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        outdir: str | None = None,
        resolvers: list[Any] | tuple[Any, ...] | None = None,
    ) -> None:
        """Create an App for a platform.

        Args:
            platform: The settings for all constructs in the App.
            outdir: Output directory of `synth`. Default: CDK8S_OUTDIR, or dist.
            resolvers: cdk8s resolvers for values of native objects. Default: none.
        """
        super().__init__(outdir=outdir, resolvers=resolvers)
        self.platform = platform
        self.calls = CallDirectory()
        self._rules = _Rules(self)
        self.node.add_validation(self._rules)

    def check(self, charts: Iterable[cdk8s.Chart]) -> None:
        """Check each object of some charts, as others cannot be declared. Raises PlatformError."""
        files = self.files({_identity(chart) for chart in charts})
        files.partial = True
        if problems := files.problems():
            raise PlatformError(problems)

    def files(self, charts: Container[str] | None = None) -> ChartFiles:
        """All objects as they will be written, without validation. Raises PlatformError.

        All our objects together need three messages to Node, native objects more. The order of
        charts and of native objects is that of cdk8s: as declared, but each after what
        `add_dependency` names. `charts` are the identities of those to read; default: all.
        """
        try:
            ordered = cdk8s.DependencyGraph(self.node).topology()
        except RuntimeError as error:  # a cycle, of any charts
            raise PlatformError([explain(error, line="")]) from error
        natives: dict[str, list[cdk8s.ApiObject]] = defaultdict(list)
        for native in ordered:
            if isinstance(native, cdk8s.ApiObject):
                natives[_identity(native.chart)].append(native)
        read, problems = [], []
        for chart in ordered:
            if isinstance(chart, cdk8s.Chart) and (charts is None or _identity(chart) in charts):
                try:
                    read.append(_file(chart, natives[_identity(chart)]))
                except Exception as error:  # noqa: BLE001 a patch can raise anything
                    problems.append(explain(error, line=getattr(chart, "declared", "")))
        if problems:
            raise PlatformError(problems)
        files = ChartFiles(read)
        files.platform = self.platform
        return files

    def validate(self) -> ChartFiles:
        """Validate all charts together, and return their files. Raises PlatformError."""
        self._rules.run_by_cdk8s = False
        try:
            refused = [*self._refused_by_cdk8s()]  # first, as cdk8s also resolves dependencies
        finally:
            self._rules.run_by_cdk8s = True
        files = self.files()
        problems = [*self.calls.problems(), *files.problems(), *map(one_line, refused)]
        if problems:
            raise PlatformError(problems)
        return files

    def _refused_by_cdk8s(self) -> Iterator[str]:
        """The messages of the validations that constructs have, with their paths.

        cdk8s resolves dependencies and runs these validations for the whole App when it renders any
        chart, in one message to Node. It reports them as one text, so they run again to be listed.
        """
        charts = self.charts
        if not charts:
            return
        try:
            cdk8s.Chart.to_json(charts[0])
        except RuntimeError:
            refused = [
                f"{construct.node.path}: {' '.join(message.splitlines())}"
                for construct in self.node.find_all()
                for message in construct.node.validate()
            ]
            if not refused:
                raise
            yield from refused

    def render(self) -> dict[str, str]:
        """The files as text by path: `<folder>/<chart>.k8s.yaml`. Raises PlatformError."""
        return self.validate().render()

    def synth(self) -> None:
        """Write the files into `outdir`. Raises PlatformError, before writing any file."""
        for path, text in self.render().items():
            file = Path(self.outdir, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8", newline="\n")

    def synth_yaml(self) -> str:
        """All objects as one YAML text. Raises PlatformError."""
        return to_yaml(self.validate().objects)


@jsii.implements(constructs.IValidation)
class _Rules:
    """The rules as a validation, for a synth that does not call the App.

    That is `cdk8s.Testing.synth` of a plain cdk8s chart, which reports them in a RuntimeError.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.run_by_cdk8s = True
        """Not while the App validates, because it runs the rules itself, once."""

    def validate(self) -> list[str]:
        if not self.run_by_cdk8s:
            return []
        return [*self._app.calls.problems(), *self._app.files().problems()]


def _file(chart: cdk8s.Chart, natives: list[cdk8s.ApiObject]) -> ChartFile:
    if isinstance(chart, Chart):
        own, name, path, pending = chart.kube_objects, chart.name, chart.path, chart.pending
    else:
        own = []
        name = cdk8s.Names.to_dns_label(chart)
        path, pending = f"{chart.namespace or 'cluster'}/{name}.k8s.yaml", []
    objects = [*(one.to_json() for one in own), *map(_written, natives)]
    declared: list[KubeObject | cdk8s.ApiObject] = [*own, *natives]
    described = "" if type(chart) in (Chart, cdk8s.Chart) else inspect.getdoc(type(chart)) or ""
    description = described.partition("\n\n")[0].replace("\n", " ")
    return ChartFile(chart, name, path, chart.namespace, description, objects, declared, pending)


def _identity(construct: constructs.IConstruct) -> str:
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


def to_yaml(objects: list[Manifest], aside: list[Manifest] | None = None) -> str:
    """Like `cdk8s.Yaml.stringify`, but quotes misread strings; `aside` has them set aside."""
    return put_back(cdk8s.Yaml.stringify(*(aside or set_aside(objects))))
