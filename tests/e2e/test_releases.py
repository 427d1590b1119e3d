"""Releases through git: rolling updates, single writers, and migrations before new builds."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from constructs_lib.manifests.argocd import FINGERPRINT, fingerprint
from constructs_lib.model import Manifest
from local_cluster.processes import eventually
from tests.e2e.conftest import Claimed
from tests.e2e.installed import Installed
from tests.e2e.sampling import Samples, sampled

APP, JOB, NAMESPACE = "cryo-indexer", "cryo-indexer-migrations", "crawlers"
FILE = f"{NAMESPACE}/{APP}.k8s.yaml"
SECRET = ("cryo-indexer-clickhouse", NAMESPACE)

pytestmark = pytest.mark.usefixtures("restored")


@contextmanager
def changed_job(installation: Installed) -> Iterator[Manifest]:
    """Yield the migration Job in dist/ for changes, and update its fingerprint."""
    with installation.edited(FILE, "Job", JOB) as job:
        yield job
    with installation.edited(FILE, "ServiceAccount", JOB) as account:
        account["metadata"]["annotations"][FINGERPRINT] = fingerprint(job)


def release(installation: Installed, commit: str, **annotations: str) -> str:
    """Release a new build of the indexer and its migrations; returns the new image."""
    image = f"ghcr.io/gnosischain/{APP}:sha-{commit * 40}"
    with changed_job(installation) as job:
        template = job["spec"]["template"]
        template["spec"]["containers"][0]["image"] = image
        notes = template["metadata"]["annotations"]
        kept = {name: value for name, value in notes.items() if not name.startswith("test/")}
        added = {f"test/{name}": value for name, value in annotations.items()}
        template["metadata"]["annotations"] = {**kept, **added}
        job["spec"]["backoffLimit"] = 0
    with installation.edited(FILE, "Deployment", APP) as deployment:
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image
    installation.repository.commit(f"Release {commit * 7}")
    installation.argocd.refresh(APP)
    return image


def message(installation: Installed, application: str, *words: str) -> str:
    """The first message of an Application that contains these words, or an empty text."""
    messages = installation.argocd.applications()[application].messages
    return next((text for text in messages if all(word in text for word in words)), "")


def rolled_out(
    installation: Installed, name: str, commit: str, unavailable: int | None = None
) -> Samples:
    """Pin an image through git, and sample the service until all old pods are gone.

    `unavailable` is the maxUnavailable of another strategy, RollingUpdate.
    """
    namespace, _, app = name.partition("/")
    with installation.edited(f"{name}.k8s.yaml", "Deployment", app) as deployment:
        spec = deployment["spec"]
        image = f"ghcr.io/gnosischain/{app}:sha-{commit * 40}"
        spec["template"]["spec"]["containers"][0]["image"] = image
        if unavailable is not None:
            limits = {"maxSurge": 1, "maxUnavailable": unavailable}
            spec["strategy"] = {"type": "RollingUpdate", "rollingUpdate": limits}
    service = app if app == "cerebro-api" else ""
    cluster = installation.cluster
    with sampled(cluster, namespace, app=app, service=service) as samples:
        installation.sync(f"Pin {app} to {commit * 7}", app)
        eventually(
            "old pods gone",
            lambda: len(cluster.list("Pod", namespace, f"app={app}")) == spec["replicas"],
        )
    assert installation.images(app) == {image}
    return samples


def test_the_api_keeps_two_ready_and_starts_one_more(
    installation: Installed, claim: Claimed
) -> None:
    name = "cerebro/cerebro-api"
    with claim("A new image of cerebro-api: never fewer than two ready, one surge pod") as measured:
        samples = rolled_out(installation, name, "a")
        assert (samples.fewest_ready, samples.most_wanted_pods) == (2, 3), samples
        measured(samples)
    with claim("... and with maxUnavailable 1 the same test fails") as measured:
        samples = rolled_out(installation, name, "b", unavailable=1)
        assert samples.fewest_ready < 2, samples
        measured(samples)


def test_a_single_writer_never_runs_twice(installation: Installed, claim: Claimed) -> None:
    with claim("A new image of nebula: never two pods at once") as measured:
        samples = rolled_out(installation, "crawlers/nebula", "a")
        assert samples.most_pods == 1, samples
        measured(samples)
    with claim("... and as RollingUpdate the same test fails") as measured:
        samples = rolled_out(installation, "crawlers/nebula", "b", unavailable=0)
        assert samples.most_pods > 1, samples
        measured(samples)


def migration(installation: Installed) -> Manifest:
    """The migration Job in the cluster."""
    return installation.cluster.get("Job", JOB, NAMESPACE) or {}


def finished(job: Manifest) -> str:
    """When the Job completed, or an empty text."""
    conditions = job.get("status", {}).get("conditions", ())
    times = {condition["type"]: condition["lastTransitionTime"] for condition in conditions}
    return str(times.get("Complete", ""))


def test_no_new_pod_starts_before_the_migration_is_done(
    installation: Installed, claim: Claimed
) -> None:
    def migrates() -> bool:
        pods = installation.cluster.list("Pod", NAMESPACE, f"batch.kubernetes.io/job-name={JOB}")
        return image in [pod["spec"]["containers"][0]["image"] for pod in pods]

    with claim("A 30 s migration: the old pod keeps running, then the new one starts") as measured:
        (before,) = installation.pods(APP)
        with sampled(installation.cluster, NAMESPACE, app=APP) as samples:
            image = release(installation, "a", seconds="30")
            eventually("the migration running", migrates)
            while not (done := finished(migration(installation))):
                assert set(installation.pods(APP)) <= {before}
            installation.wait(APP)
        (pod,) = installation.pods(APP).values()
        assert pod["metadata"]["creationTimestamp"] >= done
        assert installation.images(APP) == {image}
        measured(f"at most {samples.most_pods} pod")


def test_a_failed_migration_changes_no_pod_and_the_next_commit_is_released(
    installation: Installed, claim: Claimed
) -> None:
    with claim("A migration fails: the old build stays, the Application shows why") as measured:
        before = installation.running()
        release(installation, "b", fails="true")
        reason = eventually("the reason", lambda: message(installation, APP, "backoff limit"), 120)
        assert installation.running() == before
        measured(reason[:100])
    with claim("... and the next valid commit is released"):
        image = release(installation, "c")
        installation.wait(APP)
        assert installation.images(APP) == {image}


def test_a_change_to_only_the_job_is_synced(installation: Installed, claim: Claimed) -> None:
    with claim("A commit that changes only the migration's arguments runs it, restarts no pod"):
        before, former = installation.running(), migration(installation)["metadata"]["uid"]
        with changed_job(installation) as job:
            job["spec"]["template"]["spec"]["containers"][0]["args"] = ["migrate", "--again"]
        installation.sync("Migrate again", APP)
        stored = migration(installation)
        assert stored["metadata"]["uid"] != former
        assert stored["spec"]["template"]["spec"]["containers"][0]["args"] == ["migrate", "--again"]
        assert finished(stored)
        assert installation.running() == before


def test_a_release_works_with_an_existing_secret_while_ssm_is_unreachable(
    installation: Installed, claim: Claimed
) -> None:
    with claim("SSM is unreachable: a release works with the existing Secret") as measured:
        with installation.aws_unreachable():
            installation.fail_to_sync_secret(*SECRET)
            image = release(installation, "d")
            eventually("released", lambda: installation.images(APP) == {image}, within=180)
            measured(str(installation.argocd.applications()[APP]))
        installation.sync_secret(*SECRET)


def test_a_changed_secret_fails_the_first_attempt(installation: Installed, claim: Claimed) -> None:
    def retrying() -> str:
        return message(installation, APP, "completed unsuccessfully", "Retrying")

    with claim("... a release that changes its Secret fails once, then uses the old") as measured:
        before = installation.running()
        with installation.aws_unreachable():
            with installation.edited(FILE, "ExternalSecret", SECRET[0]) as secret:
                data = secret["spec"]["data"]
                data.append({**data[0], "secretKey": "CLICKHOUSE_ALIAS"})
            image = release(installation, "e")
            eventually("the first attempt failed", retrying)
            assert installation.running() == before
            eventually("released", lambda: installation.images(APP) == {image}, within=180)
            measured(str(installation.argocd.applications()[APP]))
