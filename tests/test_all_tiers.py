"""GitHub runs every tier of CI and reports failed nightly runs. Each check detects a gap."""

import re
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import ROOT
from tests.test_workflows import Job, Workflow

CI = (ROOT / ".ci" / "run").read_text()
TIERS = Workflow.read("workflows/all-tiers.yml")
PULL = Workflow.read("workflows/pull-request.yml")
_STEP = re.compile(r"^\s*(?:step )?(?:begin )?(make [a-z0-9-]+(?: \w+=\w+)*)", re.MULTILINE)
_NOT_OF_PULL_REQUESTS = "github.event_name != 'pull_request'"


def tiers_of_ci(script: str) -> list[str]:
    """Every `make ...` that the script runs."""
    return list(dict.fromkeys(_STEP.findall(script)))


def jobs_of(workflow: Workflow, tier: str) -> list[Job]:
    """The jobs that run a tier and fail if it fails."""
    return [
        job
        for job in workflow.jobs.values()
        for step in job["steps"]
        if step.get("run", "").removeprefix("sudo ") == tier
        and not {"if", "continue-on-error"} & step.keys()
        and "continue-on-error" not in job
    ]


def missing(ci: str, tiers: Workflow, _: Workflow) -> Iterator[str]:
    """Tiers of CI that do not run on main and nightly."""
    for tier in tiers_of_ci(ci):
        conditions = [job.get("if", _NOT_OF_PULL_REQUESTS) for job in jobs_of(tiers, tier)]
        if conditions != [_NOT_OF_PULL_REQUESTS]:
            yield f"{tier} does not run in one job unconditionally"


def twice(ci: str, tiers: Workflow, pull: Workflow) -> Iterator[str]:
    """Tiers that a pull request does not run exactly once."""
    for tier in tiers_of_ci(ci):
        here = [job for job in jobs_of(tiers, tier) if "if" not in job]
        runs = len(here) + len(jobs_of(pull, tier))
        if runs != 1:
            yield f"a pull request runs {tier} {runs} times"


def changed(ci: str, tiers: Workflow, pull: Workflow) -> Iterator[str]:
    """Changes by the synth that would not be detected."""
    runs = [[step.get("run") for step in one.jobs["rendered"]["steps"]] for one in (tiers, pull)]
    if "step unchanged\n" not in ci or runs[0] != runs[1] or "git diff" not in str(runs[0][-1]):
        yield "a synth may change the checkout"


def silent(_: str, tiers: Workflow, __: Workflow) -> Iterator[str]:
    """Nightly failures that are not reported."""
    if "schedule" not in tiers.triggers:
        yield "the workflow does not run nightly"
    report = tiers.jobs["report"]
    if unreported := tiers.jobs.keys() - {"report", *report["needs"]}:
        yield f"the report does not wait for {', '.join(sorted(unreported))}"
    always = "github.event_name == 'schedule' && !cancelled()"  # codespell:ignore cancelled
    if report["if"] != always:
        yield "the report does not run after every nightly run"


def outdated(_: str, tiers: Workflow, __: Workflow) -> Iterator[str]:
    """Paths without files."""
    for path in tiers.triggers["pull_request"]["paths"]:
        if not any(ROOT.glob(path.replace("/**", "/*"))):
            yield f"{path} does not exist"


Check = Callable[[str, Workflow, Workflow], Iterator[str]]
CHECKS: tuple[Check, ...] = (missing, twice, changed, silent, outdated)


@pytest.mark.parametrize("check", CHECKS)
def test_github_runs_what_ci_runs(check: Check) -> None:
    assert list(check(CI, TIERS, PULL)) == []


def test_ci_runs_every_tier_of_the_makefile() -> None:
    assert tiers_of_ci(CI) == [
        *("make synth", "make bench SHORT=1", "make e2e", "make lint"),
        *("make test COV=1", "make test-deploy", "make images", "make scan"),
    ]


@pytest.mark.parametrize(
    ("check", "file", "edit", "problem"),
    [
        (missing, "ci", (r"\Z", "step make mutants\n"), "make mutants does not run in one job"),
        (missing, "ci", (r"SHORT=1", "SHORT=2"), "make bench SHORT=2 does not run in one job"),
        (missing, "tiers", (r"      - run: make e2e\n", ""), "make e2e does not run"),
        (missing, "tiers", (r"run: make test-deploy", "run: make test-deploy || true"),
         "make test-deploy does not run"),
        (missing, "tiers", (r"run: make test-deploy", "run: make test-deploy\n        if: false"),
         "make test-deploy does not run"),
        (missing, "tiers", (r"    name: Images\n", "    name: Images\n    if: false\n"),
         "make images does not run"),
        (missing, "tiers", (r"    name: Images\n",
         "    name: Images\n    continue-on-error: true\n"), "make images does not run"),
        (twice, "tiers", (r"    if: .*!= 'pull_request'\n", ""),
         "a pull request runs make synth 2 times"),
        (twice, "pull", (r"run: make lint", "run: make format"),
         "a pull request runs make lint 0 times"),
        (changed, "tiers", (r"git add --all && ", ""), "a synth may change the checkout"),
        (silent, "tiers", (r"  schedule:\n.*\n", ""), "the workflow does not run nightly"),
        (silent, "tiers", (r", e2e\]", "]"), "the report does not wait for e2e"),
        (silent, "tiers", (r" && !c\w+\(\)", ""), "the report does not run after every"),
        (outdated, "tiers", (r"- stacks/\*\*", "- stack/**"), "stack/** does not exist"),
    ],
)  # fmt: skip
def test_a_gap_is_detected(check: Check, file: str, edit: tuple[str, str], problem: str) -> None:
    texts = {"ci": CI, "tiers": TIERS.text, "pull": PULL.text}
    broken = texts | {file: re.sub(*edit, texts[file], count=1)}
    assert broken != texts
    found = check(broken["ci"], Workflow(broken["tiers"]), Workflow(broken["pull"]))
    assert problem in "\n".join(found)
