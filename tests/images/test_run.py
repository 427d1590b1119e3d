"""Tests of `python -m tests.images` that do not build images."""

import sys
from pathlib import Path

import pytest

from . import __main__ as images
from .containers import Program
from .plan import IMAGES
from .store import ImageConfig, mounts

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
