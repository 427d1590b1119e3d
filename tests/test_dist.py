"""dist/ matches the charts, and rendering is atomic."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from charts.dist import SCORECARD, render
from charts.output import read, replace_dir
from tests.conftest import ROOT, copy_checkout, edit, run
from tests.ops.session import Session


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this checkout that the test can modify."""
    return copy_checkout(tmp_path)


def synth(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the synth of a checkout like a user."""
    environment = {**os.environ, "PYTHONPATH": str(folder), **environment}
    command = command or (sys.executable, str(folder / "app.py"))
    return run(*command, folder=folder, environment=environment)


def refused(checkout: Path) -> str:
    """The one error of a synth that leaves dist/ as it is."""
    done = synth(checkout)
    assert done.returncode == 1
    (line, summary) = done.stderr.splitlines()
    assert summary == "1 error; dist/ is unchanged"
    return line


def test_dist_is_up_to_date(committed: dict[str, str]) -> None:
    rendered = render()[0]
    differing = sorted(
        path
        for path in rendered.keys() | committed.keys()
        if rendered.get(path) != committed.get(path)
    )
    assert not differing, f"run `make synth` and commit dist/; it differs in {differing}"


def test_the_scorecard_is_up_to_date() -> None:
    assert SCORECARD.read_text("utf-8") == render()[1], "run `make synth`, commit docs/"


@pytest.mark.parametrize("seed", ["0", "4711"])
def test_rendering_is_reproducible(tmp_path: Path, seed: str, committed: dict[str, str]) -> None:
    elsewhere = {
        "PYTHONHASHSEED": seed,
        "LC_ALL": "tr_TR.UTF-8",
        "TZ": "Pacific/Kiritimati",
        "CDK8S_OUTDIR": str(tmp_path / "out"),
        "PYTHONPATH": str(ROOT),
    }
    done = synth(tmp_path, sys.executable, str(ROOT / "app.py"), **elsewhere)
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / "out") == committed


def test_the_cdk8s_cli_renders_the_same(checkout: Path, committed: dict[str, str]) -> None:
    (checkout / "dist" / "left-over.k8s.yaml").write_text("kind: Orphan\n")
    done = synth(checkout, "node_modules/.bin/cdk8s", "synth", "--check-upgrade=false")
    assert done.returncode == 0, done.stderr
    assert read(checkout / "dist") == committed


def test_an_error_under_the_cdk8s_cli_explains_how_to_restore_dist(checkout: Path) -> None:
    _chart_raises(checkout)
    done = synth(checkout, "node_modules/.bin/cdk8s", "synth", "--check-upgrade=false")
    assert done.returncode != 0
    assert "1 error; dist/ was emptied by cdk8s; restore it with `git checkout dist`" in done.stderr
    assert not (checkout / "dist").exists()


def _chart_raises(checkout: Path) -> None:
    chart = checkout / "charts/crawlers/nebula.py"
    edit(chart, 'args=("crawl",)', 'args=1 / 0, image="x"')


def _pin_is_malformed(checkout: Path) -> None:
    (checkout / "catalogue" / "images" / "nebula.pin").write_text("v1.2\n")


def _rule_has_a_typo(checkout: Path) -> None:
    rules = checkout / "constructs_lib/rules/availability.py"
    edit(rules, "container.requests, ", 'container["requests"], ')


def test_a_bug_in_a_rule_is_not_a_mistake_of_the_user(checkout: Path) -> None:
    _rule_has_a_typo(checkout)
    done = synth(checkout)
    assert done.returncode == 1
    first, second, *_ = done.stderr.splitlines()
    assert first.startswith("error: rule unbounded-resources crashed on ")
    assert first.endswith("(KeyError: 'requests'); correct the rule. dist/ is unchanged")
    assert second.startswith("Traceback ")
    assert "KeyError: 'requests'" in done.stderr
    assert re.search(r"\nconstructs_lib.errors.RuleError: rule .* crashed on .*\n$", done.stderr)


@pytest.mark.parametrize("broken", [_chart_raises, _pin_is_malformed, _rule_has_a_typo])
def test_a_failed_synth_does_not_change_dist(
    checkout: Path, committed: dict[str, str], broken: Callable[[Path], None]
) -> None:
    broken(checkout)
    assert synth(checkout).returncode != 0
    assert read(checkout / "dist") == committed
    assert not list(checkout.glob(".dist.*"))


LINGERING = """
import time

print("in the chart", flush=True)
try:
    time.sleep(60)
finally:
    time.sleep(1)  # so that Node, which gets the same Ctrl-C, exits first
"""


def test_an_interrupted_synth_prints_one_line(checkout: Path, committed: dict[str, str]) -> None:
    with (checkout / "charts" / "crawlers" / "nebula.py").open("a") as chart:
        chart.write(LINGERING)
    place = {**os.environ, "PYTHONPATH": str(checkout)}
    session = Session(environment=place, program=("app.py",))
    session.interrupt("in the chart")
    status, shown = session.ended()
    assert (status, shown.partition("in the chart")[2].split()) == (130, ["^C", "interrupted"])
    assert read(checkout / "dist") == committed


@pytest.mark.parametrize(
    ("written", "mistyped", "message"),
    [
        ("import Alb", "import Albb", "cannot import name 'Albb'"),
        ("from charts.shared", "from charts.shred", "No module named 'charts.shred'"),
        ("port=8000,", "port=8000", "charts/cerebro/cerebro_api.py: line 2"),
        ("=Hosts.API", "=Hosts.NOWHERE", "Hosts has no member NOWHERE; check the spelling, or add"),
        (".API_KEYS", ".API_KEY", "Parameters has no member API_KEY; did you mean API_KEYS?"),
        ("Resources(cpu", "Resourses(cpu", "Resourses is not defined; did you mean Resources?"),
    ],
)
def test_a_typo_in_a_chart_is_reported_with_its_line(
    checkout: Path, written: str, mistyped: str, message: str
) -> None:
    edit(checkout / "charts/cerebro/cerebro_api.py", written, mistyped)
    line = refused(checkout)
    assert line.startswith("error: ")
    assert message in line
    assert "charts/cerebro/cerebro_api.py" in line


def test_an_error_in_the_catalogue_is_reported_with_its_line(checkout: Path) -> None:
    edit(checkout / "catalogue/parameters.py", "/cerebro/clickhouse/host", "/cerebro/host")
    line = refused(checkout)
    assert line.startswith("error: Parameter.path: '/cerebro/host' is not a valid parameter path; ")
    assert re.search(r"\(catalogue/parameters\.py:\d+\)$", line)


def test_the_file_of_a_removed_service_is_deleted(checkout: Path) -> None:
    edit(checkout / "charts/registry.py", '    "charts.crawlers.nebula:Nebula",\n', "")
    (checkout / "catalogue" / "images" / "nebula.pin").unlink()
    done = synth(checkout)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("note: charts/crawlers/nebula.py is not listed in charts/")
    assert "- dist/crawlers/nebula.k8s.yaml" in done.stdout
    assert not (checkout / "dist" / "crawlers" / "nebula.k8s.yaml").exists()
    assert "name: nebula" not in (checkout / "dist/argocd/applications.k8s.yaml").read_text()


def test_a_schedule_that_starts_on_more_days_than_it_seems_to_is_noted(checkout: Path) -> None:
    edit(checkout / "charts/crawlers/click_runner.py", '"45 3 * * *"', '"45 3 1-7 * 2"')
    done = synth(checkout)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("note: CronJob crawlers/click-runner-governance-")
    assert done.stderr.endswith("or on any Tuesday: about 10.4 times a month\n")


def test_a_failed_replacement_restores_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "dist"
    replace_dir({"a/one.yaml": "1", "two.yaml": "2"}, folder)
    rename = Path.rename

    def fail_on_new(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError("no space left")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_on_new)
    with pytest.raises(OSError, match="no space left"):
        replace_dir({"a/one.yaml": "changed"}, folder)
    assert read(folder) == {"a/one.yaml": "1", "two.yaml": "2"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["dist"]
