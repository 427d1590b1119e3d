"""The review comment: what review-comment.yml runs on a pull request that wants to write it."""

import base64
import re
from http import HTTPStatus

import pytest

from local_cluster.argocd import GitHandler
from tests.conftest import ROOT
from tests.ops.checkouts import CODE, copy
from tests.serving import serving
from tests.workflow_scripts.conftest import SCRIPTS, Runner, inline

MANIFEST = "dist/crawlers/nebula.k8s.yaml"
RUN_URL = "https://example.org/run"
WRITE = "Write the comment"


@pytest.fixture
def cloned(runner: Runner) -> Runner:
    """A clone of a repository with the code of this one, in `checkout`."""
    copy((*CODE, ".github"), runner.folder / "work")
    runner.git("branch", "--move", "main", at="work")
    runner.git("clone", "--quiet", "--bare", "work", "origin")
    runner.git("remote", "add", "origin", "../origin", at="work")
    runner.git("clone", "--quiet", f"file://{runner.folder / 'origin'}", "checkout")
    (runner.folder / "checkout" / ".venv").symlink_to(ROOT / ".venv")
    runner.git("switch", "--quiet", "--create", "pull-request", at="work")
    return runner


def proposed(runner: Runner, files: dict[str, str | None]) -> str:
    """Propose a change, as GitHub stores those of forks; returns the head commit."""
    runner.commit(files, at="work")
    runner.git("push", "--quiet", "origin", "HEAD:refs/pull/7/head", at="work")
    return runner.git("rev-parse", "HEAD", at="work").strip()


def commented(runner: Runner, head: str) -> str:
    """Run the scripts of the job that writes the comment; returns the comment."""
    for step in ("Fetch the head commit", WRITE):
        variables = {"HEAD_SHA": head, "RUN_URL": RUN_URL}
        assert inline(runner, "review-comment.yml", "write", step, at="checkout", **variables) == 0
    return (runner.folder / "checkout" / "comment.md").read_text("utf-8")


def rooted(runner: Runner) -> str:
    """The manifest, with a container that may run as root."""
    text = (runner.folder / "work" / MANIFEST).read_text("utf-8")
    assert "runAsNonRoot: true" in text
    return text.replace("runAsNonRoot: true", "runAsNonRoot: false")


def test_no_code_of_the_pull_request_writes_its_comment(cloned: Runner) -> None:
    ran = cloned.folder / "ran"
    code = f"open({str(ran)!r}, 'w')\nprint('harmless')\nraise SystemExit\n"
    script = f"#!/bin/sh\ntouch {ran}\necho harmless\n"
    head = proposed(
        cloned,
        {
            MANIFEST: rooted(cloned),
            "Makefile": f"$(shell touch {ran})\n.venv/.runtime:\n\ttouch {ran}\n",
            ".gitattributes": "* filter=forged diff=forged\n",
            "dist/.gitattributes": "* -diff\n",
            ".github/scripts/review-pull-request.sh": script,
            ".github/scripts/fetch-commit.sh": script,
            **dict.fromkeys(
                (
                    "ops/__init__.py",
                    "ops/__main__.py",
                    "ops/review/command.py",
                    "sitecustomize.py",
                    "yaml.py",
                ),
                code,
            ),
        },
    )
    # a runner may have drivers that a .gitattributes selects, such as those of Git LFS
    for driver in ("filter.forged.smudge", "diff.forged.textconv", "diff.forged.command"):
        cloned.git("config", "--file", ".gitconfig", driver, f"touch {ran}; echo harmless")

    comment = commented(cloned, head)
    assert comment.startswith("<!-- ops review -->\n> [!CAUTION]\n")
    assert "| 🔴 high | `privilege` | Deployment crawlers/nebula" in comment
    assert re.search(r"^\+ +runAsNonRoot: false$", comment, re.MULTILINE)
    assert "harmless" not in comment
    assert not ran.exists()
    assert cloned.git("status", "--porcelain", at="checkout") == "?? .venv\n?? comment.md\n"


def test_the_comment_leaves_out_what_changed_on_the_default_branch(cloned: Runner) -> None:
    head = proposed(cloned, {MANIFEST: rooted(cloned)})
    cloned.commit({"dist/crawlers/ip-crawler.k8s.yaml": None}, at="checkout")
    comment = commented(cloned, head)
    assert "`privilege`" in comment
    assert "ip-crawler" not in comment


def test_a_pull_request_without_a_common_commit_is_compared_as_a_whole(cloned: Runner) -> None:
    text = rooted(cloned)
    cloned.git("switch", "--quiet", "--orphan", "unrelated", at="work")
    comment = commented(cloned, proposed(cloned, {MANIFEST: text}))
    assert "`privilege`" in comment
    assert "`delete`" in comment


def test_a_failed_review_replaces_the_earlier_comment(cloned: Runner) -> None:
    head = proposed(cloned, {MANIFEST: "{"})
    assert "| cannot be compared: " in commented(cloned, head)
    cloned.commit({"ops/review/command.py": "raise SystemExit(1)"}, at="checkout")
    assert commented(cloned, head) == (
        f"> [!CAUTION]\n> **The review of {head} failed.** Read the log: {RUN_URL}\n"
    )


@pytest.mark.parametrize(
    "name", ["main", "--all", "", 39 * "c", 41 * "c", 40 * "C", 40 * "c" + "\n"]
)
def test_only_a_commit_id_is_fetched(runner: Runner, name: str) -> None:
    runner.program("git")
    status, stdout, stderr = runner.run(SCRIPTS / "fetch-commit.sh", HEAD_SHA=name)
    assert (status, stdout) == (1, "")
    assert stderr == f"error: HEAD_SHA must be a commit ID of 40 hex digits, not '{name}'\n"
    assert runner.calls == []


class PrivateRepository(GitHandler):
    """Git over HTTP, for requests with the token."""

    prefix = "/origin"

    def do_GET(self) -> None:  # noqa: N802 name from http.server
        if self.headers["Authorization"] == f"Basic {base64.b64encode(b'x:a-token').decode()}":
            super().do_GET()
            return
        self.send_response(HTTPStatus.UNAUTHORIZED)
        self.send_header("WWW-Authenticate", "Basic")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 name from http.server


def test_the_token_for_a_private_repository_is_not_stored(runner: Runner) -> None:
    class Served(PrivateRepository):
        root = runner.folder / "origin"

    runner.program("gh", 'printf "username=x\\npassword=%s\\n" "$GH_TOKEN"')
    runner.git("init", "--quiet", "--bare", "origin")
    runner.git("clone", "--quiet", "origin", "work")
    runner.git("switch", "--quiet", "--create", "main", at="work")
    head = proposed(runner, {"README.md": ""})
    runner.git("init", "--quiet", "checkout")
    variables = {"HEAD_SHA": head, "GH_TOKEN": "a-token", "NO_PROXY": "127.0.0.1"}
    with serving(Served) as address:
        runner.git("remote", "add", "origin", f"{address}/origin", at="checkout")
        script = SCRIPTS / "fetch-commit.sh"
        status, _, stderr = runner.run(script, at="checkout", **variables)
    assert (status, stderr) == (0, "")
    assert runner.git("cat-file", "-t", head, at="checkout") == "commit\n"
    assert "gh auth git-credential get" in runner.calls
    stored = [file for file in runner.folder.glob("checkout/.git/**/*") if file.is_file()]
    assert not any(b"a-token" in file.read_bytes() for file in stored)
