"""The App: all charts of one platform, validated together before they are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cdk8s
import constructs
import jsii

from constructs_lib.errors import PlatformError, one_line
from constructs_lib.kubernetes.files import ChartFiles, read, to_yaml
from constructs_lib.kubernetes.network import CallDirectory
from constructs_lib.manifests.argocd import DIST
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.shape import malformed
from constructs_lib.model import waivers
from constructs_lib.model.checks import checked
from constructs_lib.model.platform import Platform
from constructs_lib.rules import violations
from constructs_lib.rules.model import Rendered, Violation


@dataclass(frozen=True)
class Validation:
    """The rules' findings in the files of an App; they run once, when first needed."""

    files: ChartFiles
    platform: Platform

    @cached_property
    def rendered(self) -> Rendered:
        """The input of the rules."""
        return Rendered(
            Objects(
                Object.of(item, f"{DIST}/{file.path}")
                for file in self.files
                for item in file.objects
            ),
            self.platform,
            tuple(self.files.pending),
            tuple(file.path for file in self.files),
            frozenset(f"{DIST}/{file.path}" for file in self.files if file.needs_quotes),
        )

    @cached_property
    def violations(self) -> list[Violation]:
        """All violations, including waived ones."""
        return violations(self.rendered)

    def problems(self) -> list[str]:
        """The violations that no waiver covers, and invalid waivers.

        Malformed objects are reported first and alone, because the rules cannot read them.
        """
        malformations = [
            f"{file.path}: {Object.of(item).key}: {problem}"
            for file in self.files
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
            for file in self.files
            for content, owner in zip(file.objects, file.owners, strict=True)
            if content is item.manifest
        )
        return f"{file.path}: {item.key} (construct {owner.node.path}): {violation.text}"


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

    def files(self) -> ChartFiles:
        """All objects as they will be written, without validation."""
        return read(self)

    def validate(self) -> Validation:
        """Validate all charts together. Raises PlatformError."""
        with self._rules.not_run_by_cdk8s():
            refused = [*self._refused_by_cdk8s()]  # first, as cdk8s also resolves dependencies
        validation = Validation(self.files(), self.platform)
        refused = [*self.calls.undeclared(), *validation.problems(), *refused]
        if refused:
            raise PlatformError(one_line(problem) for problem in refused)
        return validation

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
        return self.validate().files.render()

    def synth(self) -> None:
        """Write the files into `outdir`. Raises PlatformError, before writing any file."""
        for path, text in self.render().items():
            file = Path(self.outdir, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8", newline="\n")

    def synth_yaml(self) -> str:
        """All objects as one YAML text. Raises PlatformError."""
        return to_yaml(self.validate().files.objects)


@jsii.implements(constructs.IValidation)
class _Rules:
    """The rules as a validation, for a synth that does not call the App.

    That is `cdk8s.Testing.synth` of a plain cdk8s chart, which reports them in a RuntimeError.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._runs = True

    @contextmanager
    def not_run_by_cdk8s(self) -> Iterator[None]:
        """While the App validates, because it runs the rules itself, once."""
        self._runs = False
        try:
            yield
        finally:
            self._runs = True

    def validate(self) -> list[str]:
        if not self._runs:
            return []
        app = self._app
        found = [*app.calls.undeclared(), *Validation(app.files(), app.platform).problems()]
        return [one_line(problem) for problem in found]
