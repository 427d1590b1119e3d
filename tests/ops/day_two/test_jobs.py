"""Scheduled jobs, and runs by hand: never two at once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from ops import jobs
from ops.cluster import Cluster
from tests.ops.day_two.api_server import ApiServer, Object
from tests.ops.day_two.conftest import Run
from tests.ops.day_two.world import World

NAME = "click-runner-ember"
RUN = ("jobs", "run", NAME, "--yes")
NOWHERE = "http://127.0.0.1:1"
JOBS = "/apis/batch/v1/namespaces/crawlers/jobs"


def moment(minutes_ago: int) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()


def job(name: str, started: int, ended: int | None = None, *, failed: bool = False) -> Object:
    """Return a Job of the CronJob, with its start and end in minutes ago."""
    condition = {
        "type": "Failed" if failed else "Complete",
        "status": "True",
        "lastTransitionTime": moment(ended or 0),
        "message": "Job has reached the specified backoff limit",
    }
    return {
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": "crawlers",
            "ownerReferences": [{"kind": "CronJob", "name": NAME}],
        },
        "status": {
            "startTime": moment(started),
            "conditions": [condition] if ended is not None else [],
        },
    }


def test_without_the_cluster_the_schedules_are_listed(run: Run) -> None:
    done = run("jobs", "--offline")
    assert done.exit_code == 0
    (line,) = [text for text in done.stdout.splitlines() if NAME in text]
    assert "daily at 02:00" in line
    assert "from now" in line


def test_the_list_says_how_the_last_runs_went(world: World, api: ApiServer, run: Run) -> None:
    api.objects[f"{JOBS}/old"] = job("old", started=3000, ended=2990)
    api.objects[f"{JOBS}/new"] = job("new", started=180, ended=175, failed=True)
    world.object("CronJob", "crawlers", "click-runner-cow")["spec"]["suspend"] = True
    done = run("jobs")
    lines = {text.split()[0]: text for text in done.stdout.splitlines()}
    assert "3 hours ago: failed in 5 minutes" in lines[f"crawlers/{NAME}"]
    assert "never" in lines["crawlers/click-runner-defillama"]
    assert "suspended" in lines["crawlers/click-runner-cow"]

    rows = {row["name"]: row for row in json.loads(run("jobs", "--json").stdout)}
    assert rows[NAME]["last"]["outcome"] == "failed"
    assert datetime.fromisoformat(rows[NAME]["next"]) > datetime.now(UTC)
    assert rows["click-runner-cow"]["next"] is None


@pytest.fixture
def ending(world: World, api: ApiServer) -> dict[str, Object]:
    """The condition of every new Job; each has one pod, which prints two lines."""
    how: dict[str, Object] = {"type": "Complete", "status": "True"}  # type: ignore[dict-item]
    world.api.on_change = lambda path: end(api, path, how)
    return how


def end(api: ApiServer, path: str, how: Object) -> None:
    made = api.objects[path]
    name = made["metadata"]["name"]
    condition = {**how, "lastTransitionTime": moment(0)}
    made["status"] = {"startTime": moment(2), "conditions": [condition]}
    states = [{"terminated": {"startedAt": started}} for started in (moment(2), None)]
    api.objects[f"/api/v1/namespaces/crawlers/pods/{name}-x"] = {
        "metadata": {"name": f"{name}-x", "labels": {"job-name": name}},
        "status": {"phase": "Succeeded", "containerStatuses": [{"state": one} for one in states]},
    }
    api.logs[f"{name}-x"] = "first line\n[bold]second line\n"


@pytest.mark.usefixtures("ending")
def test_a_job_runs_as_the_cron_job_in_the_cluster_says(
    world: World, api: ApiServer, run: Run
) -> None:
    done = run(*RUN)
    assert done.exit_code == 0, done.output
    assert done.stdout == "first line\n[bold]second line\n"
    assert "crawlers/click-runner-ember-manual-1 succeeded after 2 minutes" in done.stderr
    made = api.objects[f"{JOBS}/{NAME}-manual-1"]
    template = world.object("CronJob", "crawlers", NAME)["spec"]["jobTemplate"]["spec"]
    assert made["spec"] == template
    assert made["metadata"]["annotations"] == {"cronjob.kubernetes.io/instantiate": "manual"}
    assert made["metadata"]["ownerReferences"][0]["name"] == NAME
    again = run("jobs", "run", f"crawlers/{NAME}", "--yes", "--no-follow")
    assert again.exit_code == 0
    assert f"{JOBS}/{NAME}-manual-2" in api.objects


def test_a_job_that_fails_ends_with_a_status(ending: dict[str, Object], run: Run) -> None:
    ending |= {"type": "Failed", "message": "backoff limit"}  # type: ignore[dict-item]
    assert "crawlers/click-runner-ember-manual-1 failed after 2 minutes" in run.refused(*RUN)


@pytest.mark.usefixtures("world")
def test_a_second_run_is_refused(api: ApiServer, run: Run) -> None:
    api.objects[f"{JOBS}/running"] = job("running", started=10)
    assert f"crawlers/{NAME} is already running: running, started 10 minutes ago" in run.refused(
        *RUN
    )

    del api.objects[f"{JOBS}/running"]
    api.objects["/api/v1/namespaces/crawlers/pods/stray"] = {
        "metadata": {
            "name": "stray",
            "labels": {"app": NAME},
            "creationTimestamp": moment(1),
            "deletionTimestamp": moment(0),  # but it may still write
        },
        "spec": {"containers": [{}]},
    }
    assert "is already running: pod stray" in run.refused(*RUN)
    assert api.changes == []


@pytest.mark.usefixtures("world")
def test_of_two_concurrent_starts_one_fails(
    api: ApiServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = jobs.start

    def meanwhile(cluster: Cluster, cron_job: Object, name: str) -> None:
        api.objects[f"{JOBS}/{name}"] = job(name, started=0)
        start(cluster, cron_job, name)

    monkeypatch.setattr(jobs, "start", meanwhile)
    assert f"{NAME}-manual-1 was started by another user at the same time" in run.refused(*RUN)


@pytest.mark.usefixtures("world")
def test_a_context_before_the_command_applies_to_it(
    api: ApiServer, run: Run, tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    content = yaml.safe_load(kubeconfig.read_text("utf-8"))
    content["contexts"].append({"name": "staging", "context": {"cluster": "far", "user": "test"}})
    content["clusters"].append({"name": "far", "cluster": {"server": NOWHERE}})
    kubeconfig.write_text(yaml.safe_dump(content), "utf-8")

    start = ("run", NAME, "--yes", "--no-follow")
    for context, problem in {
        "staging": f"the cluster of context staging cannot be reached at {NOWHERE}",
        "nope": "the kubeconfig has no context nope; use one of: test, staging",
    }.items():
        assert problem in run.refused("jobs", "--context", context, *start)
    for option in ("--json", "--offline"):
        done = run("jobs", option, *start)
        assert (done.exit_code, "omit them before `run`" in done.stderr) == (2, True)
    assert api.changes == []
    for before, after in (("test", ()), ("staging", ("--context", "test"))):
        done = run("jobs", "--context", before, *start, *after)
        assert done.exit_code == 0, done.stderr
        api.objects.pop(api.changes[-1][1])


def test_unknown_names(run: Run) -> None:
    assert "did you mean click-runner-ember" in run("jobs", "run", "click-runner-embre").stderr
    waiting = run("jobs", "run", "click-runner-dune-labels").stderr
    assert "is not rendered; first set CH_QUERY_VAR_DUNE_LABELS_QUERY_ID_DAY" in waiting


@pytest.mark.usefixtures("world")
def test_a_run_that_starts_during_the_prompt_is_seen(
    api: ApiServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confirm(*_: object, **__: object) -> None:
        api.objects[f"{JOBS}/scheduled"] = job("scheduled", started=0)

    monkeypatch.setattr("ops.terminal.confirm", confirm)
    assert f"crawlers/{NAME} is already running: scheduled, started now" in run.refused(
        "jobs", "run", NAME
    )
    assert api.changes == []


@pytest.mark.usefixtures("ending")
def test_following_survives_a_short_outage_of_the_api_server(api: ApiServer, run: Run) -> None:
    pods = "/api/v1/namespaces/crawlers/pods"
    left = iter(range(3))

    def away(path: str) -> None:
        if path == pods and api.changes:  # once the Job exists
            if next(left, None) is None:
                api.answers.pop(pods, None)
            else:
                api.answers[pods] = (500, {"message": "etcdserver: leader changed"})

    api.on_read = away
    assert run(*RUN).exit_code == 0
    api.changes.clear()
    left = iter(range(100))
    follow = "The Job continues; to follow it, run `kubectl logs --namespace crawlers --follow"
    assert follow in run.refused(*RUN)


@pytest.mark.usefixtures("ending")
def test_a_suspended_job_runs_by_hand(world: World, run: Run) -> None:
    world.object("CronJob", "crawlers", NAME)["spec"]["suspend"] = True
    done = run(*RUN)
    assert done.exit_code == 0
    assert "It is suspended, so it has no scheduled runs." in done.stderr
