"""dist/ in this checkout, which Argo CD syncs. Reading it does not start Node."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from charts.dist import FOLDER, OUTPUT
from charts.output import PENDING, read, read_pending
from constructs_lib.manifests.objects import Objects
from constructs_lib.model import Pending
from ops.errors import OpsError
from ops.review.load import read_all
from ops.review.model import ReviewError
from ops.review.revisions import Revision


def files() -> dict[str, str]:
    """Return the files of dist/, text by path."""
    try:
        found = read(FOLDER)
    except OSError as error:
        raise OpsError(f"{error.filename} cannot be read: {error.strerror}") from error
    if PENDING not in found:
        raise OpsError(f"dist/{PENDING} is missing; run `make synth`")
    return found


def objects() -> Objects:
    """Return every object in dist/. Raises OpsError for an invalid file."""
    return Objects(item for path, text in files().items() for item in parse(path, text))


def parse(path: str, text: str) -> Objects:
    """Return the objects of a file in dist/. Raises OpsError for an invalid manifest."""
    try:
        of_file = Revision(name="the working tree", files={f"dist/{path}": text})
        return read_all(of_file)
    except ReviewError as error:  # its exit status is that of a review
        raise OpsError(str(error)) from error


def pending() -> dict[Pending, str]:
    """Return the workloads that wait for a setting, each with its chart."""
    try:
        return read_pending(files()[PENDING])
    except (KeyError, TypeError, ValueError) as error:
        raise OpsError(f"dist/{PENDING}: {error}; run `make synth`") from error


def render() -> dict[str, str]:
    """Return what `make synth` would write to dist/. Raises OpsError with every error.

    Renders in another process, which starts Node.
    """
    with tempfile.TemporaryDirectory(prefix="dist-") as folder:
        done = subprocess.run(
            [sys.executable, FOLDER.with_name("app.py")],
            env={**os.environ, OUTPUT: folder},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = done.stderr.splitlines()
            errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
            raise OpsError(
                "\n".join(errors)
                or f"rendering ended with status {done.returncode}; run `make synth` for the reason"
            )
        return read(Path(folder))
