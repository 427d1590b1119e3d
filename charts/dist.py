"""dist/: rendering it, and telling what changed in it."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from constructs_lib.errors import PlatformError, collect
from constructs_lib.output import Written, swap

OUTPUT = "CDK8S_OUTDIR"  # set by the cdk8s command line
FOLDER = Path(__file__).parents[1] / "dist"


def render() -> dict[str, str]:
    """The files of dist/ as text by path. Raises PlatformError for mistakes in a declaration."""
    files: dict[str, str] = {}
    problems: list[str] = []
    collect(problems, partial(_render_into, files))
    if problems:
        raise PlatformError(problems)
    return files


def _render_into(files: dict[str, str]) -> None:
    # Mistakes in the catalogue and in a chart's module come up when they are imported.
    from catalogue.platform import current
    from charts import registry

    files.update(registry.render(current()))


def synth() -> int:
    """Render dist/ and report; the exit status. After a mistake dist/ is as it was."""
    folder = Path(os.path.relpath(os.environ.get(OUTPUT) or FOLDER))
    try:
        files = render()
    except PlatformError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        _hint_at_unlisted()
        print(f"{len(error.problems)} refused; {folder} is as it was", file=sys.stderr)
        return 1
    _report(folder, files, swap(files, folder))
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


def _report(folder: Path, files: dict[str, str], written: Written) -> None:
    for mark, paths in (("+", written.added), ("~", written.changed), ("-", written.removed)):
        for path in paths:
            print(f"{mark} {folder / path}")
    objects = sum(text.count("\nkind: ") for path, text in files.items() if path.endswith(".yaml"))
    news = "nothing changed" if not any(vars(written).values()) else "see above"
    print(f"{folder}: {objects} objects in {len(files)} files; {news}")
