"""A release runs its migration first, and then the new build."""

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
    """The migration Job in the cluster."""
    return installation.cluster.get("Job", JOB, NAMESPACE) or {}


def finished(job: Object) -> str:
    conditions = job.get("status", {}).get("conditions", ())
    return next((str(one["lastTransitionTime"]) for one in conditions if one["type"] == "Complete"),
                "")  # fmt: skip


def test_no_new_pod_starts_before_the_migration_is_done(
    installation: Installation, claim: Claimed
) -> None:
    with claim("A 30 s migration: the old pod keeps running, then the new one starts") as measured:
        (before,) = installation.pods(APP)
        with sampled(installation.cluster, NAMESPACE, app=APP) as samples:
            image = release(installation, "a", seconds="30")
            installation.argocd.refresh(APP)
            eventually("the migration running", lambda: images_of(runs(installation)) == {image})
            while not (done := finished(runs(installation))):
                assert set(installation.pods(APP)) <= {before}
            installation.wait(APP)
        (pod,) = installation.pods(APP).values()
        assert pod["metadata"]["creationTimestamp"] >= done
        assert images(installation) == {image}
        measured(f"at most {samples.most_pods} pod")


def images_of(job: Object) -> set[str]:
    template = job.get("spec", {}).get("template", {})
    return {one["image"] for one in template.get("spec", {}).get("containers", ())}


def test_a_failed_migration_changes_no_pod_and_the_next_commit_is_released(
    installation: Installation, claim: Claimed
) -> None:
    with claim("A migration fails: the old build stays, the Application shows why") as measured:
        before = installation.running()
        release(installation, "b", fails="true")
        installation.argocd.refresh(APP)
        reason = eventually("the reason", lambda: complaint(installation), within=120)
        assert installation.running() == before
        measured(reason[:100])
    with claim("... and the next valid commit is released"):
        image = release(installation, "c")
        installation.argocd.refresh(APP)
        installation.wait(APP, within=300)
        assert images(installation) == {image}


def complaint(installation: Installation) -> str:
    application = installation.argocd.applications()[APP]
    return next((one for one in application.messages if "backoff limit" in one), "")


def test_a_change_to_only_the_job_is_synced(installation: Installation, claim: Claimed) -> None:
    with claim("A commit that changes only the migration's arguments runs it, restarts no pod"):
        before, former = installation.running(), runs(installation)["metadata"]["uid"]
        with changed_job(installation) as job:
            job["spec"]["template"]["spec"]["containers"][0]["args"] = ["migrate", "--again"]
        installation.sync("Migrate again", APP)
        found = runs(installation)
        assert found["metadata"]["uid"] != former
        assert found["spec"]["template"]["spec"]["containers"][0]["args"] == ["migrate", "--again"]
        assert finished(found)
        assert installation.running() == before


def test_a_release_works_with_an_existing_secret_while_ssm_is_unreachable(
    installation: Installation, claim: Claimed
) -> None:
    with claim("SSM is unreachable: a release works with the existing Secret") as measured:
        with installation.aws.unreachable():
            installation.external_secrets.force_sync(*SECRET)
            eventually("outage noticed", lambda: installation.external_secrets.fails(*SECRET))
            image = release(installation, "d")
            installation.argocd.refresh(APP)
            eventually("released", lambda: images(installation) == {image}, within=180)
            measured(str(installation.argocd.applications()[APP]))
        installation.external_secrets.force_sync(*SECRET)
        installation.external_secrets.wait_until_synced()


def test_a_changed_secret_fails_the_first_attempt(
    installation: Installation, claim: Claimed
) -> None:
    with claim("... a release that changes its Secret fails once, then uses the old") as measured:
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
            measured(str(installation.argocd.applications()[APP]))


def retrying(installation: Installation) -> bool:
    messages = installation.argocd.applications()[APP].messages
    return any("completed unsuccessfully" in one and "Retrying" in one for one in messages)
