"""The App: all charts of one platform, checked together before any of them is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cdk8s
import constructs
import jsii

from constructs_lib.checks import checked
from constructs_lib.errors import PlatformError, one_line
from constructs_lib.kubernetes.calls import CallDirectory
from constructs_lib.kubernetes.snapshot import Snapshot, read
from constructs_lib.kubernetes.text import stringify
from constructs_lib.kubernetes.validation import problems
from constructs_lib.platform import Platform

_INVALID = "Validation failed with the following errors:"  # as cdk8s says it
_PROBLEM = re.compile(r"\n  \[([^]\n]*)\] ")


@checked
class App(cdk8s.App):
    """A cdk8s App for one platform.

    `synth`, `synth_yaml`, `cdk8s.Testing.synth` and `render` all validate it first: by our rules
    and by whatever is added with `node.add_validation`.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        outdir: str | None = None,
        resolvers: Sequence[Any] | None = None,
    ) -> None:
        """Make an App for a platform.

        Args:
            platform: What its constructs find in the tree.
            outdir: Where `synth` writes. Default: CDK8S_OUTDIR, or dist.
            resolvers: Those of cdk8s, for values of native objects. Default: none.
        """
        super().__init__(outdir=outdir, resolvers=resolvers)
        self.platform = platform
        self.calls = CallDirectory()
        self._being_validated: Snapshot | None = None
        self.node.add_validation(_Rules(self))

    def snapshot(self) -> Snapshot:
        """Every object as it will be written, before anything is checked."""
        return self._being_validated or read(self)

    def validate(self) -> Snapshot:
        """Check all charts together; what is to be written. Raises PlatformError."""
        self._being_validated = found = self.snapshot()
        try:
            if found.files:
                with _validation_errors():
                    # cdk8s validates in this call; it has none that does only that
                    cdk8s.Chart.to_json(found.files[0].chart)
        finally:
            self._being_validated = None
        return found

    def render(self) -> dict[str, str]:
        """The files as text by path: `<folder>/<chart>.k8s.yaml`. Raises PlatformError."""
        return self.validate().render()

    def synth(self) -> None:
        """Write the files into `outdir`. Raises PlatformError, and then writes none."""
        for path, text in self.render().items():
            file = Path(self.outdir, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8", newline="\n")

    def synth_yaml(self) -> str:
        """Every object in one YAML text. Raises PlatformError."""
        return stringify(self.validate().objects)


@jsii.implements(constructs.IValidation)
class _Rules:
    """Our rules, as cdk8s runs them: with every synth, whoever asks for it."""

    def __init__(self, app: App) -> None:
        self._app = app

    def validate(self) -> list[str]:
        """What the rules find."""
        app = self._app
        found = [*app.calls.unanswered(), *problems(app.snapshot(), app.platform)]
        return [one_line(problem) for problem in found]


@contextmanager
def _validation_errors() -> Iterator[None]:
    """What cdk8s reports in one piece, as a PlatformError of a line each."""
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
        # the rules give one line each; a validation of a chart's author may give several
        raise PlatformError(one_line(" ".join(one.splitlines())) for one in found) from error
