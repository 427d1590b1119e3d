"""Tests of comment.py, with a fake gh that answers from files."""

import json
import zipfile
from typing import Any

import pytest

from tests.workflow_scripts.conftest import COMMIT, SCRIPTS, Runner

REPOSITORY = "repos/gnosischain/deployments"
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
    assert comment(github, 70_000 * "x") == (
        f"{MARKER}\nThe text is too long for a comment. See the artifact of "
        "https://github.com/gnosischain/deployments/actions/runs/3."
    )


def test_a_pull_request_with_newer_commits_is_skipped(github: Runner) -> None:
    github.environment["HEAD_SHA"] = 40 * "e"
    assert comment(github, "old") == ""


def test_an_error_of_gh_fails_the_job(github: Runner) -> None:
    github.program("gh", "echo HTTP 403 >&2; exit 1")
    path = "actions/runs/3/artifacts?name=comment"
    assert github.run(SCRIPTS / "comment.py") == (1, "", f"error: gh api {path}: HTTP 403\n")
