"""Tests of comment.py, with a fake gh that answers from files, and of nightly.py."""

import json
import zipfile
from typing import Any

import pytest

from tests.workflow_scripts.conftest import COMMIT, SCRIPTS, Runner

REPOSITORY = "repos/gnosischain/deployments"
RUN = "https://github.com/gnosischain/deployments/actions/runs/3"
MARKER = "<!-- what this pull request does -->"
OTHER = {"id": 1, "user": {"login": "someone"}, "body": "a question"}


@pytest.fixture
def github(runner: Runner) -> Runner:
    runner.program("gh", 'case "$*" in *--input=-) cat > written ;; *) cat "$2" ;; esac')
    runner.environment = {
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "gnosischain/deployments",
        "RUN": "3",
        "HEAD": "fork:main",
        "HEAD_SHA": COMMIT,
    }
    return runner


def comment(github: Runner, text: str, *comments: dict[str, Any]) -> str:
    """Run the script on a pull request with these comments; returns the new body."""
    pulls = [{"number": 7, "head": {"sha": COMMIT}}, {"number": 8, "head": {"sha": 40 * "d"}}]
    answers: dict[str, Any] = {
        "actions/runs/3/artifacts?name=comment": {"artifacts": [{"id": 5}]},
        "pulls?state=open&head=fork%3Amain": pulls,
        "issues/7/comments?per_page=100": [comments[:100], comments[100:]],
    }
    github.write({f"{REPOSITORY}/{path}": json.dumps(one) for path, one in answers.items()})
    archive = github.folder / REPOSITORY / "actions" / "artifacts" / "5" / "zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("comment.md", text)
    status, stdout, stderr = github.run(SCRIPTS / "comment.py")
    written = github.folder / "written"
    assert (status, stdout) == (0, "Commented on #7.\n" if written.exists() else ""), stderr
    return str(json.loads(written.read_text())["body"]) if written.exists() else ""


def test_the_first_run_posts(github: Runner) -> None:
    forged = {"id": 1, "user": {"login": "someone"}, "body": f"{MARKER}\nforged"}
    another = {"id": 2, "user": {"login": "github-actions[bot]"}, "body": "something else"}
    assert comment(github, "`$(id)` ü", forged, another) == f"{MARKER}\n`$(id)` ü"
    assert github.calls[-1] == f"gh api {REPOSITORY}/issues/7/comments --method=POST --input=-"


def test_a_later_run_updates(github: Runner) -> None:
    ours = {"id": 9, "user": {"login": "github-actions[bot]"}, "body": f"{MARKER}\nold"}
    assert comment(github, "new", *[OTHER] * 120, ours) == f"{MARKER}\nnew"
    path = f"{REPOSITORY}/issues/7/comments?per_page=100"
    assert github.calls[-2] == f"gh api {path} --paginate --slurp"
    assert github.calls[-1] == f"gh api {REPOSITORY}/issues/comments/9 --method=PATCH --input=-"


def test_a_text_that_is_too_long_becomes_a_link(github: Runner) -> None:
    link = f"{MARKER}\nThe text is too long for a comment. See the artifact of {RUN}."
    assert comment(github, 70_000 * "x") == link


def test_a_pull_request_with_newer_commits_is_skipped(github: Runner) -> None:
    github.environment["HEAD_SHA"] = 40 * "e"
    assert comment(github, "old") == ""


def test_an_error_of_gh_fails_the_comment(github: Runner) -> None:
    github.program("gh", "echo HTTP 403 >&2; exit 1")
    path = "actions/runs/3/artifacts?name=comment"
    assert github.run(SCRIPTS / "comment.py") == (1, "", f"error: gh api {path}: HTTP 403\n")


TITLE = "The nightly run fails"
LIST = "gh issue list --state open --limit 1000 --json number,title,author"
OTHERS = [
    {"number": 5, "title": TITLE, "author": {"is_bot": False, "login": "someone"}},
    {"number": 6, "title": "Another", "author": {"is_bot": True, "login": "app/dependabot"}},
]
OURS = {"number": 7, "title": TITLE, "author": {"is_bot": True, "login": "app/github-actions"}}
OPENED = f"gh issue create --title {TITLE} --body {RUN} failed. Failed jobs: e2e."


@pytest.mark.parametrize(
    ("issues", "results", "calls"),
    [
        (OTHERS, {"lint": "success", "e2e": "failure"}, [OPENED]),
        (OTHERS, {"lint": "success", "e2e": "cancelled"}, [OPENED]),  # codespell:ignore cancelled
        (OTHERS, {"lint": "success", "e2e": "skipped"}, [OPENED]),
        ([*OTHERS, OURS], {"scan": "failure", "lint": "success", "e2e": "failure"},
         [f"gh issue comment 7 --body {RUN} failed. Failed jobs: scan, e2e."]),
        ([*OTHERS, OURS], {"e2e": "success"}, [f"gh issue close 7 --comment {RUN} passed."]),
        (OTHERS, {"e2e": "success"}, []),
    ],
)  # fmt: skip
def test_an_issue_is_open_while_the_nightly_run_fails(
    runner: Runner, issues: list[dict[str, Any]], results: dict[str, str], calls: list[str]
) -> None:
    runner.program("gh", f"[ \"$2\" = list ] && echo '{json.dumps(issues)}'; exit 0")
    needs = {name: {"result": result, "outputs": {}} for name, result in results.items()}
    status, _, stderr = runner.run(SCRIPTS / "nightly.py", NEEDS=json.dumps(needs), RUN_URL=RUN)
    assert status == 0, stderr
    assert runner.calls == [LIST, *calls]


def test_an_error_of_gh_fails_nightly(runner: Runner) -> None:
    runner.program("gh", "echo HTTP 403 >&2; exit 1")
    done = runner.run(SCRIPTS / "nightly.py", NEEDS="{}", RUN_URL=RUN)
    assert done == (1, "", "error: gh issue list: HTTP 403\n")
