"""Tests of comment.py, with a fake of GitHub's API."""

import io
import zipfile
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from tests.serving import JsonHandler, serving
from tests.workflow_scripts.conftest import COMMIT, SCRIPTS, Runner


class GitHub(JsonHandler):
    """The part of GitHub's API that the script uses."""

    artifact: ClassVar[bytes]
    comments: ClassVar[list[dict[str, Any]]]
    written: ClassVar[list[tuple[str, str, str]]]

    def do_GET(self) -> None:  # noqa: N802 name from http.server
        if self.path.startswith("/blobs/"):
            assert "Authorization" not in self.headers
            return self.send(200, self.artifact)
        assert self.headers["Authorization"] == "Bearer a-token"
        path = self.path.removeprefix("/repos/gnosischain/deployments/")
        if path == "actions/artifacts/5/zip":
            return self.send(302, b"", Location="/blobs/5")
        pull = {"number": 7, "head": {"sha": COMMIT}}
        moved = {"number": 8, "head": {"sha": 40 * "d"}}
        contents: dict[str, Any] = {
            "actions/runs/3/artifacts?name=comment": {"artifacts": [{"id": 5}]},
            "pulls?state=open&head=fork%3Amain": [pull, moved],
            "issues/7/comments?per_page=100&page=1": self.comments[:100],
            "issues/7/comments?per_page=100&page=2": self.comments[100:],
        }
        return self.answer(200, contents[path])

    def do_POST(self) -> None:  # noqa: N802 name from http.server
        path = self.path.rpartition("deployments/")[2]
        self.written.append((self.command, path, self.body()["body"]))
        self.answer(200, {})

    do_PATCH = do_POST  # noqa: N815 name from http.server


class TestComment:
    MARKER = "<!-- what this pull request does -->"

    @pytest.fixture
    def github(self, runner: Runner) -> Iterator[type[GitHub]]:
        GitHub.comments, GitHub.written = [], []
        with serving(GitHub) as address:
            runner.environment = {
                "GITHUB_API_URL": address,
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_REPOSITORY": "gnosischain/deployments",
                "GITHUB_TOKEN": "a-token",
                "RUN": "3",
                "HEAD": "fork:main",
                "HEAD_SHA": COMMIT,
                "NO_PROXY": "127.0.0.1",
            }
            yield GitHub

    def comment(self, runner: Runner, github: type[GitHub], text: str) -> str:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("comment.md", text)
        github.artifact = file.getvalue()
        status, stdout, stderr = runner.run(SCRIPTS / "comment.py")
        assert status == 0, stderr
        return stdout

    def test_the_first_run_posts(self, runner: Runner, github: type[GitHub]) -> None:
        github.comments += [
            {"id": 1, "user": {"login": "someone"}, "body": f"{self.MARKER}\nforged"},
            {"id": 2, "user": {"login": "github-actions[bot]"}, "body": "something else"},
        ]
        assert self.comment(runner, github, "`$(id)` ü") == "Commented on #7.\n"
        assert github.written == [("POST", "issues/7/comments", f"{self.MARKER}\n`$(id)` ü")]

    def test_a_later_run_updates(self, runner: Runner, github: type[GitHub]) -> None:
        other = {"id": 1, "user": {"login": "someone"}, "body": "a question"}
        ours = {"id": 9, "user": {"login": "github-actions[bot]"}, "body": f"{self.MARKER}\nold"}
        github.comments += [*[other] * 120, ours]
        self.comment(runner, github, "new")
        assert github.written == [("PATCH", "issues/comments/9", f"{self.MARKER}\nnew")]

    def test_a_text_that_is_too_long_becomes_a_link(
        self, runner: Runner, github: type[GitHub]
    ) -> None:
        self.comment(runner, github, 70_000 * "x")
        ((_, _, body),) = github.written
        assert body == (
            f"{self.MARKER}\nThe text is too long for a comment. See the artifact of "
            "https://github.com/gnosischain/deployments/actions/runs/3."
        )

    def test_a_pull_request_with_newer_commits_is_skipped(
        self, runner: Runner, github: type[GitHub]
    ) -> None:
        runner.environment["HEAD_SHA"] = 40 * "e"
        assert self.comment(runner, github, "old") == ""
        assert github.written == []
