"""GitHub runs every tier that CI runs, and says when a night fails; each check notices a gap."""

from __future__ import annotations

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
    """Each `make ...` that the script runs, in however many parts."""
    return list(dict.fromkeys(_STEP.findall(script)))


def jobs_of(workflow: Workflow, tier: str) -> list[Job]:
    """The jobs that run a tier, and fail with it."""
    return [
        job
        for job in workflow.jobs.values()
        for step in job["steps"]
        if step.get("run", "").removeprefix("sudo ") == tier
        and not {"if", "continue-on-error"} & step.keys()
        and "continue-on-error" not in job
    ]


def forgotten(ci: str, tiers: Workflow, _: Workflow) -> Iterator[str]:
    """Tiers of CI that do not run on main and at night."""
    for tier in tiers_of_ci(ci):
        conditions = [job.get("if", _NOT_OF_PULL_REQUESTS) for job in jobs_of(tiers, tier)]
        if conditions != [_NOT_OF_PULL_REQUESTS]:
            yield f"{tier} does not run in one job, always"


def twice(ci: str, tiers: Workflow, pull: Workflow) -> Iterator[str]:
    """Tiers that a pull request does not run, or more than once."""
    for tier in tiers_of_ci(ci):
        here = [job for job in jobs_of(tiers, tier) if "if" not in job]
        runs = len(here) + len(jobs_of(pull, tier))
        if runs != 1:
            yield f"a pull request runs {tier} {runs} times"


def changed(ci: str, tiers: Workflow, pull: Workflow) -> Iterator[str]:
    """A checkout that the synth may change unseen."""
    runs = [[step.get("run") for step in one.jobs["rendered"]["steps"]] for one in (tiers, pull)]
    if "step unchanged\n" not in ci or runs[0] != runs[1] or "git diff" not in str(runs[0][-1]):
        yield "a synth may change the checkout"


def silent(_: str, tiers: Workflow, __: Workflow) -> Iterator[str]:
    """Failures at night that nobody hears of."""
    if "schedule" not in tiers.triggers:
        yield "nothing runs at night"
    report = tiers.jobs["report"]
    if unheard := tiers.jobs.keys() - {"report", *report["needs"]}:
        yield f"no report waits for {', '.join(sorted(unheard))}"
    if report["if"] != "github.event_name == 'schedule' && !cancelled()":
        yield "a report does not follow each night, whatever its outcome"


def blind(_: str, tiers: Workflow, __: Workflow) -> Iterator[str]:
    """Paths that no file has."""
    for path in tiers.triggers["pull_request"]["paths"]:
        if not any(ROOT.glob(path.replace("/**", "/*"))):
            yield f"there is no {path}"


Check = Callable[[str, Workflow, Workflow], Iterator[str]]
CHECKS: tuple[Check, ...] = (forgotten, twice, changed, silent, blind)


@pytest.mark.parametrize("check", CHECKS)
def test_github_runs_what_ci_runs(check: Check) -> None:
    assert list(check(CI, TIERS, PULL)) == []


def test_ci_runs_every_tier_of_the_makefile() -> None:
    assert tiers_of_ci(CI) == [
        *("make synth", "make bench SHORT=1", "make e2e", "make lint"),
        *("make test", "make test-deploy", "make images", "make scan"),
    ]


@pytest.mark.parametrize(
    ("check", "file", "edit", "problem"),
    [
        (forgotten, "ci", (r"\Z", "step make mutants\n"), "make mutants does not run in one job"),
        (forgotten, "ci", (r"SHORT=1", "SHORT=2"), "make bench SHORT=2 does not run in one job"),
        (forgotten, "tiers", (r"      - run: make e2e\n", ""), "make e2e does not run"),
        (forgotten, "tiers", (r"run: make test-deploy", "run: make test-deploy || true"),
         "make test-deploy does not run"),
        (forgotten, "tiers", (r"run: make test-deploy", "run: make test-deploy\n        if: false"),
         "make test-deploy does not run"),
        (forgotten, "tiers", (r"    name: Images\n", "    name: Images\n    if: false\n"),
         "make images does not run"),
        (forgotten, "tiers", (r"    name: Images\n",
         "    name: Images\n    continue-on-error: true\n"), "make images does not run"),
        (twice, "tiers", (r"    if: .*!= 'pull_request'\n", ""),
         "a pull request runs make synth 2 times"),
        (twice, "pull", (r"run: make lint", "run: make format"),
         "a pull request runs make lint 0 times"),
        (changed, "tiers", (r"git add --all && ", ""), "a synth may change the checkout"),
        (silent, "tiers", (r"  schedule:\n.*\n", ""), "nothing runs at night"),
        (silent, "tiers", (r", e2e\]", "]"), "no report waits for e2e"),
        (silent, "tiers", (r" && !cancelled\(\)", ""), "a report does not follow each night"),
        (blind, "tiers", (r"- stacks/\*\*", "- stack/**"), "there is no stack/**"),
    ],
)  # fmt: skip
def test_a_gap_is_noticed(check: Check, file: str, edit: tuple[str, str], problem: str) -> None:
    texts = {"ci": CI, "tiers": TIERS.text, "pull": PULL.text}
    broken = texts | {file: re.sub(*edit, texts[file], count=1)}
    assert broken != texts
    found = check(broken["ci"], Workflow(broken["tiers"]), Workflow(broken["pull"]))
    assert problem in "\n".join(found)
