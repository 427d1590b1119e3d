"""Tests of docker/ and of `python -m tests.images` that build nothing.

Every Dockerfile follows all rules, each rule detects violations, and every image has a plan.
"""

import sys
from inspect import getmembers, isgeneratorfunction
from pathlib import Path

import pytest

from tests.conftest import run

from . import __main__ as images
from . import rules
from .containers import Program
from .dockerfiles import DOCKER, HealthUrl, parse, read, services
from .plan import IMAGES
from .store import ImageConfig, mounts

RULES = dict(getmembers(rules, isgeneratorfunction))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("service", services())
def test_every_dockerfile_follows_every_rule(service: str, rule: rules.Rule) -> None:
    image = read(service)
    assert [f"{image.path}: {problem}" for problem in rule(image)] == []


BREAKS = [
    (rules.stages, "cerebro-api", "FROM python:3.11-slim AS builder", ""),
    (rules.pinned, "nebula", "FROM alpine:3.22", "FROM alpine:latest"),
    (rules.pinned, "nebula", "FROM alpine:3.22", "FROM alpine"),
    (rules.pinned, "cryo-indexer", "cryo-base:20251201", "cryo-base"),
    (rules.fit_for_arm64, "nebula", "FROM alpine:3.22", "FROM --platform=linux/amd64 alpine:3.22"),
    (rules.fit_for_arm64, "beacon-indexer", 'GOARCH="${TARGETARCH}"', "GOARCH=amd64"),
    (rules.numeric_user, "cerebro-api", "USER 1000:1000", "USER appuser"),
    (rules.numeric_user, "cerebro-api", "USER 1000:1000", "USER 1000"),
    (rules.numeric_user, "cerebro-api", "USER 1000:1000", ""),
    (rules.exec_form, "nebula", 'ENTRYPOINT ["nebula"]', "ENTRYPOINT nebula"),
    (rules.exec_form, "ip-crawler", 'ENTRYPOINT ["/app/entrypoint.sh"]', ""),
    (rules.health, "click-runner", "HEALTHCHECK NONE", ""),
    (
        rules.no_build_tools,
        "cerebro-api",
        "--no-install-recommends curl",
        "--no-install-recommends curl gcc",
    ),
    (rules.no_build_tools, "cryo-base", "libssl3=3.0.*", "libssl-dev=3.0.*"),
    (rules.labels, "nebula", 'image.title="nebula"', 'image.title=""'),
    (rules.writable_paths, "cerebro-mcp", '"/data,/tmp"', '"data,/tmp"'),
    (rules.writable_paths, "cerebro-mcp", '"/data,/tmp"', '"/data"'),
    (
        rules.dependencies_first,
        "ip-crawler",
        "COPY requirements.txt ./",
        "COPY requirements.txt src ./",
    ),
    (rules.dependencies_first, "beacon-indexer", "COPY go.mod go.sum ./", "COPY . ."),
    (rules.cached, "click-runner", "--mount=type=cache,target=/root/.cache/pip pip", "pip"),
    (rules.context_admits_copies, "cerebro-api", "./app /code/app", "./tests /code/app"),
    (rules.reasoned_ignores, "cerebro-api", "(DL3025)", ""),
]


@pytest.mark.parametrize(("rule", "service", "old", "new"), BREAKS)
def test_a_rule_detects_a_violation(rule: rules.Rule, service: str, old: str, new: str) -> None:
    text = read(service).text
    assert old in text
    assert list(rule(parse(text.replace(old, new), read(service).path)))


def test_every_rule_has_a_violation() -> None:
    assert {rule for rule, *_ in BREAKS} == {*RULES.values()}


def test_hadolint_finds_nothing() -> None:
    assert hadolint(*sorted(DOCKER.glob("*/Dockerfile"))) == ""


def test_findings_of_hadolint_are_reported(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian:latest\n", encoding="utf-8")
    assert "DL3007" in hadolint(tmp_path / "Dockerfile")


def hadolint(*files: Path) -> str:
    """The findings of hadolint, without configuration files."""
    done = run("hadolint", "--config=/dev/null", "--no-color", *files)
    assert (done.returncode == 0) == (not done.stdout), done
    return done.stdout


def test_every_planned_image_has_a_dockerfile() -> None:
    assert not {image.name for image in IMAGES} - set(services())


def test_the_reader_reads_properties_that_charts_use() -> None:
    dashboard, crawler = read("metrics-dashboard"), read("ip-crawler")
    assert dashboard.ports == (8080, 3000)
    assert dashboard.health_urls == (HealthUrl(8080, "/healthz"), HealthUrl(3000, "/healthz"))
    assert dashboard.user == "1000:1000"
    assert crawler.ports == ()
    assert crawler.writable_paths == ("/app/logs", "/tmp")
    assert read("cryo-indexer").final.base == "ghcr.io/gnosischain/cryo-base:20251201"


IMAGE = ImageConfig(("program",), ("default",), (), "/", "1000:1000", (), "SIGTERM", {})


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (Program(), ("program", "default")),
        (Program(("a",)), ("program", "a")),
        (Program(()), ("program",)),
        (Program(command=("other",)), ("other",)),
        (Program(("a",), command=("other",)), ("other", "a")),
    ],
)
def test_command_and_args_work_as_in_a_pod(program: Program, words: tuple[str, ...]) -> None:
    assert program.words(IMAGE) == words


def test_an_unknown_service_is_rejected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["images", "cerebro"])
    with pytest.raises(SystemExit, match="2"):
        images.main()
    named = capsys.readouterr().err.partition("unknown service cerebro; use ")[2].strip()
    assert named.split(", ") == [image.name for image in IMAGES]


def test_an_image_without_a_plan_is_rejected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["images"])
    monkeypatch.setattr(images, "require", lambda *_: None)
    monkeypatch.setattr(images, "services", lambda: ("cerebro-api", "hello"))
    assert images.main() == 1
    assert capsys.readouterr().err.startswith(
        "error: hello is not built and run; add a PlannedImage"
    )


def test_a_build_gets_the_callers_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "https://pypi.example/simple")
    monkeypatch.setenv("npm_config_registry", "https://npm.example")
    volumes = mounts(tmp_path / "scratch")
    mounted = {target: Path(source) for source, target, _ in (v.split(":") for v in volumes)}
    assert "index-url = https://pypi.example/simple" in mounted["/etc/pip.conf"].read_text()
    assert "registry=https://npm.example" in mounted["/root/.npmrc"].read_text()
    assert all(volume.endswith(":ro") for volume in volumes)
