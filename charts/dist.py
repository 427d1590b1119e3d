"""Renders dist/ and reports the changes."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from charts.output import DirChanges, replace_dir, replace_file
from constructs_lib.errors import PlatformError, RuleError, errors_of
from constructs_lib.model.text import plural

OUTPUT = "CDK8S_OUTDIR"  # set by the cdk8s command line
FOLDER = Path(__file__).parents[1] / "dist"
SCORECARD = FOLDER.with_name("docs") / "rules.md"
"""Written only when rendering into dist/, not into another folder."""


@dataclass
class Rendering:
    """Everything that a synth writes."""

    files: dict[str, str] = field(default_factory=dict)
    """The files of dist/, text by path."""
    scorecard: str = ""
    """The content of docs/rules.md."""


def render() -> Rendering:
    """Render everything. Raises PlatformError for errors in a declaration."""
    rendering = Rendering()
    problems = errors_of(partial(_render_into, rendering))
    if problems:
        raise PlatformError(problems)
    return rendering


def _render_into(rendering: Rendering) -> None:
    # importing the catalogue or a chart raises the errors in its module
    from catalogue.platform import current
    from charts import registry
    from constructs_lib.rules import scorecard

    platform = current()
    files = registry.build(platform).validate()
    rendering.files = registry.write(files, platform)
    rendering.scorecard = scorecard.render(files.rendered, files.violations, platform.waivers)


def synth() -> int:
    """Render dist/, report, and return the exit status. On errors, dist/ is unchanged.

    Raises RuleError, a bug, with its traceback.
    """
    folder = Path(os.path.relpath(os.environ.get(OUTPUT) or FOLDER))
    try:
        rendering = render()
    except RuleError as error:
        print(f"error: {error}; correct the rule. {folder}/ {_state(folder)}", file=sys.stderr)
        raise
    except PlatformError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        _report_unlisted()
        errors = plural(len(error.problems), "error")
        print(f"{errors}; {folder}/ {_state(folder)}", file=sys.stderr)
        return 1
    changes = replace_dir(rendering.files, folder)
    _report(folder, rendering.files, changes, scorecard=_update_docs(folder, rendering))
    _report_unlisted()
    return 0


def _state(folder: Path) -> str:
    if OUTPUT in os.environ and not any(folder.glob("*")):
        return f"was emptied by cdk8s; restore it with `git checkout {folder}`"
    return "is unchanged"


def _update_docs(folder: Path, rendering: Rendering) -> bool:
    """Write what belongs to dist/, but not to another folder. Whether the rules changed."""
    if folder.resolve() != FOLDER:
        return False
    SCORECARD.parent.mkdir(exist_ok=True)
    before = SCORECARD.read_text("utf-8") if SCORECARD.exists() else ""
    replace_file(SCORECARD, rendering.scorecard)
    return rendering.scorecard != before


def _report_unlisted() -> None:
    try:
        from charts.registry import unlisted
    except Exception:  # noqa: BLE001 already reported as a rendering error
        return
    for file in unlisted():
        print(
            f"note: {os.path.relpath(file)} is not listed in charts/registry.py, so it is not "
            "rendered",
            file=sys.stderr,
        )


def _report(folder: Path, files: dict[str, str], changes: DirChanges, *, scorecard: bool) -> None:
    for mark, paths in (("+", changes.added), ("~", changes.changed), ("-", changes.removed)):
        for path in paths:
            print(f"{mark} {folder / path}")
    objects = sum(text.count("\nkind: ") for path, text in files.items() if path.endswith(".yaml"))
    if scorecard:
        print(f"~ {os.path.relpath(SCORECARD)}")
    changed = scorecard or any(vars(changes).values())
    outcome = "changes are listed above" if changed else "no changes"
    print(f"{folder}: {objects} objects in {len(files)} files; {outcome}")
