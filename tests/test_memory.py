"""Commands that only read files start no Node, as long as nothing has changed since the synth."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, copy_checkout

_WITHOUT_NODE = """
import sys
from ops.commands import app
try:
    app({arguments!r}, prog_name="ops")
except SystemExit as end:
    status = end.code
print("node" if "jsii" in sys.modules else "no node", status)
"""


def ops(folder: Path, *arguments: str) -> str:
    """The last line: whether a command started Node, and its status."""
    program = _WITHOUT_NODE.format(arguments=arguments)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[-1] if done.stdout else done.stderr


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """A copy of this checkout after a synth."""
    checkout = copy_checkout(tmp_path)
    subprocess.run([sys.executable, "app.py"], cwd=checkout, check=True, capture_output=True)
    return checkout


def test_the_checklist_starts_no_node_until_something_has_changed(rendered: Path) -> None:
    assert ops(rendered, "checklist") == "no node 1"  # because of the open items
    chart = rendered / "charts" / "crawlers" / "nebula.py"
    chart.write_text(chart.read_text() + "# changed\n")
    assert ops(rendered, "checklist") == "node 1"


def test_what_is_remembered_broken_is_rendered_again(rendered: Path) -> None:
    (rendered / ".synth.json").write_text("{")
    assert ops(rendered, "checklist", "nebula") == "node 1"


def test_the_review_starts_no_node() -> None:
    assert ops(ROOT, "review", "HEAD", "HEAD") == "no node 0"
