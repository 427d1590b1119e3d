"""After every fault, nothing is lost, and the cluster returns to the committed state."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from catalogue.parameters import Parameters
from local_cluster.installation import Installation
from local_cluster.waiting import eventually
from tests.e2e.conftest import Claimed
from tests.e2e.releases import APP, images, release

_SECRET = ("cerebro-api-secrets", "cerebro")


@pytest.fixture(autouse=True)
def nothing_is_lost(installation: Installation) -> Iterator[None]:
    """After each test, the pods are the same and the cluster matches the repository."""
    pods, objects = installation.running(), installation.identities()
    yield
    installation.restore()
    eventually("the cluster as committed", installation.is_as_committed)
    assert installation.identities() == objects
    kept = installation.running()
    assert sorted(kept.values()) == sorted(pods.values())


def test_ssm_is_unreachable(installation: Installation, claim: Claimed) -> None:
    with claim("SSM is unreachable: Secrets and pods stay, the status shows it"):
        pods, secret = installation.running(), installation.cluster.get("Secret", *_SECRET)
        with installation.aws.unreachable():
            installation.external_secrets.force_sync(*_SECRET)
            eventually("outage noticed", lambda: installation.external_secrets.fails(*_SECRET))
            found = installation.cluster.get("Secret", *_SECRET)
            assert found == secret
            assert installation.running() == pods
        installation.external_secrets.force_sync(*_SECRET)
        installation.external_secrets.wait_until_synced()


def test_a_parameter_is_missing(installation: Installation, claim: Claimed) -> None:
    path = Parameters.API_KEYS.path
    with claim("A parameter is missing: Secret and pods stay, an event names it") as measured:
        pods, secret = installation.running(), installation.cluster.get("Secret", *_SECRET)
        installation.aws.delete_parameter(path)
        installation.external_secrets.force_sync(*_SECRET)
        eventually("loss noticed", lambda: installation.external_secrets.fails(*_SECRET))
        event = eventually("the event", lambda: event_about(installation, path))
        found = installation.cluster.get("Secret", *_SECRET)
        assert found == secret
        assert installation.running() == pods
        measured(event[:100])
        installation.aws.put_parameter(path, Parameters.API_KEYS.placeholder)
        installation.external_secrets.force_sync(*_SECRET)
        installation.external_secrets.wait_until_synced()


def event_about(installation: Installation, path: str) -> str:
    events = installation.events(_SECRET[1]).splitlines()
    return next((line for line in events if path in line), "")


def start_release(installation: Installation) -> str:
    """Start a release and wait for its migration to begin; returns the new image."""
    image = release(installation, "f", seconds="10")
    installation.argocd.refresh(APP)
    installation.argocd.wait_until_syncing(APP)
    return image


@pytest.mark.parametrize("victim", ["kube-apiserver", "argocd-application-controller"])
def test_a_program_is_killed_during_a_sync(
    installation: Installation, claim: Claimed, victim: str
) -> None:
    with claim("Killed and restarted during a sync: the sync still completes") as measured:
        image = start_release(installation)
        installation.processes[victim].restart()
        installation.wait(APP)
        assert images(installation) == {image}
        measured(victim)


def test_external_secrets_is_stopped(installation: Installation, claim: Claimed) -> None:
    with claim("External Secrets is stopped for a while: pods and Secrets stay"):
        pods = installation.running()
        operator = installation.processes["external-secrets"]
        operator.kill()
        installation.aws.put_parameter(Parameters.API_KEYS.path, '{"meanwhile": "tier1"}')
        installation.argocd.refresh()
        installation.wait()
        assert installation.running() == pods
        operator.start()
        operator.wait_until_ready()
        installation.external_secrets.force_sync(*_SECRET)
        installation.external_secrets.wait_until_synced()


def test_an_invalid_object_is_committed(installation: Installation, claim: Claimed) -> None:
    with claim(
        "An invalid object is committed: the rest keeps running, its Application shows the reason"
    ) as measured:
        pods = installation.running()
        with installation.changed("crawlers/nebula.k8s.yaml", "Deployment", "nebula") as found:
            found["spec"]["replicas"] = "many"
        installation.repository.commit("Break nebula")
        installation.argocd.refresh()
        reason = eventually("the reason", lambda: complaint(installation, "nebula"), within=120)
        others = [n for n in installation.argocd.applications() if n not in ("nebula", "root")]
        installation.wait(*others)
        assert installation.running() == pods
        measured(reason[:100])


def complaint(installation: Installation, name: str) -> str:
    messages = installation.argocd.applications()[name].messages
    return next((one for one in messages if "replicas" in one), "")


@pytest.mark.parametrize("folder", ["dist/cerebro", "dist/argocd", "dist"])
def test_a_folder_is_emptied_by_mistake(
    installation: Installation, claim: Claimed, folder: str
) -> None:
    with claim("A folder is emptied by mistake: nothing is deleted") as measured:
        pods, objects = installation.running(), installation.identities()
        applications = set(installation.argocd.applications())
        installation.repository.remove(folder)
        installation.repository.write(f"{folder}/.keep", "")
        installation.repository.commit(f"Empty {folder}")
        installation.argocd.refresh()
        eventually("the loss noticed", lambda: not_synced(installation))
        installation.argocd.refresh()
        assert installation.identities() == objects
        assert installation.running() == pods
        assert set(installation.argocd.applications()) == applications
        measured(folder)


def not_synced(installation: Installation) -> list[str]:
    return [str(one) for one in installation.argocd.applications().values() if one.sync != "Synced"]
