"""An AWS account and a cluster with the platform, and a runner of commands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import Result

from catalogue.parameters import Parameters
from charts import registry
from constructs_lib.kubernetes import App
from ops import aws, jobs, rendered
from ops.secrets import rotation
from tests import fixed
from tests.conftest import needed_by_all
from tests.deploy.emulator import Emulator, running_emulator
from tests.ops.conftest import error_of, invoke
from tests.ops.day_two.api_server import ApiServer, over_http
from tests.ops.day_two.world import Account, World

SECRET = "known-to-the-test"  # noqa: S105 in every value, so that it can be searched for


@pytest.fixture(scope="session")
def app() -> App:
    return fixed.app()


@pytest.fixture(scope="session")
def dist(app: App) -> dict[str, str]:
    """The files of dist/, text by path."""
    return registry.write(app.files(), fixed.platform())


@pytest.fixture(scope="session")
def emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """One AWS emulator for all tests; its log must not contain values."""
    with needed_by_all(request, "the AWS emulator", running_emulator()) as running:
        yield running
        assert SECRET not in running.log


@pytest.fixture
def account(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """Every parameter as SecretsStack creates it, with its placeholder."""
    made = Account(emulator.client("ssm"))
    for parameter in Parameters:
        made.put(parameter, parameter.placeholder)
    for name, value in {**emulator.processes.aws_variables, "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    yield made
    for path in made.values():
        made.ssm.delete_parameter(Name=path)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Invalid credentials, isolated from those of the developer."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def api(kubeconfig: Path) -> Iterator[ApiServer]:
    """An API server in the kubeconfig."""
    server = ApiServer()
    with over_http(server, kubeconfig):
        yield server


@pytest.fixture
def world(api: ApiServer, account: Account, app: App) -> World:
    """The platform in the cluster, synced with the account."""
    return World(api, app.files().objects, account)


@pytest.fixture
def run(
    dist: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Run:
    """Runs a command; its output and log must not contain values."""
    monkeypatch.setattr(rendered, "files", lambda: dist)
    monkeypatch.setattr(rendered, "render", lambda: dist)
    monkeypatch.setattr(rotation, "POLL_SECONDS", 0)
    monkeypatch.setattr(jobs, "POLL_SECONDS", 0)
    return Run(caplog)


@dataclass(frozen=True)
class Run:
    """The command line, inside this process."""

    caplog: pytest.LogCaptureFixture

    def __call__(self, *arguments: str, given: str | bytes = "") -> Result:
        """Return the result of `python -m ops <arguments>`, with `given` on standard input."""
        aws.client.cache_clear()  # the environment may have changed
        result = invoke(*arguments, given=given)
        assert SECRET not in result.output + self.caplog.text
        return result

    def refused(self, *arguments: str, given: str | bytes = "") -> str:
        """Return the only error of a command that fails."""
        return error_of(self(*arguments, given=given))
