"""After every fault, nothing is lost, and the cluster returns to the committed state."""

from collections.abc import Iterator

import pytest

from catalogue.parameters import Parameters
from local_cluster.processes import eventually
from tests.deploy.emulator import Emulator
from tests.e2e.conftest import Claimed
from tests.e2e.installed import Installed
from tests.e2e.test_releases import APP, message, release

_SECRET = ("cerebro-api-secrets", "cerebro")


@pytest.fixture(autouse=True)
def nothing_is_lost(installation: Installed) -> Iterator[None]:
    """After each test, the pods are the same and the cluster matches the repository."""
    pods, objects = installation.running(), installation.identities()
    yield
    installation.restore()
    eventually("the cluster as committed", installation.is_as_committed)
    assert installation.identities() == objects
    kept = installation.running()
    assert sorted(kept.values()) == sorted(pods.values())


def test_ssm_is_unreachable(installation: Installed, claim: Claimed) -> None:
    with claim("SSM is unreachable: Secrets and pods stay, the status shows it"):
        pods, secret = installation.running(), installation.cluster.get("Secret", *_SECRET)
        with installation.aws_unreachable():
            installation.fail_to_sync_secret(*_SECRET)
            assert installation.cluster.get("Secret", *_SECRET) == secret
            assert installation.running() == pods
        installation.sync_secret(*_SECRET)


def test_a_parameter_is_missing(installation: Installed, claim: Claimed) -> None:
    path = Parameters.API_KEYS.path

    def event() -> str:
        """The message of an event that names the parameter."""
        events = installation.cluster.list("Event", _SECRET[1])
        lines = (line for event in events for line in event.get("message", "").splitlines())
        return next((line for line in lines if path in line), "")

    with claim("A parameter is missing: Secret and pods stay, an event names it") as measured:
        pods, secret = installation.running(), installation.cluster.get("Secret", *_SECRET)
        Emulator(installation.processes).client("ssm").delete_parameter(Name=path)
        installation.fail_to_sync_secret(*_SECRET)
        measured(eventually("the event", event)[:100])
        assert installation.cluster.get("Secret", *_SECRET) == secret
        assert installation.running() == pods
        installation.put_parameter(path, Parameters.API_KEYS.placeholder)
        installation.sync_secret(*_SECRET)


@pytest.mark.parametrize("victim", ["kube-apiserver", "argocd-application-controller"])
def test_a_program_is_killed_during_a_sync(
    installation: Installed, claim: Claimed, victim: str
) -> None:
    with claim("Killed and restarted during a sync: the sync still completes") as measured:
        image = release(installation, "f", seconds="10")
        eventually(
            "a sync is running",
            lambda: installation.argocd.applications()[APP].operation == "Running",
            every=0.05,
        )
        installation.processes[victim].restart()
        installation.wait(APP)
        assert installation.images(APP) == {image}
        measured(victim)


def test_external_secrets_is_stopped(installation: Installed, claim: Claimed) -> None:
    with claim("External Secrets is stopped for a while: pods and Secrets stay"):
        pods = installation.running()
        operator = installation.processes["external-secrets"]
        operator.kill()
        installation.put_parameter(Parameters.API_KEYS.path, '{"meanwhile": "tier1"}')
        installation.argocd.refresh()
        installation.wait()
        assert installation.running() == pods
        operator.restart()
        installation.sync_secret(*_SECRET)


def test_an_invalid_object_is_committed(installation: Installed, claim: Claimed) -> None:
    with claim(
        "An invalid object is committed: the rest keeps running, its Application shows the reason"
    ) as measured:
        pods, repository = installation.running(), installation.repository
        with installation.edited("crawlers/nebula.k8s.yaml", "Deployment", "nebula") as nebula:
            nebula["spec"]["replicas"] = "many"
        repository.commit("Break nebula")
        installation.argocd.refresh()
        reason = eventually("the reason", lambda: message(installation, "nebula", "replicas"), 120)
        others = [n for n in installation.argocd.applications() if n not in ("nebula", "root")]
        installation.wait(*others)
        assert installation.running() == pods
        measured(reason[:100])


@pytest.mark.parametrize("folder", ["dist/cerebro", "dist/argocd", "dist"])
def test_a_folder_is_emptied_by_mistake(
    installation: Installed, claim: Claimed, folder: str
) -> None:
    def out_of_sync() -> bool:
        return any(app.sync != "Synced" for app in installation.argocd.applications().values())

    with claim("A folder is emptied by mistake: nothing is deleted") as measured:
        pods, objects = installation.running(), installation.identities()
        applications = set(installation.argocd.applications())
        installation.repository.remove(folder)
        installation.repository.write(f"{folder}/.keep", "")
        installation.repository.commit(f"Empty {folder}")
        installation.argocd.refresh()
        eventually("the loss noticed", out_of_sync)
        installation.argocd.refresh()
        assert installation.identities() == objects
        assert installation.running() == pods
        assert set(installation.argocd.applications()) == applications
        measured(folder)
