"""The App: all charts of one platform, validated together before they are written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cdk8s
import constructs
import jsii

from constructs_lib.errors import PlatformError, one_line
from constructs_lib.kubernetes.files import ChartFiles, to_yaml
from constructs_lib.kubernetes.network import CallDirectory
from constructs_lib.model.checks import checked
from constructs_lib.model.platform import Platform


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
        return ChartFiles.read(self)

    def validate(self) -> ChartFiles:
        """Validate all charts together, and return their files. Raises PlatformError."""
        self._rules.run_by_cdk8s = False
        try:
            refused = [*self._refused_by_cdk8s()]  # first, as cdk8s also resolves dependencies
        finally:
            self._rules.run_by_cdk8s = True
        files = self.files()
        if refused := [*self.calls.undeclared(), *files.problems(), *refused]:
            raise PlatformError(one_line(problem) for problem in refused)
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
        found = [*self._app.calls.undeclared(), *self._app.files().problems()]
        return [one_line(problem) for problem in found]
