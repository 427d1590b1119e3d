"""The workflows follow their rules, and each rule detects a violation.

zizmor checks other rules in `make lint`: permissions, triggers, and expressions in scripts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from catalogue.platform import AnalyticsPlatform
from tests.conftest import ROOT
from tests.scan.programs import GITLEAKS

GITHUB = ROOT / ".github"
_PINNED = re.compile(r"uses: (?P<action>[\w./-]+)@(?P<commit>[0-9a-f]{40}) # v\d+\.\d+\.\d+")
_WITHOUT_PULL_REQUESTS = ("github.event_name != 'pull_request'", "github.event_name == 'schedule'")
"""Conditions of jobs that do not run on pull requests start with one of these."""
_WRITES_FILES = re.compile(
    r"\bgit\b.* (archive|checkout|merge|pull|read-tree|reset|restore|show|switch|worktree)(?![\w-])"
    r"|\bgh (pr checkout|repo clone|run download)"
)

Job = dict[str, Any]


class Workflow:
    """One parsed workflow."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.content: dict[Any, Any] = yaml.safe_load(text)
        self.triggers: dict[str, Any] = self.content[True]  # YAML 1.1 parses `on` as True
        self.jobs: dict[str, Job] = self.content["jobs"]

    @classmethod
    def read(cls, path: str) -> Workflow:
        return cls((GITHUB / path).read_text())

    def steps(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, job in self.jobs.items():
            yield from ((name, step) for step in job.get("steps", ()))

    def commands(self, job: str) -> str:
        """The scripts of a job, and those of `.github/scripts` that they run."""
        inline = "\n".join(step.get("run", "") for step in self.jobs[job].get("steps", ()))
        called = re.findall(r"\.github/scripts/([\w.-]+)", inline)
        scripts = [inline, *((GITHUB / "scripts" / name).read_text() for name in called)]
        return "\n".join(scripts).replace("\\\n", " ")

    def runs_pull_requests(self, name: str) -> bool:
        """Whether this job runs on pull requests. Jobs that need a skipped job are skipped."""
        job = self.jobs[name]
        condition = job.get("if", "")
        if "pull_request" not in self.triggers:
            return False
        if condition.startswith(_WITHOUT_PULL_REQUESTS) and "||" not in condition:
            return False
        if re.search(r"\b(always|cancelled|failure)\(\)", condition):  # codespell:ignore cancelled
            return True  # regardless of the jobs that it needs
        needs = job.get("needs", [])
        return all(
            self.runs_pull_requests(need) for need in ([needs] if isinstance(needs, str) else needs)
        )


def exposed(workflow: Workflow) -> Iterator[str]:
    """Permissions and secrets that code of a pull request would get."""
    for name, job in workflow.jobs.items():
        if not workflow.runs_pull_requests(name):
            continue
        if any(level != "read" for level in job.get("permissions", {}).values()):
            yield f"{name} gives a pull request write permission"
        if "environment" in job or re.search(r"\bsecrets\b", str(job)):
            yield f"{name} gives a pull request secrets"


def trusting(workflow: Workflow) -> Iterator[str]:
    """Code of a pull request that writes a comment."""
    if "workflow_run" in workflow.triggers:
        for name, step in workflow.steps():
            if "checkout" in step.get("uses", "") and step["with"].keys() & {"ref", "repository"}:
                yield f"{name} checks out another branch than the default"
            if "github.event.workflow_run.id" in str(step):
                yield f"{name} uses what a run of the pull request wrote"
        for name in workflow.jobs:
            if found := _WRITES_FILES.search(workflow.commands(name)):
                yield f"{name} runs `{found[0]}`, which may write files of a pull request"


def lending(workflow: Workflow) -> Iterator[str]:
    """Tokens that installed packages can read while they handle a pull request."""
    installed = set()
    for name, step in workflow.steps() if "workflow_run" in workflow.triggers else ():
        installed |= {name} if "make" in step.get("run", "") else set()
        if name in installed and re.search(r"github\.token|\bsecrets\b", str(step)):
            yield f"{name} gives installed packages a token"


def leaking(workflow: Workflow) -> Iterator[str]:
    """Checkouts that persist their token on disk."""
    for name, step in workflow.steps():
        kept = step.get("with", {}).get("persist-credentials") is not False
        if "actions/checkout@" in step.get("uses", "") and kept:
            yield f"{name} leaves the token of its checkout on disk"


def endless(workflow: Workflow) -> Iterator[str]:
    """Jobs without a timeout, which may hang for six hours."""
    for name, job in workflow.jobs.items():
        if "timeout-minutes" not in job:
            yield f"{name} has no timeout"


def canceling(workflow: Workflow) -> Iterator[str]:
    """Runs that are not serialized, and runs with side effects that can be canceled."""
    concurrency = workflow.content.get("concurrency", {})
    cancels = concurrency.get("cancel-in-progress")
    if "group" not in concurrency:
        yield "runs are not serialized"
    elif cancels is True and set(workflow.triggers) != {"pull_request"}:
        yield "runs outside of pull requests are canceled"
    elif cancels not in (True, False, "${{ github.event_name == 'pull_request' }}"):
        yield f"the effect of {cancels} is unknown"


def untested(workflow: Workflow) -> Iterator[str]:
    """Pushes of untested images, and rollouts of unpushed images."""
    steps = workflow.jobs["build"]["steps"]
    tests = [n for n, step in enumerate(steps) if "test-image.sh" in step.get("run", "")]
    if len(tests) != 1 or steps[tests[0]].keys() & {"if", "continue-on-error"}:
        yield "the image is not always tested exactly once"
        return
    built = [step["with"] for step in steps if "build-push-action" in step.get("uses", "")]
    for number, step in enumerate(steps):
        uses, inputs = step.get("uses", ""), step.get("with", {})
        if number < tests[0] and ("login-action" in uses or inputs.get("push")):
            yield "an image can be pushed before the test"
        if number > tests[0] and "if" in step:
            yield "a step after the test does not depend on it"
    tested, pushed = built
    for key in tested.keys() - {"tags", "load"}:
        if tested[key] != pushed.get(key):
            yield f"{key} of the pushed image differs from that of the tested image"
    if workflow.jobs["roll-out"].get("needs") != "build":
        yield "the rollout does not wait for the push"


def unproven(workflow: Workflow) -> Iterator[str]:
    """Rollouts and attestations of anything but the digest that the push reported."""
    build, roll_out = workflow.jobs["build"], workflow.jobs["roll-out"]
    pushed = "${{ steps.push.outputs.digest }}"
    pushes = [step for step in build["steps"] if step.get("with", {}).get("push")]
    if [step.get("id") for step in pushes] != ["push"]:
        yield "the step that pushes is unknown"
    subjects = [
        step["with"].get("subject-digest")
        for step in build["steps"]
        if "attest-build-provenance@" in step.get("uses", "")
    ]
    if subjects != [pushed]:
        yield "the attested digest is not the pushed one"
    pins = [step for step in roll_out["steps"] if "ops pin" in step.get("run", "")]
    given = [
        step.get("env", {}).get("DIGEST") for step in pins if '--digest "$DIGEST"' in step["run"]
    ]
    if build.get("outputs") != {"digest": pushed} or given != ["${{ needs.build.outputs.digest }}"]:
        yield "the pinned digest is not the pushed one"


EVERYWHERE = (exposed, trusting, lending, leaking)
Rule = Callable[[Workflow], Iterator[str]]
RULES: dict[str, tuple[Rule, ...]] = {
    **{
        f"workflows/{path.name}": (*EVERYWHERE, endless, canceling)
        for path in sorted((GITHUB / "workflows").iterdir())
    },
    "examples/image.yml": EVERYWHERE,
}
RULES["workflows/build-image.yml"] += (untested, unproven)


@pytest.mark.parametrize("path", RULES)
def test_every_workflow_follows_the_rules(path: str) -> None:
    workflow = Workflow.read(path)
    assert [problem for rule in RULES[path] for problem in rule(workflow)] == []


BUILD, PULL = "build-image.yml", "pull-request.yml"
COMMENT, DEPLOY = "review-comment.yml", "deploy-secrets.yml"
TIERS = "all-tiers.yml"


@pytest.mark.parametrize(
    ("rule", "path", "edit", "problem"),
    [
        (exposed, PULL, ("contents: read", "contents: write"), "gives a pull request write perm"),
        (exposed, PULL, ("contents: read", "id-token: write"), "gives a pull request write perm"),
        (exposed, PULL, ("run: make test", "env: {KEY: '${{ secrets.KEY }}'}\n        run: make"),
         "test gives a pull request secrets"),
        (exposed, PULL, ("run: make test", "env: {KEYS: '${{ toJSON(secrets) }}'}\n        run: m"),
         "test gives a pull request secrets"),
        (exposed, DEPLOY, (r"github.event_name != 'pull_request' && ", ""),
         "deploy gives a pull request write permission"),
        (exposed, DEPLOY, (r"(github.event_name != 'pull_request') &&", r"\1 ||"),
         "deploy gives a pull request secrets"),
        (exposed, DEPLOY, (r"    needs: deploy\n", ""),
         "stack-outputs gives a pull request secrets"),
        (exposed, TIERS, (r"    needs: .*\n    if: .*schedule.*\n", ""),
         "report gives a pull request write permission"),
        (exposed, TIERS, ("event_name == 'schedule' &&", "event_name == 'schedule' ||"),
         "report gives a pull request write permission"),
        (trusting, COMMENT, ("persist-credentials: false",
         "persist-credentials: false\n          ref: ${{ github.event.workflow_run.head_sha }}"),
         "write checks out another branch"),
        (trusting, COMMENT, (r"RUN: .*", "RUN: ${{ github.event.workflow_run.id }}"),
         "comment uses what a run of the pull request wrote"),
        (trusting, COMMENT, (r"(run: .*fetch-commit.sh)", r"\1 && git -C . switch -d FETCH_HEAD"),
         "write runs `git -C . switch`"),
        (trusting, COMMENT, (r"run: .*comment.py", "run: gh pr checkout 7"),
         "comment runs `gh pr checkout`"),
        (lending, COMMENT, ("RUN_URL:", "GH_TOKEN: ${{ github.token }}\n          RUN_URL:"),
         "write gives installed packages a token"),
        (lending, COMMENT, (r"( +- name: Fetch .*\n(?s:.*?))( +- run: make .*?\n)", r"\2\1"),
         "write gives installed packages a token"),
        (leaking, DEPLOY, (r"          persist-credentials: false\n", ""), "diff leaves the token"),
        (leaking, DEPLOY, ("credentials: false", "credentials: true"), "diff leaves the token"),
        (endless, BUILD, (r"    timeout-minutes: 120\n", ""), "build has no timeout"),
        (canceling, PULL, (r"concurrency:\n.*\n.*\n", ""), "runs are not serialized"),
        (canceling, BUILD, ("cancel-in-progress: false", "cancel-in-progress: true"),
         "runs outside of pull requests are canceled"),
        (canceling, DEPLOY, ("== 'pull_request' }}\n\n", "!= '' }}\n\n"), "is unknown"),
        (untested, BUILD, (r"      - name: Test\n(?s:.*?)\n\n", ""), "not always tested"),
        (untested, BUILD, ("name: Test", "name: Test\n        continue-on-error: true"),
         "not always tested"),
        (untested, BUILD, ("name: Test", "name: Test\n        if: github.ref == ''"),
         "not always tested"),
        (untested, BUILD, ("load: true", "push: true"), "can be pushed before the test"),
        (untested, BUILD, (r"( +- name: Build\n(?s:.*?))( +# Log in only(?s:.*?)\n\n)", r"\2\1"),
         "can be pushed before the test"),
        (untested, BUILD, ("name: Push", "name: Push\n        if: always()"), "does not depend on"),
        (untested, BUILD, ("context: service", "context: other"), "context of the pushed image"),
        (untested, BUILD, (r"    needs: build\n", ""), "the rollout does not wait"),
        (unproven, BUILD, (r"        id: push\n", ""), "the step that pushes is unknown"),
        (unproven, BUILD, (r"subject-digest: .+", "subject-digest: latest"),
         "the attested digest is not the pushed one"),
        (unproven, BUILD, (r' --digest "\$DIGEST"', ""), "the pinned digest is not the pushed one"),
        (unproven, BUILD, (r"digest: \$\{\{ steps.push.outputs.digest \}\}\n    steps",
                           "digest: ${{ steps.image.outputs.digest }}\n    steps"),
         "the pinned digest is not the pushed one"),
    ],
)  # fmt: skip
def test_a_violation_is_detected(
    rule: Rule, path: str, edit: tuple[str, str], problem: str
) -> None:
    text = (GITHUB / "workflows" / path).read_text()
    broken = re.sub(*edit, text, count=1, flags=re.MULTILINE)
    assert broken != text
    assert problem in "\n".join(rule(Workflow(broken)))


def test_an_action_is_pinned_to_one_commit_and_its_version() -> None:
    pins: dict[str, set[str]] = {}
    for path in (GITHUB / "workflows").iterdir():
        for line in re.findall(r"uses: .+", path.read_text()):
            found = _PINNED.fullmatch(line)
            assert found, line
            pins.setdefault(found["action"], set()).add(found["commit"])
    assert {action: commits for action, commits in pins.items() if len(commits) > 1} == {}


def test_only_the_default_branch_reviews_and_comments_on_a_pull_request() -> None:
    workflows = {path.name: Workflow(path.read_text()) for path in (GITHUB / "workflows").iterdir()}
    jobs = {(path, job): one.commands(job) for path, one in workflows.items() for job in one.jobs}
    commenting = re.compile(r"\bcomment\.py|\bpr comment|issues/.*/comments")
    assert [job for job in jobs if "ops review" in jobs[job]] == [(COMMENT, "write")]
    assert [job for job in jobs if commenting.search(jobs[job])] == [(COMMENT, "comment")]
    assert set(workflows[COMMENT].triggers) == {"workflow_run"}
    assert workflows[COMMENT].jobs["write"]["permissions"] == {"contents": "read"}
    assert workflows[COMMENT].jobs["comment"]["needs"] == "write"


def test_deployments_run_for_the_paths_shown_on_the_pull_request() -> None:
    triggers = Workflow.read("workflows/deploy-secrets.yml").triggers
    assert triggers["push"]["paths"] == triggers["pull_request"]["paths"]


def test_the_example_calls_an_existing_workflow(platform: AnalyticsPlatform) -> None:
    (job,) = Workflow.read("examples/image.yml").jobs.values()
    called = Workflow.read("workflows/build-image.yml").triggers["workflow_call"]
    repository = platform.repository.removeprefix("https://github.com/").removesuffix(".git")
    assert job["uses"] == f"{repository}/.github/workflows/build-image.yml@{platform.revision}"
    assert job["with"].keys() <= called["inputs"].keys()
    assert job["with"].keys() >= {n for n, i in called["inputs"].items() if i.get("required")}
    assert job["secrets"].keys() == called["secrets"].keys()
    assert job["with"]["service"] in platform.images
    build = Workflow.read("workflows/build-image.yml").jobs["build"]
    assert job["permissions"] == build["permissions"]


def test_dependabot_covers_every_kind_of_dependency() -> None:
    content = yaml.safe_load((GITHUB / "dependabot.yml").read_text())
    kinds = {update["package-ecosystem"] for update in content["updates"]}
    assert kinds == {"github-actions", "npm", "pip"}


def test_the_pre_commit_hook_and_the_scan_use_the_same_gitleaks() -> None:
    hooks = yaml.safe_load((GITHUB.parent / ".pre-commit-config.yaml").read_text())
    (rev,) = (one["rev"] for one in hooks["repos"] if one["repo"].endswith("/gitleaks"))
    assert rev == f"v{GITLEAKS.version}"
