"""Whatever fails, nothing is lost, and the cluster comes back to what is committed."""

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
    """Every fault ends where it began: the same pods, and the cluster as committed."""
    pods, objects = installation.running(), installation.identities()
    yield
    installation.restore()
    eventually("the cluster as committed", installation.is_as_committed)
    assert installation.identities() == objects
    kept = installation.running()
    assert sorted(kept.values()) == sorted(pods.values())


def test_ssm_is_unreachable(installation: Installation, claim: Claimed) -> None:
    with claim("SSM is unreachable: Secrets and pods stay, the status says so"):
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
        said = eventually("the event", lambda: told_of(installation, path))
        found = installation.cluster.get("Secret", *_SECRET)
        assert found == secret
        assert installation.running() == pods
        measured(said[:100])
        installation.aws.put_parameter(path, Parameters.API_KEYS.placeholder)
        installation.external_secrets.force_sync(*_SECRET)
        installation.external_secrets.wait_until_synced()


def told_of(installation: Installation, path: str) -> str:
    said = [line for line in installation.events(_SECRET[1]).splitlines() if path in line]
    return said[0] if said else ""


def release_under_way(installation: Installation) -> str:
    """A release whose migration has just begun; the image that is to run."""
    image = release(installation, "f", seconds="10")
    installation.argocd.refresh(APP)
    installation.argocd.wait_until_syncing(APP)
    return image


@pytest.mark.parametrize("victim", ["kube-apiserver", "argocd-application-controller"])
def test_a_program_is_killed_in_the_middle_of_a_sync(
    installation: Installation, claim: Claimed, victim: str
) -> None:
    with claim("Killed and restarted in the middle of a sync: the sync ends all the same") as told:
        image = release_under_way(installation)
        installation.processes[victim].restart()
        installation.wait(APP)
        assert images(installation) == {image}
        told(victim)


def test_external_secrets_stands_still(installation: Installation, claim: Claimed) -> None:
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
        "An invalid object is committed: the rest runs on, its Application says why"
    ) as told:
        pods = installation.running()
        with installation.changed("crawlers/nebula.k8s.yaml", "Deployment", "nebula") as found:
            found["spec"]["replicas"] = "many"
        installation.repository.commit("Break nebula")
        installation.argocd.refresh()
        said = eventually("the reason", lambda: complaint(installation, "nebula"), within=120)
        others = [n for n in installation.argocd.applications() if n not in ("nebula", "root")]
        installation.wait(*others)
        assert installation.running() == pods
        told(said[:100])


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
