"""Read-only commands do not start Node if nothing has changed since the last synth."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
    """Run a command. Returns whether it started Node, and its exit status."""
    program = _WITHOUT_NODE.format(arguments=arguments)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[-1] if done.stdout else done.stderr


def test_the_checklist_starts_node_only_after_a_change(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path)
    subprocess.run([sys.executable, "app.py"], cwd=checkout, check=True, capture_output=True)
    assert ops(checkout, "checklist") == "no node 1"  # because of the open items
    memory = checkout / ".synth.json"
    memory.write_text(memory.read_text().replace('"sources": "', '"sources": "0'))
    assert ops(checkout, "checklist", "nebula") == "node 1"
    memory.write_text("{")
    assert ops(checkout, "checklist", "nebula") == "node 1"


def test_a_change_of_a_source_file_is_detected(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path)
    program = "from charts.memory import _sources; print(_sources())"

    def sources() -> str:
        command = [sys.executable, "-c", program]
        return subprocess.run(
            command, cwd=checkout, check=True, capture_output=True, text=True
        ).stdout

    before = sources()
    chart = checkout / "charts" / "crawlers" / "nebula.py"
    chart.write_text(chart.read_text() + "# changed\n")
    assert sources() != before


def test_the_review_does_not_start_node() -> None:
    assert ops(ROOT, "review", "HEAD", "HEAD") == "no node 0"
