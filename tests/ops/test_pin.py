"""A pin changes only that image, or nothing."""

import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from charts import registry as charts
from charts.output import read, replace_dir
from constructs_lib.errors import DeclarationError
from constructs_lib.manifests.argocd import fingerprint
from constructs_lib.manifests.references import repository
from ops import pin, registry
from ops.errors import OpsError
from tests.conftest import parse
from tests.ops.checkouts import commit, git
from tests.ops.conftest import DIGEST, invoke

OLD, NEW = 40 * "a", 40 * "b"
_FINGERPRINT = re.compile(r'checksum/job: "?\w{64}"?')
_UNCHANGED = "already pinned"


def files(checkout: Path) -> dict[str, str]:
    return {path: text for path, text in read(checkout).items() if not path.startswith(".git/")}


def bump(service: str, commit: str, *options: str) -> list[str]:
    """Return the lines that `ops pin` prints."""
    done = invoke("pin", *options, "--", service, commit)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def refused(service: str, commit: str, *options: str) -> str:
    """Return the errors of `ops pin`."""
    done = invoke("pin", *options, "--", service, commit)
    assert (done.exit_code, done.stdout) == (1, "")
    errors, nothing, after = done.stderr.partition("Nothing was changed.\n")
    assert (bool(nothing), after) == (True, "")
    return errors


def test_a_bump_changes_only_the_pin_and_that_image(checkout: Path) -> None:
    before = files(checkout)
    pinned, manifest = f"{pin.PINS}/cryo-indexer.pin", "dist/crawlers/cryo-indexer.k8s.yaml"
    page = "dist/README.md"
    assert bump("cryo-indexer", NEW) == [
        f"cryo-indexer: latest -> sha-{NEW}@{DIGEST}",
        f"ghcr.io/gnosischain/cryo-indexer:sha-{NEW} is in the registry, for linux/arm64",
        *(f"~ {path}" for path in (pinned, page, manifest)),
        "Commit these files in one pull request; Argo CD rolls it out after the merge.",
    ]
    after = files(checkout)
    assert after.pop(page) != before.pop(page)
    (was,), (now,) = (_FINGERPRINT.findall(side[manifest]) for side in (before, after))
    assert was != now  # of the release job, which runs the same image
    rolled_out = before[manifest].replace(was, now)
    assert after == {
        **before,
        pinned: f"sha-{NEW}@{DIGEST}\n",
        manifest: rolled_out.replace("indexer:latest", f"indexer:sha-{NEW}@{DIGEST}"),
    }


def test_a_fingerprint_that_looks_like_a_number(checkout: Path) -> None:
    """YAML reads `0b38…` as a number, so one fingerprint in 256 is quoted."""
    path = "dist/crawlers/cryo-indexer.k8s.yaml"
    manifest = checkout / path
    (job,) = (one for one in parse({path: manifest.read_text()}) if one["kind"] == "Job")
    container = job["spec"]["template"]["spec"]["containers"][0]
    image = repository(container["image"])
    for digest in (f"sha256:{number:064x}" for number in range(10_000)):
        container["image"] = f"{image}:sha-{NEW}@{digest}"
        if fingerprint(job).startswith("0b"):
            break
    bump("cryo-indexer", NEW, "--no-verify", "--digest", digest)
    assert f'checksum/job: "{fingerprint(job)}"' in manifest.read_text()


def test_a_rollback_restores_every_byte(checkout: Path) -> None:
    states = []
    for build in (OLD, NEW, OLD):
        bump("cryo-indexer", build)
        states.append(files(checkout))
        commit(checkout)
    assert states[0] == states[2] != states[1]
    assert _UNCHANGED in bump("cryo-indexer", OLD)[0]
    assert files(checkout) == states[2]


def test_bumps_of_two_services_merge(checkout: Path) -> None:
    start = git(checkout, "rev-parse", "HEAD")
    for service, branch in (("nebula", "one"), ("cerebro-api", "other")):
        git(checkout, "switch", "--quiet", "--create", branch, start)
        bump(service, NEW)
        commit(checkout)
    git(checkout, "merge", "one", "--message", "both")
    for service in ("nebula", "cerebro-api"):
        assert _UNCHANGED in bump(service, NEW)[0]


Prepare = Callable[[Path], object]


def _clean(_: Path) -> None: ...


def _edited(path: str) -> Prepare:
    return lambda checkout: (checkout / path).write_text("# edited\n")


def _staged(checkout: Path) -> None:
    (checkout / "dist" / "crawlers" / "nebula.k8s.yaml").unlink()
    git(checkout, "add", "--all")


def _not_rendered(checkout: Path) -> None:
    with (checkout / "dist/cerebro/cerebro-mcp.k8s.yaml").open("a") as file:
        file.write("# edited\n")
    commit(checkout)


def _no_repository(checkout: Path) -> None:
    shutil.rmtree(checkout / ".git")


@pytest.mark.parametrize(
    ("prepare", "service", "build", "message"),
    [
        (_clean, "nebule", NEW, r"'nebule' is not in catalogue/images; use one of: .*, nebula\b"),
        (_clean, "../x", NEW, r"'\.\./x' is not in catalogue/images"),
        (_clean, "nebula", "", "'' is not a full commit \\(40 lowercase hex digits\\)"),
        (_clean, "nebula", NEW[:7], "'bbbbbbb' is not a full commit"),
        (_clean, "nebula", NEW + "b", "is not a full commit"),
        (_clean, "nebula", NEW + "\n", "is not a full commit"),
        (_clean, "nebula", NEW.upper(), "is not a full commit"),
        (_clean, "nebula", f"sha-{NEW}", "is not a full commit"),
        (_clean, "nebula", "latest", "'latest' is not a full commit"),
        (_edited("dist/crawlers/nebula.k8s.yaml"), "nebula", NEW,
         "uncommitted changes: dist/crawlers/nebula.k8s.yaml. Commit them first, or undo them"),
        (_edited("dist/crawlers/other.k8s.yaml"), "nebula", NEW,
         "uncommitted changes: dist/crawlers/other.k8s.yaml"),
        (_staged, "nebula", NEW, "uncommitted changes: dist/crawlers/nebula.k8s.yaml"),
        (lambda checkout: (checkout / f"{pin.PINS}/nebula.pin").write_text(f"sha-{OLD}\n"),
         "nebula", NEW, "uncommitted changes: catalogue/images/nebula.pin"),
        (_edited("catalogue/images/nebula.pin"), "nebula", NEW, "nebula.pin: .* not a valid pin"),
        (_not_rendered, "nebula", NEW,
         f"more than the image ghcr.io/gnosischain/nebula:sha-{NEW}@{DIGEST}: dist/cerebro/"
         r"cerebro-mcp\.k8s.yaml\. Run `make synth`"),
        (_no_repository, "nebula", NEW, "git status failed: not a git repository"),
    ],
)  # fmt: skip
def test_a_refusal_says_why_and_changes_nothing(
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    prepare: Prepare,
    service: str,
    build: str,
    message: str,
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(checkout.parent))
    prepare(checkout)
    before = files(checkout)
    assert re.search(message, refused(service, build))
    assert files(checkout) == before


@pytest.mark.usefixtures("checkout")
def test_an_error_in_a_declaration(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> dict[str, str]:
        raise DeclarationError("is wrong", where="nebula/nebula")

    monkeypatch.setattr(charts, "render", broken)
    assert "error: nebula/nebula: is wrong" in refused("nebula", NEW)


def test_the_readme_of_dist_may_change_but_not_disappear(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render = charts.render
    with monkeypatch.context() as gone:
        gone.setattr(
            charts, "render", lambda at: {k: v for k, v in render(at).items() if k != "README.md"}
        )
        assert re.search(r"more than the image .*: dist/README\.md", refused("nebula", NEW))
    monkeypatch.setattr(charts, "render", lambda at: {**render(at), "README.md": "of today\n"})
    assert "~ dist/README.md" in bump("nebula", NEW)
    assert (checkout / "dist" / "README.md").read_text() == "of today\n"


@pytest.mark.parametrize("step", ["write_text", "rename", "replace"])
def test_a_failure_leaves_everything_unchanged(
    checkout: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(checkout)
    original = getattr(Path, step)

    def fail_once(*_: object, **__: object) -> object:
        monkeypatch.setattr(Path, step, original)
        raise OSError("no space left")

    monkeypatch.setattr(Path, step, fail_once)
    assert "cannot write: no space left" in refused("nebula", NEW)
    assert files(checkout) == before


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_waits_until_all_is_written(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    handled: list[int] = []

    def interrupted(rendered: dict[str, str], dist: Path) -> object:
        signal.raise_signal(number)
        return replace_dir(rendered, dist)

    before = signal.signal(number, lambda received, _: handled.append(received))
    try:
        with monkeypatch.context() as interrupting:
            interrupting.setattr("ops.pin.output.replace_dir", interrupted)
            bump("nebula", NEW)
    finally:
        signal.signal(number, before)
    assert handled == [number]
    assert _UNCHANGED in bump("nebula", NEW)[0]


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (registry.ImageMissingError("is gone"), "the workflow in the service's repository builds "),
        (registry.RegistryError("is down"), "or skip the registry check with --no-verify"),
    ],
)
def test_without_the_image_nothing_is_pinned(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, error: OpsError, remedy: str
) -> None:
    def find(_: str) -> str:
        raise error

    monkeypatch.setattr(registry, "find", find)
    before = files(checkout)
    assert refused("nebula", NEW).startswith(f"error: {error}; {remedy}")
    assert files(checkout) == before


def test_a_reported_digest_is_pinned(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed = f"sha256:{64 * '2'}"
    image = f"ghcr.io/gnosischain/nebula:sha-{NEW}@{pushed}"
    monkeypatch.setattr(registry, "find", {image: pushed}.__getitem__)
    said = bump("nebula", NEW, "--digest", pushed)
    assert said[1] == f"{image} is in the registry, for linux/arm64"
    assert (checkout / "catalogue/images/nebula.pin").read_text() == f"sha-{NEW}@{pushed}\n"
    assert f"image: {image}\n" in (checkout / "dist/crawlers/nebula.k8s.yaml").read_text()
    commit(checkout)

    monkeypatch.setattr(registry, "find", lambda _: DIGEST)
    assert f"The tag sha-{NEW} was moved to another build. Find out why." in bump("nebula", NEW)
    wrong = refused("nebula", OLD, "--digest", "sha256:1")
    assert f"'sha-{OLD}@sha256:1' is not a valid pin" in wrong


def test_an_unverified_pin_has_no_digest(checkout: Path) -> None:
    said = bump("nebula", NEW, "--no-verify")
    assert said[1] == f"not checked whether the registry has sha-{NEW}"
    assert "Pinned without a digest: the tag can be moved to another build." in said
    assert (checkout / "catalogue/images/nebula.pin").read_text() == f"sha-{NEW}\n"
