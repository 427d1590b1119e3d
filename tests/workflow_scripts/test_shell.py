"""Tests of the shell scripts of the workflows, and of scripts inside workflow files."""

import pytest

from catalogue.installation import INSTALLATION
from catalogue.platform import AnalyticsPlatform
from tests.conftest import ROOT
from tests.workflow_scripts.conftest import SCRIPTS, Runner, inline


def head(runner: Runner) -> str:
    return runner.git("rev-parse", "HEAD", at="service").strip()


class TestNameImage:
    @pytest.fixture
    def named(self, runner: Runner) -> Runner:
        runner.write({"deployments/docker/nebula/Dockerfile": ""})
        (runner.folder / "deployments" / ".github").symlink_to(ROOT / ".github")
        (runner.folder / "service").mkdir()
        runner.git("init", "--quiet", "--initial-branch=main", at="service")
        runner.environment = {
            "SERVICE": "nebula",
            "DOCKERFILE": "",
            "DEFAULT_BRANCH": "main",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_SERVER_URL": f"file://{runner.folder}",
            "GITHUB_REPOSITORY": "service",
            "GIT_COMMITTER_DATE": "2026-01-31T23:30:00-0200",
        }
        runner.commit({"README.md": ""}, at="service")
        runner.environment["GITHUB_SHA"] = head(runner)
        return runner

    def test_the_newest_commit_of_the_default_branch_gets_latest(
        self, named: Runner, platform: AnalyticsPlatform
    ) -> None:
        name = f"{platform.registry}/nebula"
        assert named.run(SCRIPTS / "name-image.sh")[1].splitlines() == [
            f"name={name}",
            "dockerfile=deployments/docker/nebula/Dockerfile",
            "folder=deployments/docker/nebula",
            "created=2026-02-01T01:30:00Z",
            "tags<<END",
            f"{name}:sha-{head(named)}",
            f"{name}:latest",
            "END",
        ]

    def test_a_run_of_an_older_commit_does_not_move_latest(self, named: Runner) -> None:
        commit = head(named)
        named.git("branch", "other/refs/heads/main", at="service")
        named.commit({"README.md": "newer"}, at="service")
        stdout = named.run(SCRIPTS / "name-image.sh")[1]
        assert stdout.endswith(f":sha-{commit}\nEND\n")

    def test_without_an_answer_nothing_is_named(self, named: Runner) -> None:
        status, stdout, stderr = named.run(SCRIPTS / "name-image.sh", GITHUB_REPOSITORY="gone")
        assert (status, stdout) == (128, "")
        assert "gone" in stderr

    @pytest.mark.parametrize("ref", ["refs/heads/fix", "refs/tags/main", "refs/heads/main2"])
    def test_other_refs_do_not_get_latest(self, named: Runner, ref: str) -> None:
        stdout = named.run(SCRIPTS / "name-image.sh", GITHUB_REF=ref)[1]
        assert f":sha-{head(named)}\n" in stdout
        assert "latest" not in stdout

    def test_a_service_can_have_its_own_dockerfile(self, named: Runner) -> None:
        named.write({"service/Dockerfile": ""})
        stdout = named.run(SCRIPTS / "name-image.sh", DOCKERFILE="Dockerfile")[1]
        assert "dockerfile=service/Dockerfile\nfolder=service\n" in stdout

    @pytest.mark.parametrize(
        ("variables", "message"),
        [
            ({"SERVICE": "Nebula"}, "invalid service name 'Nebula'"),
            ({"SERVICE": "a\nb=c"}, "invalid service name"),
            ({"SERVICE": "../nebula"}, "invalid service name"),
            ({"SERVICE": "nebule"}, "deployments/docker/nebule/Dockerfile does not exist"),
            ({"DOCKERFILE": "Dockerfile"}, "service/Dockerfile does not exist"),
        ],
    )
    def test_invalid_input_is_reported(
        self, named: Runner, variables: dict[str, str], message: str
    ) -> None:
        status, stdout, stderr = named.run(SCRIPTS / "name-image.sh", **variables)
        assert (status, stdout) == (1, "")
        assert message in stderr


@pytest.mark.parametrize(
    ("built", "test", "status", "output"),
    [
        ("linux/arm64 as 1000:1000", 'echo "tested $IMAGE"', 0, "tested an/image:test"),
        ("linux/arm64 as 1000:1000", "false\necho went on", 1, ""),
        ("linux/arm64 as 1000:1000", "false | true\necho went on", 1, ""),
        ("linux/arm64 as 1000:1000", " \n", 1, "no commands to test an/image:test"),
        ("linux/amd64 as 1000:1000", "true", 1, "is linux/amd64 as 1000:1000, but the charts req"),
        (
            "linux/arm64 as ",
            "true",
            1,
            "is linux/arm64 as , but the charts require linux/arm64 as 1000",
        ),
    ],
)
def test_an_image_is_tested(
    runner: Runner, built: str, test: str, status: int, output: str
) -> None:
    runner.program("docker", f"echo '{built}'")
    done = runner.run(SCRIPTS / "test-image.sh", IMAGE="an/image:test", TEST=test)
    assert done[0] == status
    assert output in done[1] + done[2]
    assert "went on" not in done[1]


class TestPropose:
    @pytest.fixture
    def cloned(self, runner: Runner) -> Runner:
        runner.write({"body.md": "what was done\n"})
        runner.git("init", "--quiet", "--bare", "--initial-branch=main", "origin")
        runner.git("clone", "--quiet", "origin", "clone")
        runner.commit({"one.pin": "latest\n"}, at="clone")
        runner.git("push", "--quiet", "origin", "main", at="clone")
        runner.program("gh")
        return runner

    def propose(self, runner: Runner) -> tuple[int, str, str]:
        arguments = ("pin/one", "Roll out one", str(runner.folder / "body.md"))
        return runner.run(SCRIPTS / "propose.sh", *arguments, at="clone", AUTHOR="bot[bot]")

    def test_changes_are_pushed_and_proposed(self, cloned: Runner) -> None:
        cloned.write({"clone/one.pin": "sha-1\n", "clone/new.yaml": "kind: New\n"})
        assert self.propose(cloned)[0] == 0
        assert cloned.git("show", "pin/one:one.pin", "pin/one:new.yaml", at="origin") == (
            "sha-1\nkind: New\n"
        )
        assert cloned.git("log", "-1", "--format=%an: %B", "pin/one", at="origin").strip() == (
            "bot[bot]: Roll out one\n\nwhat was done"
        )
        assert cloned.git("show", "main:one.pin", at="origin") == "latest\n"
        body = cloned.folder / "body.md"
        assert cloned.calls[0] == "gh auth setup-git"
        assert cloned.calls[-1] == (
            f"gh pr create --base main --head pin/one --title Roll out one --body-file {body}"
        )

    def test_an_open_pull_request_is_updated(self, cloned: Runner) -> None:
        cloned.write({"clone/one.pin": "sha-1\n"})
        self.propose(cloned)
        cloned.git("switch", "--quiet", "main", at="clone")
        cloned.write({"clone/one.pin": "sha-2\n"})
        cloned.program("gh", '[ "$2" = list ] && echo 7; exit 0')
        assert self.propose(cloned)[0] == 0
        assert cloned.git("show", "pin/one:one.pin", at="origin") == "sha-2\n"
        assert cloned.git("rev-list", "--count", "main..pin/one", at="origin") == "1\n"
        assert cloned.calls[-1].startswith("gh pr edit 7 --title Roll out one")

    def test_without_changes_nothing_is_proposed(self, cloned: Runner) -> None:
        assert self.propose(cloned)[1] == "Nothing has changed; no pull request is needed.\n"
        assert cloned.calls == []


class TestTemplateDiff:
    def test_it_compares_with_the_snapshot_of_the_revision(self, runner: Runner) -> None:
        runner.program("cdk", 'cat "$4"')
        snapshot = "stacks/SecretsStack.template.json"
        runner.git("init", "--quiet")
        runner.commit({snapshot: "{}"})
        runner.commit({snapshot: '{"before": 1}'})
        runner.commit({snapshot: '{"after": 1}'})
        status, stdout, _ = runner.run(SCRIPTS / "template-diff.sh", "HEAD^1")
        assert status == 0
        assert '```\n{"before": 1}```\n' in stdout
        assert runner.calls[0].startswith("cdk diff SecretsStack --template ")

    def test_a_first_template_is_new_and_errors_of_cdk_are_passed_on(self, runner: Runner) -> None:
        runner.program("cdk", 'cat "$4"; exit 3')
        runner.git("init", "--quiet")
        runner.commit({"README.md": ""})
        status, stdout, _ = runner.run(SCRIPTS / "template-diff.sh", "HEAD")
        assert (status, stdout) == (3, "### SecretsStack\n\n```\n{}\n")

    def test_a_missing_revision_is_reported(self, runner: Runner) -> None:
        runner.git("init", "--quiet")
        runner.commit({"README.md": ""})
        status, stdout, stderr = runner.run(SCRIPTS / "template-diff.sh", "HEAD^1")
        assert (status, stdout) == (1, "")
        assert "revision HEAD^1 does not exist in this clone" in stderr


class TestInline:
    @pytest.mark.parametrize("pinned", [True, False])
    def test_only_the_newest_commit_is_pinned(self, runner: Runner, *, pinned: bool) -> None:
        (runner.folder / "service").mkdir()
        runner.git("init", "--quiet", "--initial-branch=main", at="service")
        runner.commit({"README.md": ""}, at="service")
        (runner.folder / ".github").symlink_to(ROOT / ".github")
        runner.program("python", "echo pinned")
        built = head(runner)
        if not pinned:
            runner.commit({"README.md": "newer"}, at="service")
        status = inline(
            runner, "build-image.yml", "roll-out", "Pin the image",
            SERVICE="nebula", DIGEST="sha256:1", COMMIT="https://example.org/1",
            GITHUB_SHA=built, GITHUB_REF="refs/heads/main", GITHUB_REPOSITORY="service",
            GITHUB_SERVER_URL=f"file://{runner.folder}", RUNNER_TEMP=str(runner.folder),
        )  # fmt: skip
        assert status == 0
        assert runner.calls == (
            [f"python -m ops pin nebula {built} --digest sha256:1"] if pinned else []
        )
        assert (runner.folder / "body.md").exists() == pinned

    def test_the_region_is_that_of_the_installation(self, runner: Runner) -> None:
        for name in ("catalogue", "constructs_lib"):
            (runner.folder / name).symlink_to(ROOT / name)
        output = runner.folder / "output"
        inline(runner, "deploy-secrets.yml", "deploy", "Read the region", GITHUB_OUTPUT=str(output))
        assert output.read_text() == f"region={INSTALLATION.region}\n"

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({}, 0),
            ({"dist/one.yaml": "edited\n"}, 1),
            ({"dist/new.yaml": "added\n"}, 1),
            ({"dist/one.yaml": None}, 1),
        ],
    )
    def test_a_file_that_differs_from_the_charts_fails(
        self, runner: Runner, change: dict[str, str | None], status: int
    ) -> None:
        runner.git("init", "--quiet")
        runner.commit({"dist/one.yaml": "one\n", "dist/two.yaml": "two\n"})
        runner.write(change)
        name = "Check that dist/ is up to date"
        assert inline(runner, "pull-request.yml", "rendered", name) == status
