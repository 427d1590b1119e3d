"""dist/: rendering it, and telling what changed in it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from charts.memory import Memory
from constructs_lib.errors import PlatformError, collect
from constructs_lib.output import DirChanges, replace_dir, replace_file

OUTPUT = "CDK8S_OUTDIR"  # set by the cdk8s command line
FOLDER = Path(__file__).parents[1] / "dist"
SCORECARD = FOLDER.with_name("docs") / "rules.md"
"""Written with dist/ itself, and not with a copy of it elsewhere."""


@dataclass
class Rendering:
    """Everything that a synth writes."""

    files: dict[str, str] = field(default_factory=dict)
    """Those of dist/, text by path."""
    scorecard: str = ""
    """docs/rules.md."""
    memory: Memory | None = None
    """What commands have to know of it."""


def render() -> Rendering:
    """Render everything. Raises PlatformError for mistakes in a declaration."""
    rendering = Rendering()
    problems: list[str] = []
    collect(problems, partial(_render_into, rendering))
    if problems:
        raise PlatformError(problems)
    return rendering


def _render_into(rendering: Rendering) -> None:
    # Mistakes in the catalogue and in a chart's module come up when they are imported.
    from catalogue.platform import current
    from charts import registry
    from constructs_lib.kubernetes.validation import rendered
    from constructs_lib.rules import scorecard

    platform = current()
    snapshot = registry.build(platform).validate()
    rendering.files = registry.write(snapshot, platform)
    rendering.memory = Memory.of(snapshot, rendering.files)
    rendering.scorecard = scorecard.render(rendered(snapshot, platform), platform.waivers)


def synth() -> int:
    """Render dist/ and report; the exit status. After a mistake dist/ is as it was."""
    folder = Path(os.path.relpath(os.environ.get(OUTPUT) or FOLDER))
    try:
        rendering = render()
    except PlatformError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        _hint_at_unlisted()
        print(f"{len(error.problems)} refused; {folder} is as it was", file=sys.stderr)
        return 1
    _report(folder, rendering.files, replace_dir(rendering.files, folder))
    if folder.resolve() == FOLDER:
        SCORECARD.parent.mkdir(exist_ok=True)
        replace_file(SCORECARD, rendering.scorecard)
        if rendering.memory:
            rendering.memory.write()
    _hint_at_unlisted()
    return 0


def _hint_at_unlisted() -> None:
    try:
        from charts.registry import unlisted
    except Exception:  # noqa: BLE001 already reported: it is why nothing was rendered
        return
    for file in unlisted():
        print(
            f"note: {os.path.relpath(file)} is not listed in charts/registry.py, so nothing is "
            "rendered of it",
            file=sys.stderr,
        )


def _report(folder: Path, files: dict[str, str], changes: DirChanges) -> None:
    for mark, paths in (("+", changes.added), ("~", changes.changed), ("-", changes.removed)):
        for path in paths:
            print(f"{mark} {folder / path}")
    objects = sum(text.count("\nkind: ") for path, text in files.items() if path.endswith(".yaml"))
    news = "nothing changed" if not any(vars(changes).values()) else "see above"
    print(f"{folder}: {objects} objects in {len(files)} files; {news}")
