"""The App: all charts of one platform, validated together before they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cdk8s
import constructs
import jsii

from constructs_lib.errors import PlatformError, RuleError, one_line
from constructs_lib.kubernetes.calls import CallDirectory
from constructs_lib.kubernetes.snapshot import Snapshot, read
from constructs_lib.kubernetes.text import stringify
from constructs_lib.kubernetes.validation import Validation
from constructs_lib.model.checks import checked
from constructs_lib.model.platform import Platform

_INVALID = "Validation failed with the following errors:"  # message of cdk8s
_PROBLEM = re.compile(r"\n  \[([^]\n]*)\] ")


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
        resolvers: Sequence[Any] | None = None,
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
        self._being_validated: Snapshot | None = None
        self._crash: RuleError | None = None
        self.validation = Validation(Snapshot(()), platform)
        """The findings of the last validation."""
        self.node.add_validation(_Rules(self))

    def snapshot(self) -> Snapshot:
        """All objects as they will be written, without validation."""
        return self._being_validated or read(self)

    def validate(self) -> Snapshot:
        """Validate all charts together and return their objects. Raises PlatformError."""
        self._being_validated = found = self.snapshot()
        self._crash = None
        try:
            if found.files:
                with self._crashes(), _validation_errors():
                    # cdk8s validates as part of this call; it has no call for validation only
                    cdk8s.Chart.to_json(found.files[0].chart)
        finally:
            self._being_validated = None
        return found

    @contextmanager
    def _crashes(self) -> Iterator[None]:
        """Raise the crash of a rule as it was raised: through Node, it loses its traceback."""
        try:
            yield
        except Exception:
            if self._crash:
                raise self._crash from self._crash.__cause__
            raise

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
        return stringify(self.validate().objects)


@jsii.implements(constructs.IValidation)
class _Rules:
    """The rules, as a cdk8s validation, so that every kind of synth runs them."""

    def __init__(self, app: App) -> None:
        self._app = app

    def validate(self) -> list[str]:
        app = self._app
        try:
            app.validation = Validation(app.snapshot(), app.platform)
            found = [*app.calls.undeclared(), *app.validation.problems()]
        except RuleError as error:
            app._crash = error
            raise
        return [one_line(problem) for problem in found]


@contextmanager
def _validation_errors() -> Iterator[None]:
    """Convert the combined validation error of cdk8s into a PlatformError, one line per error."""
    try:
        yield
    except RuntimeError as error:
        _, invalid, report = str(error).partition(_INVALID)
        if not invalid:
            raise
        _, *parts = _PROBLEM.split(report)
        found = (
            f"{path}: {message}" if path else message
            for path, message in zip(parts[::2], parts[1::2], strict=True)
        )
        # a custom validation may return messages of several lines
        raise PlatformError(one_line(" ".join(one.splitlines())) for one in found) from error
