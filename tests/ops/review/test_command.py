"""The command line of `python -m ops review`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ops.commands import app
from tests.ops.review.edits import editing, rendered
from tests.ops.review.test_revisions import Checkout

STOPPED = editing({"Deployment cerebro/cerebro-api": {"spec.replicas": 0}})


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    checkout = Checkout(tmp_path / "checkout")
    checkout.commit(rendered())
    monkeypatch.chdir(checkout.folder)
    return checkout


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["review", *arguments])


def test_nothing_to_review_is_one_line(checkout: Checkout) -> None:
    done = run()
    assert done.exit_code == 0
    base = checkout.git("rev-parse", "HEAD")[:9]
    assert done.output.split() == f"No change between main ({base}) and the working tree.".split()


def test_a_hint_if_dist_was_not_rendered_after_a_change(checkout: Checkout) -> None:
    chart = checkout.folder / "charts" / "one.py"
    chart.parent.mkdir()
    chart.write_text("before")
    checkout.commit({})
    assert run().stderr == ""
    chart.write_text("after")
    assert run().stderr == ("The sources of dist/ have changed; run `make synth` to render it.\n")


def test_a_change_is_reported_in_every_format(checkout: Checkout) -> None:
    checkout.write(STOPPED(rendered()))
    stops = "stops: scaled from 2 to 0 pods"
    assert f"{stops} [workload-stopped]" in run().output
    assert rf"{stops} \[workload-stopped\] |" in run("--format", "markdown").output
    found = json.loads(run("--format", "json").output)["findings"]
    assert [(finding["class"], finding["rule"]) for finding in found] == [
        ("downtime", "workload-stopped"),
        ("capacity", "demand-changed"),
    ]
    assert found[0]["text"] == stops


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((), 0),
        (("--fail-on", "delete"), 0),
        (("--fail-on", "downtime"), 1),
        (("--fail-on", "delete", "--fail-on", "capacity"), 1),
        (("--fail-on", "disaster"), 2),
        (("v9",), 2),
        (("HEAD", "HEAD", "--fail-on", "downtime"), 0),
    ],
)
def test_the_exit_status(checkout: Checkout, arguments: tuple[str, ...], status: int) -> None:
    checkout.write(STOPPED(rendered()))
    assert run(*arguments).exit_code == status


def test_an_error_goes_only_to_standard_error(checkout: Checkout) -> None:
    checkout.write({"cerebro/broken.k8s.yaml": "a: b: c"})
    done = run("--format", "json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: dist/cerebro/broken.k8s.yaml:1 at the working tree: ")


def test_a_truncated_comment_links_the_full_report(checkout: Checkout) -> None:
    checkout.write(STOPPED(rendered()))
    done = run("--format", "markdown", "--limit", "2000", "--full-report", "https://example.org/1")
    assert done.output.endswith("Full report: https://example.org/1\n")
