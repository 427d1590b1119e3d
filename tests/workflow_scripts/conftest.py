"""A fake GitHub runner with fake gh, docker and cdk programs, and the real git."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, program, run

SCRIPTS = ROOT / ".github" / "scripts"
COMMIT = 40 * "c"


@dataclass
class Runner:
    """A fake runner: a directory, an environment, and programs that record their calls."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def program(self, name: str, body: str = "") -> None:
        """Put a fake program on the PATH; `body` is a shell script."""
        recording = f'echo "{name} $*" >> "{self.folder}/calls"\n{body}'
        program(self.folder / "bin" / name, recording)

    @property
    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def run(self, *command: str | Path, at: str = "", **variables: str) -> tuple[int, str, str]:
        environment = {
            **os.environ,
            **self.environment,
            **variables,
            "HOME": str(self.folder),
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        done = run(*command, folder=self.folder / at, environment=environment)
        return done.returncode, done.stdout, done.stderr

    def git(self, *arguments: str, at: str = "") -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        status, stdout, stderr = self.run("git", *identity, *arguments, at=at)
        assert status == 0, stderr
        return stdout

    def write(self, files: Mapping[str, str | None], at: str = "") -> None:
        """Write files by path; None removes a file."""
        for path, text in files.items():
            file = self.folder / at / path
            if text is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)

    def commit(self, files: Mapping[str, str | None], at: str = "") -> None:
        self.write(files, at)
        self.git("add", "--all", at=at)
        self.git("commit", "--quiet", "--message", "one", at=at)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def inline(
    runner: Runner, workflow: str, job: str, name: str, *, at: str = "", **variables: str
) -> int:
    """Run a script of a workflow file; returns the exit status."""
    content = yaml.safe_load((ROOT / ".github" / "workflows" / workflow).read_text())
    (step,) = [step for step in content["jobs"][job]["steps"] if step.get("name") == name]
    return runner.run("bash", "-eo", "pipefail", "-c", step["run"], at=at, **variables)[0]
