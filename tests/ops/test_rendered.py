"""Commands read dist/ without Node. Only the checklist renders the charts, to compare dist/."""

import subprocess
import sys
from pathlib import Path

import pytest

from charts.output import PENDING, pending_text, read_pending
from constructs_lib.kubernetes import App
from ops import rendered
from ops.errors import OpsError
from tests.conftest import ROOT, copy_checkout
from tests.ops.checkouts import ops

_WITHOUT_NODE = """
import sys
from ops.commands import app
try:
    app(sys.argv[1:], prog_name="ops")
except SystemExit as end:
    status = end.code
print("node" if "jsii" in sys.modules else "no node", status)
"""


@pytest.mark.parametrize(
    ("command", "status"),
    [("checklist", 1), ("jobs --offline", 0), ("review HEAD HEAD", 0)],  # 1: the open items
)
def test_a_command_does_not_start_node(command: str, status: int) -> None:
    program = [sys.executable, "-c", _WITHOUT_NODE, *command.split()]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"no node {status}"


def test_the_checklist_compares_dist_with_the_code(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    chart = checkout / "charts" / "crawlers" / "nebula.py"
    text = chart.read_text()
    for former, edit, message in (
        ('args=("crawl",)', 'args=("crawl", "x")', "nebula.k8s.yaml differs from what the code "),
        ('args=("crawl",)', 'args=1 / 0, image="x"', "error: ZeroDivisionError: division by"),
    ):
        assert former in text
        chart.write_text(text.replace(former, edit))
        status, shown, errors = ops(checkout, "checklist", "nebula")
        assert (status, message in shown + errors) == (1, True), errors


def test_a_render_that_ends_without_an_error_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(OpsError, match="rendering ended with status 1; run `make synth`"):
        rendered.render()


def test_what_is_not_rendered_yet_is_read_from_dist(app: App) -> None:
    files = app.files()
    assert read_pending(pending_text(files)) == {
        workload: chart.name for chart in files for workload in chart.pending
    }


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("one.k8s.yaml", "a: b: c", r"dist/one.k8s.yaml:1 at .*: mapping values are .*; run"),
        ("one.k8s.yaml", "kind: Pod", r"dist/one.k8s.yaml:1 at .*: apiVersion is missing; run"),
        (PENDING, "[[one", r"dist/pending.toml: .*; run `make synth`"),
        (PENDING, "[[one]]", r"dist/pending.toml: .*; run `make synth`"),
        (PENDING, None, "dist/pending.toml is missing; run `make synth`"),
    ],
)
def test_an_invalid_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str | None, message: str
) -> None:
    monkeypatch.setattr(rendered, "FOLDER", tmp_path)
    (tmp_path / PENDING).touch()
    (tmp_path / file).write_text(text) if text else (tmp_path / file).unlink()
    read = rendered.pending if file == PENDING else rendered.objects
    with pytest.raises(OpsError, match=message):
        read()


def test_an_unreadable_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(folder: Path) -> dict[str, str]:
        raise PermissionError(13, "Permission denied", str(folder / "one.k8s.yaml"))

    monkeypatch.setattr(rendered, "read", denied)
    with pytest.raises(OpsError, match=r"dist/one.k8s.yaml cannot be read: Permission denied"):
        rendered.objects()
