"""Rolling back to an earlier build."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import Result

from ops import pin
from ops.rollback import history
from tests.ops.checkouts import CODE, commit, copy, create, environment, git
from tests.ops.conftest import DIGEST, invoke
from tests.ops.session import Session

FIRST, SECOND, THIRD, INNER = (40 * digit for digit in "abcd")
SIMILAR = f"aa{SECOND}"[:40]
MOVED = f"sha256:{64 * '2'}"
PIN = "catalogue/images/nebula.pin"


def noon(day: int) -> datetime:
    return datetime(2026, 1, day, 12, tzinfo=UTC)


def write(checkout: Path, *builds: str) -> None:
    """Pin nebula to each build in turn, in the catalogue and in dist/, and commit it."""
    file = checkout / PIN
    for build in builds:
        before = file.read_text().strip()
        file.write_text(f"{build}\n")
        for path in checkout.glob("dist/crawlers/nebula.k8s.yaml"):  # not every checkout has it
            path.write_text(path.read_text().replace(f"nebula:{before}", f"nebula:{build}"))
        commit(checkout)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with only a pin."""
    checkout = create(tmp_path / "checkout")
    (checkout / PIN).parent.mkdir(parents=True)
    (checkout / PIN).write_text("latest\n")
    commit(checkout)
    monkeypatch.setattr(pin, "ROOT", checkout)
    return checkout


def rollback(*options: str) -> Result:
    return invoke("rollback", "nebula", *options)


def test_each_build_that_ran_is_listed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builds = (f"sha-{FIRST}", f"sha-{SECOND}", f"sha-{FIRST}", "no pin", "latest")
    for day, build in enumerate(builds, start=1):
        monkeypatch.setenv("GIT_COMMITTER_DATE", noon(day).isoformat())
        write(folder, build)
    first, second = history("nebula")
    assert (first.commit, second.commit) == (FIRST, SECOND)
    assert (first.since, first.until) == (noon(3), noon(4))
    assert (second.since, second.until) == (noon(2), noon(3))


def test_pins_inside_a_merged_pull_request_are_not_listed(folder: Path) -> None:
    git(folder, "switch", "--quiet", "--create", "bump")
    write(folder, f"sha-{INNER}", f"sha-{FIRST}")
    git(folder, "switch", "--quiet", "-")
    git(folder, "merge", "--quiet", "--no-ff", "bump", "--message", "Merge the bump")
    (build,) = history("nebula")
    assert (build.commit, build.until) == (FIRST, None)
    assert build.pinned_by.endswith("test: Merge the bump")


def test_a_pin_that_was_removed_and_added_again(folder: Path) -> None:
    write(folder, f"sha-{FIRST}")
    (folder / PIN).unlink()
    commit(folder)
    (folder / PIN).write_text(f"sha-{SECOND}\n")
    commit(folder)
    assert [build.commit for build in history("nebula")] == [SECOND, FIRST]


def test_a_build_is_named_and_pinned(checkout: Path) -> None:
    write(checkout, f"sha-{FIRST}", f"sha-{SECOND}", f"sha-{THIRD}")
    listed = json.loads(rollback("--json").stdout)
    assert [build["commit"] for build in listed] == [SECOND, FIRST]
    done = rollback("--to", FIRST[:7])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"nebula: sha-{THIRD} -> sha-{FIRST}@{DIGEST}\n")
    assert f"gnosischain/nebula/compare/{FIRST}...{THIRD}" in done.stderr
    assert (checkout / PIN).read_text() == f"sha-{FIRST}@{DIGEST}\n"
    manifest = (checkout / "dist/crawlers/nebula.k8s.yaml").read_text()
    assert f"nebula:sha-{FIRST}@{DIGEST}" in manifest


def test_a_rollback_restores_tag_and_digest_of_a_moved_tag(checkout: Path) -> None:
    write(checkout, f"sha-{FIRST}@{DIGEST}", f"sha-{FIRST}@{MOVED}", f"sha-{SECOND}")
    listed = json.loads(rollback("--json").stdout)
    assert [build["digest"] for build in listed] == [MOVED, DIGEST]
    either = f"{MOVED[7:19]} or {DIGEST[7:19]}"
    done = rollback("--to", FIRST[:7])
    assert f"was built more than once; pass a digest: {either}" in done.stderr
    assert rollback("--to", DIGEST).exit_code == 0
    assert (checkout / PIN).read_text() == f"sha-{FIRST}@{DIGEST}\n"


def test_the_user_chooses_or_cancels(tmp_path: Path) -> None:
    own = copy(CODE, tmp_path / "checkout")
    write(own, f"sha-{FIRST}", f"sha-{SECOND}", f"sha-{THIRD}")
    question = "Roll back to which build: "
    start = ("rollback", "nebula", "--no-verify")
    leaving, choosing = (Session(*start, environment=environment(own)) for _ in range(2))
    leaving.answer(question, "3")
    leaving.wait_for("Error: enter a number from 1 to 2, or press Ctrl-C to cancel")
    leaving.interrupt(question)
    status, shown = leaving.ended()
    assert (status, "Nothing was changed." in shown) == (130, True)
    assert (own / PIN).read_text() == f"sha-{THIRD}\n"

    choosing.answer(question, "1")
    status, shown = choosing.ended()
    assert status == 0
    assert shown.index(SECOND[:12]) < shown.index(FIRST[:12]) < shown.index(question)
    assert (own / PIN).read_text() == f"sha-{SECOND}\n"


@pytest.mark.parametrize(
    ("builds", "options", "message"),
    [
        ((), (), "the history has no other build of nebula"),
        ((FIRST, SECOND), (), "the terminal is not interactive; nothing was changed. Pass --to"),
        ((FIRST, SECOND), ("--to", "e"), "nebula was never pinned to e; `ops rollback nebula"),
        ((FIRST, SECOND), ("--to", "latest"), "nebula was never pinned to latest"),
        ((FIRST, SECOND), ("--to", SECOND), f"nebula is already pinned to {SECOND}"),
        ((SIMILAR, FIRST, SECOND), ("--to", "sha-a"),
         f"sha-a matches {FIRST[:12]} and aabbbbbbbbbb"),
    ],
)  # fmt: skip
def test_a_refusal_says_why(
    folder: Path, builds: tuple[str, ...], options: tuple[str, ...], message: str
) -> None:
    write(folder, *(f"sha-{build}" for build in builds))
    done = rollback(*options)
    assert (done.exit_code, message in done.stderr) == (1, True), done.stderr


def test_an_unknown_service_and_uncommitted_changes_are_refused(folder: Path) -> None:
    write(folder, f"sha-{FIRST}", f"sha-{SECOND}")
    (folder / "dist").mkdir()
    (folder / "dist" / "README.md").write_text("edited\n")
    assert "uncommitted changes: dist/README.md" in rollback().stderr
    done = invoke("rollback", "nebule")
    assert (done.exit_code, "'nebule' is not in catalogue/images" in done.stderr) == (1, True)
