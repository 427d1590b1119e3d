"""One emulator for all deploy tests, empty at the start of each."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from catalogue.stack_outputs import STACK
from tests.conftest import copy_checkout, edit, needed_by_all
from tests.deploy.emulator import Emulator, running_emulator


@pytest.fixture(scope="session")
def emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """The emulator, with CDK's bootstrap resources."""
    with needed_by_all(request, "the AWS emulator", _bootstrapped()) as running:
        yield running


@contextmanager
def _bootstrapped() -> Iterator[Emulator]:
    with running_emulator() as running:
        done = running.run(["cdk", "bootstrap", "--quiet"])
        assert done.returncode == 0, done.stderr
        yield running


class Deployment:
    """A checkout that deploys SecretsStack, and the resulting AWS resources."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self.emulator = emulator
        self.folder = folder
        self.ssm = emulator.client("ssm")
        self.cloudformation = emulator.client("cloudformation")
        self.output = ""
        """The output of all commands so far."""

    def deploy(self) -> int:
        """Run `make deploy-secrets` without prompts; return the exit status."""
        arguments = ["--", "--require-approval", "never", "--progress", "events"]
        return self.run("python", "-m", "ops", "deploy-secrets", *arguments)

    def destroy(self) -> int:
        """Remove the termination protection, and run `cdk destroy`."""
        self.cloudformation.update_termination_protection(
            StackName=STACK, EnableTerminationProtection=False
        )
        return self.run("cdk", "destroy", STACK, "--force")

    def run(self, *command: str) -> int:
        done = self.emulator.run(list(command), self.folder)
        self.output += done.stdout + done.stderr
        return done.returncode

    def edit(self, path: str, old: str, new: str) -> None:
        """Edit a file of the checkout."""
        edit(self.folder / path, old, new)

    def set(self, path: str, value: str) -> None:
        """Set a value as an operator."""
        self.ssm.put_parameter(Name=path, Value=value, Type="SecureString", Overwrite=True)

    def values(self) -> dict[str, tuple[str, str, int]]:
        """Type, value and version of every parameter of the platform."""
        pages = self.ssm.get_paginator("get_parameters_by_path").paginate(
            Path="/cerebro", Recursive=True, WithDecryption=True
        )
        return {
            parameter["Name"]: (parameter["Type"], parameter["Value"], parameter["Version"])
            for page in pages
            for parameter in page["Parameters"]
        }

    def events(self) -> str:
        """Return all CloudFormation events of the stack."""
        pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=STACK)
        return str([event for page in pages for event in page["StackEvents"]])

    def function_log(self) -> str:
        """Return the log of the custom resource's function."""
        logs = self.emulator.client("logs")
        return str(
            [
                logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
                for group in logs.describe_log_groups()["logGroups"]
            ]
        )


@pytest.fixture
def deployment(emulator: Emulator, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment into an account without the stack and parameters."""
    made = Deployment(emulator, copy_checkout(tmp_path / "checkout"))
    yield made
    _empty(made)


def _empty(made: Deployment) -> None:
    stacks: list[dict[str, Any]] = made.cloudformation.describe_stacks()["Stacks"]
    if any(stack["StackName"] == STACK for stack in stacks):
        made.destroy()
    for path in made.values():
        made.ssm.delete_parameter(Name=path)
