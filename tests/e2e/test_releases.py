"""A release: its migration first, and the new build once that is done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local_cluster.cluster import Object
from local_cluster.installation import Installation
from local_cluster.waiting import eventually
from tests.e2e.conftest import Claimed
from tests.e2e.releases import APP, FILE, JOB, NAMESPACE, changed_job, images, release
from tests.e2e.sampling import sampled

SECRET = ("cryo-indexer-clickhouse", NAMESPACE)


@pytest.fixture(autouse=True)
def restored(installation: Installation) -> Iterator[None]:
    yield
    installation.restore()


def runs(installation: Installation) -> dict[str, Any]:
    """The migrations' Job in the cluster."""
    return installation.cluster.get("Job", JOB, NAMESPACE) or {}


def finished(job: Object) -> str:
    conditions = job.get("status", {}).get("conditions", ())
    return next((str(one["lastTransitionTime"]) for one in conditions if one["type"] == "Complete"),
                "")  # fmt: skip


def test_no_new_pod_starts_before_the_migration_is_done(
    installation: Installation, claim: Claimed
) -> None:
    with claim("A migration of half a minute: the old pod serves, then the new one starts") as told:
        (before,) = installation.pods(APP)
        with sampled(installation.cluster, NAMESPACE, app=APP) as samples:
            image = release(installation, "a", seconds="30")
            installation.argocd.refresh(APP)
            eventually("the migration under way", lambda: images_of(runs(installation)) == {image})
            while not (done := finished(runs(installation))):
                assert set(installation.pods(APP)) <= {before}
            installation.wait(APP)
        (pod,) = installation.pods(APP).values()
        assert pod["metadata"]["creationTimestamp"] >= done
        assert images(installation) == {image}
        told(f"{samples.most_pods} pod at most")


def images_of(job: Object) -> set[str]:
    template = job.get("spec", {}).get("template", {})
    return {one["image"] for one in template.get("spec", {}).get("containers", ())}


def test_a_migration_that_fails_changes_no_pod_and_the_next_commit_goes_through(
    installation: Installation, claim: Claimed
) -> None:
    with claim("A migration fails: the old build stays, the Application says why") as told:
        before = installation.running()
        release(installation, "b", fails="true")
        installation.argocd.refresh(APP)
        said = eventually("the reason", lambda: complaint(installation), within=120)
        assert installation.running() == before
        told(said[:100])
    with claim("... and the next good commit goes through") as told:
        image = release(installation, "c")
        installation.argocd.refresh(APP)
        installation.wait(APP, within=300)
        assert images(installation) == {image}


def complaint(installation: Installation) -> str:
    application = installation.argocd.applications()[APP]
    return next((one for one in application.messages if "backoff limit" in one), "")


def test_a_change_of_the_job_alone_is_synced(installation: Installation, claim: Claimed) -> None:
    with claim("A commit that changes the migration's arguments alone runs it, restarts no pod"):
        before, former = installation.running(), runs(installation)["metadata"]["uid"]
        with changed_job(installation) as job:
            job["spec"]["template"]["spec"]["containers"][0]["args"] = ["migrate", "--again"]
        installation.sync("Migrate again", APP)
        found = runs(installation)
        assert found["metadata"]["uid"] != former
        assert found["spec"]["template"]["spec"]["containers"][0]["args"] == ["migrate", "--again"]
        assert finished(found)
        assert installation.running() == before


def test_an_existing_secret_lets_a_release_through_while_ssm_is_unreachable(
    installation: Installation, claim: Claimed
) -> None:
    with claim("SSM is unreachable: a release goes through with the Secret that is there") as told:
        with installation.aws.unreachable():
            installation.external_secrets.force_sync(*SECRET)
            eventually("outage noticed", lambda: installation.external_secrets.fails(*SECRET))
            image = release(installation, "d")
            installation.argocd.refresh(APP)
            eventually("released", lambda: images(installation) == {image}, within=180)
            told(str(installation.argocd.applications()[APP]))
        installation.external_secrets.force_sync(*SECRET)
        installation.external_secrets.wait_until_synced()


def test_a_secret_that_the_release_changes_stops_its_first_attempt(
    installation: Installation, claim: Claimed
) -> None:
    with claim("... and one whose Secret changes fails once, then runs with the old one") as told:
        before = installation.running()
        with installation.aws.unreachable():
            with installation.changed(FILE, "ExternalSecret", SECRET[0]) as secret:
                data = secret["spec"]["data"]
                data.append({**data[0], "secretKey": "CLICKHOUSE_ALIAS"})
            image = release(installation, "e")
            installation.argocd.refresh(APP)
            eventually("the first attempt failed", lambda: retrying(installation), within=60)
            assert installation.running() == before
            eventually("released", lambda: images(installation) == {image}, within=180)
            told(str(installation.argocd.applications()[APP]))


def retrying(installation: Installation) -> bool:
    messages = installation.argocd.applications()[APP].messages
    return any("completed unsuccessfully" in one and "Retrying" in one for one in messages)
