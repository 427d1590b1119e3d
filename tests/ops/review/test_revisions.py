"""Reading commits and the working tree, and errors."""

import os
from pathlib import Path

import pytest

from ops.errors import OpsError
from ops.git import Git
from ops.review.model import ReviewError
from ops.review.report import Report
from ops.review.revisions import Repository, raw_diff
from tests.ops.checkouts import commit, create, git, write
from tests.ops.review.edits import rendered, revision, said

MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return create(tmp_path / "checkout")


def findings(checkout: Path, base: str | None = None, head: str | None = None) -> set[str]:
    repository = Repository(checkout)
    before = repository.revision(base) if base else repository.merge_base("main")
    return said(Report(before, repository.revision(head)))


def test_the_working_tree_is_compared_with_the_merge_base(checkout: Path) -> None:
    commit(checkout, {"a/one.yaml": MANIFEST})
    git(checkout, "switch", "--quiet", "--create", "branch")
    commit(checkout, {"a/two.yaml": MANIFEST.replace("one", "committed")})
    git(checkout, "switch", "--quiet", "main")
    commit(checkout, {"a/three.yaml": MANIFEST.replace("one", "elsewhere")})
    git(checkout, "switch", "--quiet", "branch")
    write(checkout, {"a/four.yaml": MANIFEST.replace("one", "untracked")})
    assert findings(checkout) == {"create ConfigMap committed", "create ConfigMap untracked"}


def test_two_commits_are_compared_whatever_is_checked_out(checkout: Path) -> None:
    first = commit(checkout, {"a/one.yaml": MANIFEST})
    second = commit(checkout, {"a/one.yaml": MANIFEST.replace("one", "other")})
    write(checkout, {"a/one.yaml": "{"})
    assert findings(checkout, first, second) == {"create ConfigMap other", "delete ConfigMap one"}


def test_without_dist_at_the_base_everything_is_new(checkout: Path) -> None:
    first = commit(checkout)
    commit(checkout, rendered())
    classes = [each.split()[0] for each in findings(checkout, first, "HEAD")]
    assert classes.count("create") > 90
    assert not {"delete", "replace", "restart", "noise"}.intersection(classes)


def test_a_moved_file_does_not_change_its_objects(checkout: Path) -> None:
    first = commit(checkout, {"a/one.yaml": MANIFEST})
    git(checkout, "mv", "dist/a/one.yaml", "dist/a/moved.yaml")
    assert findings(checkout, first) == {
        "noise File dist/a/one.yaml",
        "noise File dist/a/moved.yaml",
    }


def test_names_and_symbolic_links_are_read_as_git_stores_them(checkout: Path) -> None:
    commit(checkout, {"a/one.yaml": MANIFEST})
    folder = checkout / "dist" / "a"
    (folder / os.fsdecode(b"\xff.yaml")).write_text(MANIFEST.replace("one", "two"))
    (folder / "link.yaml").symlink_to("one.yaml")
    (checkout / "..link").symlink_to(folder)
    commit(checkout)
    repository = Repository(checkout, Path("..link"))
    base, head = repository.revision("HEAD"), repository.working_tree()
    assert base.files == head.files
    assert base.files["dist/a/link.yaml"] == "one.yaml"
    assert base.files["dist/a/\ufffd.yaml"] == MANIFEST.replace("one", "two")


@pytest.mark.parametrize(
    ("method", "name", "message"),
    [
        ("revision", "v9", "revision 'v9' not found; run `git fetch origin v9`"),
        ("revision", "--all", "revision '--all' not found"),
        ("merge_base", "v9", r"branch 'v9' not found; .* pass the base: ops review BASE"),
    ],
)
def test_a_missing_revision_says_how_to_fetch_it(
    checkout: Path, method: str, name: str, message: str
) -> None:
    commit(checkout)
    with pytest.raises(ReviewError, match=message):
        getattr(Repository(checkout), method)(name)


def test_a_remote_tracking_branch_is_enough(checkout: Path, tmp_path: Path) -> None:
    commit(checkout, {"a/one.yaml": MANIFEST})
    clone = create(tmp_path / "clone")
    git(clone, "pull", "--quiet", str(checkout), "main")
    git(clone, "remote", "add", "origin", str(checkout))
    git(clone, "fetch", "--quiet", "origin")
    git(clone, "branch", "--move", "feature")
    assert Repository(clone).merge_base("main").name.startswith("origin/main (")


def test_a_shallow_clone_says_how_to_deepen_it(checkout: Path, tmp_path: Path) -> None:
    commit(checkout, {"a/one.yaml": MANIFEST})
    git(checkout, "switch", "--quiet", "--create", "branch")
    commit(checkout, {"a/two.yaml": MANIFEST.replace("one", "two")})
    shallow = tmp_path / "shallow"
    git(checkout, "clone", "--quiet", "--depth=1", "--no-single-branch",
                 checkout.as_uri(), str(shallow))  # fmt: skip
    with pytest.raises(
        ReviewError, match=r"no common commit in this clone; the clone is shallow; run "
    ):
        Repository(shallow).merge_base("main")
    with pytest.raises(ReviewError, match=r"fetch-depth: 0"):
        Repository(shallow).revision("branch~1")


def test_without_a_repository_or_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OpsError, match="not a git repository"):
        Repository(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpsError, match="git is not installed"):
        Repository(tmp_path)


def test_a_binary_file_is_reported_with_its_line(checkout: Path) -> None:
    commit(checkout)
    (checkout / "dist").mkdir()
    (checkout / "dist" / "one.yaml").write_bytes(b"a: b\nc: \xff\n")
    unread = Repository(checkout).working_tree().unread
    assert unread == {"dist/one.yaml:2": "it is not UTF-8 text"}


def test_a_missing_blob_is_reported(checkout: Path) -> None:
    commit(checkout, {"a/one.yaml": MANIFEST})
    blob = git(checkout, "rev-parse", "HEAD:dist/a/one.yaml")
    (checkout / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(ReviewError, match=r"dist/a/one.yaml at HEAD .* is missing from this clone"):
        Repository(checkout).revision("HEAD")


def test_a_path_out_of_the_folder_is_refused(checkout: Path) -> None:
    commit(checkout, {"a/one.yaml": MANIFEST})
    tree = git(checkout, "rev-parse", "HEAD:dist")
    for name in ("..", "..", "dist"):
        entry = f"040000 tree {tree}\t{name}\n".encode()
        tree = Git(checkout).read("mktree", feed=entry).decode().strip()
    forged = git(checkout, "commit-tree", tree, "-m", "forged")
    with pytest.raises(
        ReviewError, match=r"dist/\.\./\.\./a/one\.yaml at .* leads out of its folder"
    ):
        Repository(checkout).revision(forged)


def test_two_revisions_without_dist(checkout: Path) -> None:
    commit(checkout)
    with pytest.raises(ReviewError, match=r"neither .* has a dist/; run the command in a checkout"):
        findings(checkout, "HEAD")


def test_a_git_diff_that_fails_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "git"
    broken.write_text("#!/bin/sh\necho 'fatal: no space left' >&2\nexit 128\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ReviewError, match="git diff failed: fatal: no space left"):
        raw_diff(revision({}), revision({}))
