"""Rolling back to an earlier build."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from constructs_lib.model import Pin
from ops import pin
from ops.commands import app
from ops.rollback import Build, history
from tests.ops.checkouts import commit, environment, git, ops
from tests.ops.local_registry import ATTESTATION, LocalRegistry
from tests.ops.session import Session

FIRST, SECOND, THIRD, INNER = (40 * digit for digit in "abcd")
PIN = "catalogue/images/nebula.pin"


def noon(day: int) -> datetime:
    return datetime(2026, 1, day, 12, tzinfo=UTC)


def write(checkout: Path, build: str) -> None:
    """Pin nebula to `build` in the catalogue and in dist/, and commit both."""
    file = checkout / PIN
    before = file.read_text().strip()
    file.write_text(f"{build}\n")
    for path in checkout.glob("dist/crawlers/nebula.k8s.yaml"):  # not every checkout has it
        path.write_text(path.read_text().replace(f"nebula:{before}", f"nebula:{build}"))
    commit(checkout, f"Pin {build[:8]}")


@pytest.fixture
def past(own: Path) -> Path:
    """A checkout with three pins of nebula in its history."""
    for build in (FIRST, SECOND, THIRD):
        write(own, f"sha-{build}")
    return own


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with only a pin."""
    checkout = tmp_path / "checkout"
    monkeypatch.setattr(pin, "ROOT", checkout)
    (checkout / PIN).parent.mkdir(parents=True)
    (checkout / PIN).write_text("latest\n")
    git(checkout, "init", "--quiet")
    commit(checkout, "begin")
    return checkout


def test_each_build_that_ran_is_listed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = (f"sha-{FIRST}", f"sha-{SECOND}", f"sha-{FIRST}", "no pin", "latest")
    for day, build in enumerate(pinned, start=1):
        monkeypatch.setenv("GIT_COMMITTER_DATE", noon(day).isoformat())
        write(folder, build)
    first, second = history("nebula")
    assert (first.commit, second.commit) == (FIRST, SECOND)
    assert (first.since, first.until) == (noon(3), noon(4))
    assert (second.since, second.until) == (noon(2), noon(3))


def test_pins_inside_a_merged_pull_request_are_not_listed(folder: Path) -> None:
    git(folder, "switch", "--quiet", "--create", "bump")
    write(folder, f"sha-{INNER}")
    write(folder, f"sha-{FIRST}")
    git(folder, "switch", "--quiet", "-")
    git(folder, "merge", "--quiet", "--no-ff", "bump", "--message", "Merge the bump")
    (build,) = history("nebula")
    assert (build.commit, build.until) == (FIRST, None)
    assert build.pinned_by.endswith("test: Merge the bump")


def test_a_pin_that_was_removed_and_added_again(folder: Path) -> None:
    write(folder, f"sha-{FIRST}")
    (folder / PIN).unlink()
    commit(folder, "Without it")
    (folder / PIN).write_text(f"sha-{SECOND}\n")
    commit(folder, "With it")
    assert [build.commit for build in history("nebula")] == [SECOND, FIRST]


def test_a_build_is_named_and_pinned(past: Path, server: LocalRegistry) -> None:
    status, listed, _ = ops(past, "rollback", "nebula", "--json")
    assert (status, [one["commit"] for one in json.loads(listed)]) == (0, [SECOND, FIRST])

    status, _, wrong = ops(past, "rollback", "nebula", "--to", FIRST[:7])
    assert status == 1
    assert f"nebula:sha-{FIRST} does not exist" in wrong
    assert (past / PIN).read_text() == f"sha-{THIRD}\n"

    digest = server.push("gnosischain/nebula", f"sha-{FIRST}", ("linux", "arm64"))
    status, said, printed = ops(past, "rollback", "nebula", "--to", FIRST[:7])
    assert status == 0, printed
    assert said.startswith(f"nebula: sha-{THIRD} -> sha-{FIRST}@{digest}\n")
    assert f"gnosischain/nebula/compare/{FIRST}...{THIRD}" in printed
    assert (past / PIN).read_text() == f"sha-{FIRST}@{digest}\n"
    assert f"nebula:sha-{FIRST}@{digest}" in (past / "dist/crawlers/nebula.k8s.yaml").read_text()


def test_a_rollback_restores_tag_and_digest_of_a_moved_tag(
    own: Path, server: LocalRegistry
) -> None:
    tag = f"sha-{FIRST}"
    first = server.push("gnosischain/nebula", tag, ("linux", "arm64"))
    write(own, f"{tag}@{first}")
    moved = server.push("gnosischain/nebula", tag, ("linux", "arm64"), ATTESTATION)
    write(own, f"{tag}@{moved}")
    write(own, f"sha-{SECOND}")
    listed = json.loads(ops(own, "rollback", "nebula", "--json")[1])
    assert [one["digest"] for one in listed] == [moved, first]
    status, _, wrong = ops(own, "rollback", "nebula", "--to", FIRST[:7])
    either = f"{moved[7:19]} or {first[7:19]}"
    assert (status, f"was built more than once; pass a digest: {either}" in wrong) == (1, True)
    assert ops(own, "rollback", "nebula", "--to", first)[0] == 0
    assert (own / PIN).read_text() == f"{tag}@{first}\n"


def test_the_user_chooses_or_cancels(past: Path) -> None:
    question = "Roll back to which build: "
    start = ("rollback", "nebula", "--no-verify")
    leaving, choosing = (Session(*start, environment=environment(past)) for _ in range(2))
    leaving.answer(question, "3")
    leaving.wait_for("Error: enter a number from 1 to 2, or press Ctrl-C to cancel")
    leaving.interrupt(question)
    status, shown = leaving.ended()
    assert (status, "Nothing was changed." in shown) == (130, True)
    assert (past / PIN).read_text() == f"sha-{THIRD}\n"

    choosing.answer(question, "1")
    status, shown = choosing.ended()
    assert status == 0
    assert shown.index(SECOND[:12]) < shown.index(FIRST[:12]) < shown.index(question)
    assert (past / PIN).read_text() == f"sha-{SECOND}\n"


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Build]:
    """The builds in the history of this checkout, which may have uncommitted changes."""
    found: list[Build] = []
    monkeypatch.setattr("ops.pin.require_committed", lambda *_: None)
    monkeypatch.setattr("ops.rollback.history", lambda _: found)
    return found


@pytest.mark.parametrize(
    ("past_builds", "arguments", "message"),
    [
        ((), (), "the history has no other build of nebula"),
        ((FIRST,), (), "the terminal is not interactive; nothing was changed. Pass --to"),
        ((FIRST,), ("--to", "e"), "nebula was never pinned to e; `ops rollback nebula"),
        ((FIRST, f"aa{SECOND}"[:40]), ("--to", "sha-a"),
         f"sha-a matches {FIRST[:12]} and aabbbbbbbbbb"),
        ((FIRST,), ("--to", "latest"), "nebula was never pinned to latest"),
    ],
)  # fmt: skip
def test_a_refusal_says_why(
    builds: list[Build], past_builds: tuple[str, ...], arguments: tuple[str, ...], message: str
) -> None:
    builds += [Build(Pin(f"sha-{one}"), datetime.now(UTC), None, "") for one in past_builds]
    done = CliRunner().invoke(app, ("rollback", "nebula", *arguments))
    assert (done.exit_code, message in done.stderr) == (1, True), done.stderr


def test_the_current_pin_is_refused(past: Path) -> None:
    status, _, wrong = ops(past, "rollback", "nebula", "--to", THIRD)
    assert (status, f"nebula is already pinned to {THIRD}" in wrong) == (1, True)
    assert ops(past, "rollback", "nebule")[0] == 1


def test_uncommitted_changes_are_refused_before_the_prompt(past: Path) -> None:
    with (past / "dist" / "README.md").open("a") as file:
        file.write("edited\n")
    status, _, wrong = ops(past, "rollback", "nebula")
    assert (status, "uncommitted changes: dist/README.md" in wrong) == (1, True)
