"""Renders dist/ and reports the changes."""

import os
import sys
from pathlib import Path

from charts.output import replace_dir, replace_file
from constructs_lib.errors import PlatformError, RuleError, result_of
from constructs_lib.model.text import plural

OUTPUT = "CDK8S_OUTDIR"  # set by the cdk8s command line
FOLDER = Path(__file__).parents[1] / "dist"
SCORECARD = FOLDER.with_name("docs") / "rules.md"
"""Written only when rendering into dist/, not into another folder."""


def render() -> tuple[dict[str, str], str, list[str]]:
    """The files of dist/, text by path, the text of docs/rules.md, and notes."""
    # importing the catalogue or a chart raises the errors in its module
    from catalogue.platform import current
    from charts import registry
    from constructs_lib import rules
    from constructs_lib.model.schedule import is_either, runs_a_month, words

    platform = current()
    files = registry.build(platform).validate()
    rendered = files.rendered
    page = rules.page(rendered, files.violations, platform.waivers)
    hints = [
        f"{job.key} starts {words(schedule)}: about {runs_a_month(schedule):g} times a month"
        for job in rendered.objects.of_kinds("CronJob")
        if is_either(schedule := job.spec["schedule"])
    ]
    return registry.write(files, platform), page, hints


def synth() -> int:
    """Render dist/, report, and return the exit status. On errors, dist/ is unchanged.

    Raises RuleError, a bug, with its traceback.
    """
    folder = Path(os.path.relpath(os.environ.get(OUTPUT) or FOLDER))
    try:
        files, scorecard, notes = result_of(render)
    except RuleError as error:
        print(f"error: {error}; correct the rule. {folder}/ {_state(folder)}", file=sys.stderr)
        raise
    except PlatformError as error:
        _report_unlisted()  # first, as it may explain the errors
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        errors = plural(len(error.problems), "error")
        print(f"{errors}; {folder}/ {_state(folder)}", file=sys.stderr)
        return 1
    changes = [f"{mark} {folder / path}" for mark, path in replace_dir(files, folder)]
    if folder.resolve() == FOLDER:
        before = SCORECARD.read_text("utf-8") if SCORECARD.exists() else ""
        SCORECARD.parent.mkdir(exist_ok=True)
        replace_file(SCORECARD, scorecard)
        if scorecard != before:
            changes.append(f"~ {os.path.relpath(SCORECARD)}")
    for change in changes:
        print(change)
    objects = sum(text.count("\nkind: ") for path, text in files.items() if path.endswith(".yaml"))
    outcome = "changes are listed above" if changes else "no changes"
    print(f"{folder}: {objects} objects in {len(files)} files; {outcome}")
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    _report_unlisted()
    return 0


def _state(folder: Path) -> str:
    if OUTPUT in os.environ and not any(folder.glob("*")):
        return f"was emptied by cdk8s; restore it with `git checkout {folder}`"
    return "is unchanged"


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
