"""Tests of nightly.py, which keeps an issue open while the nightly run fails."""

import json
from typing import Any

import pytest

from tests.workflow_scripts.conftest import SCRIPTS, Runner

RUN = "https://github.com/gnosischain/deployments/actions/runs/3"
TITLE = "The nightly run fails"
LIST = "gh issue list --state open --limit 1000 --json number,title,author"
OURS = {"number": 7, "title": TITLE, "author": {"is_bot": True, "login": "app/github-actions"}}
OTHERS = [
    {"number": 5, "title": TITLE, "author": {"is_bot": False, "login": "someone"}},
    {"number": 6, "title": "Another", "author": {"is_bot": True, "login": "app/dependabot"}},
]


def report(runner: Runner, issues: list[dict[str, Any]], **results: str) -> list[str]:
    """The script's calls of gh, after the one that lists issues."""
    runner.program("gh", f"[ \"$2\" = list ] && echo '{json.dumps(issues)}'; exit 0")
    needs = {name: {"result": result, "outputs": {}} for name, result in results.items()}
    status, _, stderr = runner.run(SCRIPTS / "nightly.py", NEEDS=json.dumps(needs), RUN_URL=RUN)
    assert status == 0, stderr
    assert runner.calls[0] == LIST
    return runner.calls[1:]


@pytest.mark.parametrize(
    "result",
    ["failure", "cancelled", "skipped"],  # codespell:ignore cancelled
)
def test_the_first_failure_opens_an_issue(runner: Runner, result: str) -> None:
    assert report(runner, OTHERS, lint="success", e2e=result) == [
        f"gh issue create --title {TITLE} --body {RUN} failed. Failed jobs: e2e."
    ]


def test_a_further_failure_comments_on_it(runner: Runner) -> None:
    assert report(runner, [*OTHERS, OURS], scan="failure", lint="success", e2e="failure") == [
        f"gh issue comment 7 --body {RUN} failed. Failed jobs: scan, e2e."
    ]


def test_the_next_success_closes_it(runner: Runner) -> None:
    assert report(runner, [*OTHERS, OURS], lint="success", e2e="success") == [
        f"gh issue close 7 --comment {RUN} passed."
    ]


def test_a_success_without_an_issue_does_nothing(runner: Runner) -> None:
    assert report(runner, OTHERS, lint="success", e2e="success") == []


def test_an_error_of_gh_fails_the_job(runner: Runner) -> None:
    runner.program("gh", "echo HTTP 403 >&2; exit 1")
    done = runner.run(SCRIPTS / "nightly.py", NEEDS="{}", RUN_URL=RUN)
    assert done == (1, "", "error: gh issue list: HTTP 403\n")
