"""The command line of `python -m ops review`."""

import json
import re
from functools import partial
from pathlib import Path

import pytest

from tests.ops.checkouts import commit, git, write
from tests.ops.conftest import invoke
from tests.ops.review.edits import editing, rendered

STOPPED = editing({"Deployment cerebro/cerebro-api": {"spec.replicas": 0}})


run = partial(invoke, "review")


def test_nothing_to_review_is_one_line(reviewed: Path) -> None:
    done = run()
    assert done.exit_code == 0
    base = git(reviewed, "rev-parse", "HEAD")[:9]
    assert done.output.split() == f"No change between main ({base}) and the working tree.".split()


def test_a_hint_if_dist_was_not_rendered_after_a_change(reviewed: Path) -> None:
    chart = reviewed / "charts" / "one.py"
    chart.parent.mkdir()
    chart.write_text("before")
    commit(reviewed)
    assert run().stderr == ""
    chart.write_text("after")
    assert run().stderr == ("The sources of dist/ have changed; run `make synth` to render it.\n")


def test_a_change_is_reported_in_every_format(reviewed: Path) -> None:
    write(reviewed, STOPPED(rendered()))
    stops = "stops: runs no pods (before: runs 2 pods); spec.replicas 2 → 0"
    assert f"{stops} [field-updated]" in " ".join(run().output.split())
    escaped = stops.replace("(", r"\(").replace(")", r"\)")
    assert rf"{escaped} \[field-updated\] |" in run("--format", "markdown").output
    found = json.loads(run("--format", "json").output)["findings"]
    assert [(finding["class"], finding["rule"]) for finding in found] == [
        ("downtime", "field-updated"),
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
def test_the_exit_status(reviewed: Path, arguments: tuple[str, ...], status: int) -> None:
    write(reviewed, STOPPED(rendered()))
    assert run(*arguments).exit_code == status


def test_manifests_of_others_are_compared_as_far_as_possible(
    reviewed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = reviewed / "addons" / "one"
    folder.mkdir(parents=True)
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n"
    (folder / "one.yaml").write_text(config)
    (folder / "two.yaml").write_text("replicas: 1\n")
    commit(reviewed)
    write(reviewed, STOPPED(rendered()))
    (folder / "values.yaml").write_text("a: 1\n")
    (folder / "image.png").write_bytes(b"\xff")
    monkeypatch.chdir(reviewed / "addons")
    assert run("HEAD", "--path", "one").output.startswith("No change between HEAD")
    (folder / "one.yaml").write_text(f"{config}data: {{a: b}}\n")
    assert run("HEAD", "--path", "one/one.yaml").exit_code == 0
    (folder / "two.yaml").write_bytes(b"replicas: 2 # \xff\n")
    (folder / "new.yaml").write_text(config.replace("name: one", r'name: "\e[31mred"'))
    assert r"ConfigMap \x1b[31mred" in run("HEAD", "--path", "one", "--diff").output
    (folder / "new.yaml").unlink()
    done = run("HEAD", "--path", "one", "--format", "json")
    assert done.exit_code == 2
    assert "addons/one/two.yaml:1; render or correct them" in done.stderr
    found = json.loads(done.stdout)["findings"]
    assert {(f["class"], f["object"]["name"]) for f in found} == {
        ("unknown", "addons/one/two.yaml:1"),
        ("update", "one"),
    }


@pytest.mark.usefixtures("reviewed")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--path", "dist", "--cluster"), "--cluster compares dist/; omit --path"),
        (("--path", "../elsewhere"), "../elsewhere is not in the Git repository"),
        (("--path", "missing"), "has manifests in missing; pass their folder or file to --path"),
    ],
)
def test_a_path_that_cannot_be_compared(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in " ".join(re.sub(r"[│╭╰╮╯─]", "", done.output).split())


def test_a_broken_document_is_reported_with_status_2(reviewed: Path) -> None:
    write(reviewed, {"cerebro/broken.k8s.yaml": "a: b: c"})
    done = run("--format", "json")
    assert (done.exit_code, json.loads(done.stdout)["severity"]) == (2, "high")
    problem = "1 document could not be compared: dist/cerebro/broken.k8s.yaml:1"
    assert done.stderr.startswith(f"error: {problem}; correct them, or")


def test_a_truncated_comment_links_the_full_report(reviewed: Path) -> None:
    write(reviewed, STOPPED(rendered()))
    done = run("--format", "markdown", "--limit", "2000", "--full-report", "https://example.org/1")
    assert done.output.endswith("Full report: https://example.org/1\n")
