"""Reading commits and the working tree, and errors."""

import os
from pathlib import Path

import pytest

from ops.git import Git, GitError
from ops.review.model import ReviewError
from ops.review.report import Report
from ops.review.revisions import Repository, raw_diff
from tests.ops.checkouts import git
from tests.ops.review.edits import rendered, revision, said

MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\n"


class Checkout:
    """A repository for tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *command: str) -> str:
        return git(self.folder, *command)

    def write(self, files: dict[str, str]) -> None:
        for path, text in files.items():
            file = self.folder / "dist" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")

    def commit(self, files: dict[str, str]) -> str:
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def findings(checkout: Checkout, base: str | None = None, head: str | None = None) -> set[str]:
    repository = Repository(checkout.folder)
    before = repository.revision(base) if base else repository.merge_base("main")
    return said(Report(before, repository.revision(head)))


def test_the_working_tree_is_compared_with_the_merge_base(checkout: Checkout) -> None:
    checkout.commit({"a/one.yaml": MANIFEST})
    checkout.git("switch", "--quiet", "--create", "branch")
    checkout.commit({"a/two.yaml": MANIFEST.replace("one", "committed")})
    checkout.git("switch", "--quiet", "main")
    checkout.commit({"a/three.yaml": MANIFEST.replace("one", "elsewhere")})
    checkout.git("switch", "--quiet", "branch")
    checkout.write({"a/four.yaml": MANIFEST.replace("one", "untracked")})
    assert findings(checkout) == {"create ConfigMap committed", "create ConfigMap untracked"}


def test_two_commits_are_compared_whatever_is_checked_out(checkout: Checkout) -> None:
    first = checkout.commit({"a/one.yaml": MANIFEST})
    second = checkout.commit({"a/one.yaml": MANIFEST.replace("one", "other")})
    checkout.write({"a/one.yaml": "{"})
    assert findings(checkout, first, second) == {"create ConfigMap other", "delete ConfigMap one"}


def test_without_dist_at_the_base_everything_is_new(checkout: Checkout) -> None:
    first = checkout.commit({})
    checkout.commit(rendered())
    classes = [each.split()[0] for each in findings(checkout, first, "HEAD")]
    assert classes.count("create") > 90
    assert not {"delete", "replace", "restart", "noise"}.intersection(classes)


def test_a_moved_file_does_not_change_its_objects(checkout: Checkout) -> None:
    first = checkout.commit({"a/one.yaml": MANIFEST})
    checkout.git("mv", "dist/a/one.yaml", "dist/a/moved.yaml")
    assert findings(checkout, first) == {
        "noise File dist/a/one.yaml",
        "noise File dist/a/moved.yaml",
    }


@pytest.mark.parametrize(
    ("method", "name", "message"),
    [
        ("revision", "v9", "revision 'v9' not found; run `git fetch origin v9`"),
        ("revision", "--all", "revision '--all' not found"),
        ("merge_base", "v9", r"branch 'v9' not found; .* pass the base: ops review BASE"),
    ],
)
def test_a_missing_revision_says_how_to_fetch_it(
    checkout: Checkout, method: str, name: str, message: str
) -> None:
    checkout.commit({})
    with pytest.raises(ReviewError, match=message):
        getattr(Repository(checkout.folder), method)(name)


def test_a_remote_tracking_branch_is_enough(checkout: Checkout, tmp_path: Path) -> None:
    checkout.commit({"a/one.yaml": MANIFEST})
    clone = Checkout(tmp_path / "clone")
    clone.git("pull", "--quiet", str(checkout.folder), "main")
    clone.git("remote", "add", "origin", str(checkout.folder))
    clone.git("fetch", "--quiet", "origin")
    clone.git("branch", "--move", "feature")
    assert Repository(clone.folder).merge_base("main").name.startswith("origin/main (")


def test_a_shallow_clone_says_how_to_deepen_it(checkout: Checkout, tmp_path: Path) -> None:
    checkout.commit({"a/one.yaml": MANIFEST})
    checkout.git("switch", "--quiet", "--create", "branch")
    checkout.commit({"a/two.yaml": MANIFEST.replace("one", "two")})
    shallow = tmp_path / "shallow"
    checkout.git("clone", "--quiet", "--depth=1", "--no-single-branch",
                 checkout.folder.as_uri(), str(shallow))  # fmt: skip
    with pytest.raises(
        ReviewError, match=r"no common commit in this clone; the clone is shallow; run "
    ):
        Repository(shallow).merge_base("main")
    with pytest.raises(ReviewError, match=r"fetch-depth: 0"):
        Repository(shallow).revision("branch~1")


def test_without_a_repository_or_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GitError, match="not a git repository"):
        Repository(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="git is not installed"):
        Repository(tmp_path)


def test_a_binary_file_is_reported_with_its_line(checkout: Checkout) -> None:
    checkout.commit({})
    (checkout.folder / "dist").mkdir()
    (checkout.folder / "dist" / "one.yaml").write_bytes(b"a: b\nc: \xff\n")
    with pytest.raises(ReviewError, match=r"dist/one.yaml:2 at the working tree is not UTF-8 text"):
        Repository(checkout.folder).working_tree()


def test_a_missing_blob_is_reported(checkout: Checkout) -> None:
    checkout.commit({"a/one.yaml": MANIFEST})
    blob = checkout.git("rev-parse", "HEAD:dist/a/one.yaml")
    (checkout.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(ReviewError, match=r"dist/a/one.yaml at HEAD .* is missing from this clone"):
        Repository(checkout.folder).revision("HEAD")


def test_a_path_out_of_the_folder_is_refused(checkout: Checkout) -> None:
    checkout.commit({"a/one.yaml": MANIFEST})
    tree = checkout.git("rev-parse", "HEAD:dist")
    for name in ("..", "..", "dist"):
        entry = f"040000 tree {tree}\t{name}\n".encode()
        tree = Git(checkout.folder).read("mktree", feed=entry).decode().strip()
    commit = checkout.git("commit-tree", tree, "-m", "forged")
    with pytest.raises(
        ReviewError, match=r"dist/\.\./\.\./a/one\.yaml at .* leads out of its folder"
    ):
        Repository(checkout.folder).revision(commit)


def test_two_revisions_without_dist(checkout: Checkout) -> None:
    checkout.commit({})
    with pytest.raises(ReviewError, match=r"neither .* has a dist/; run the command in a checkout"):
        findings(checkout, "HEAD")


def test_a_git_diff_that_fails_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "git"
    broken.write_text("#!/bin/sh\necho 'fatal: no space left' >&2\nexit 128\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ReviewError, match="git diff failed: fatal: no space left"):
        raw_diff(revision({}), revision({}))
