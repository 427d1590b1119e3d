"""Scheduled jobs, and runs by hand: never two at once."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ops import jobs
from ops.cluster import Cluster
from tests.ops.day_two.api_server import ApiServer, Object
from tests.ops.day_two.conftest import Run
from tests.ops.day_two.world import World

NAME = "click-runner-ember"
RUN = ("jobs", "run", NAME, "--yes")
JOBS = "/apis/batch/v1/namespaces/crawlers/jobs"


def moment(minutes_ago: int) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()


def status(started: int, ended: int | None = None, outcome: str = "Complete") -> Object:
    """Return the status of a Job, with its start and end in minutes ago."""
    end = {"lastTransitionTime": moment(ended or 0), "message": "BackoffLimitExceeded"}
    conditions = [] if ended is None else [{"type": outcome, "status": "True", **end}]
    return {"startTime": moment(started), "conditions": conditions}


def job(name: str, started: int, ended: int | None = None, outcome: str = "Complete") -> Object:
    """Return a Job of the CronJob."""
    owners = [{"kind": "CronJob", "name": NAME}]
    metadata = {"name": name, "namespace": "crawlers", "ownerReferences": owners}
    return {"kind": "Job", "metadata": metadata, "status": status(started, ended, outcome)}


def test_without_the_cluster_the_schedules_are_listed(run: Run) -> None:
    done = run("jobs", "--offline")
    assert done.exit_code == 0
    (line,) = [text for text in done.stdout.splitlines() if NAME in text]
    assert "daily at 02:00" in line
    assert "from now" in line


def test_the_list_says_how_the_last_runs_went(world: World, api: ApiServer, run: Run) -> None:
    api.objects[f"{JOBS}/old"] = job("old", 3000, 2990)
    api.objects[f"{JOBS}/new"] = job("new", 180, 175, outcome="Failed")
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
def ending(api: ApiServer, world: World) -> list[str]:
    """The outcome of every new Job; each has one pod, which prints two lines."""
    outcome = ["Complete"]
    world.api.on_change = lambda path: end(api, path, outcome[0])
    return outcome


def end(api: ApiServer, path: str, outcome: str) -> None:
    made = api.objects[path]
    name = made["metadata"]["name"]
    made["status"] = status(2, 0, outcome)
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


def test_a_job_that_fails_ends_with_a_status(ending: list[str], run: Run) -> None:
    ending[0] = "Failed"
    problem = run.refused(*RUN)
    assert problem.startswith("crawlers/click-runner-ember-manual-1 failed after 2 minutes")
    assert problem.endswith(": BackoffLimitExceeded")


@pytest.mark.usefixtures("world")
def test_a_job_that_fails_before_its_start_has_no_duration(api: ApiServer, run: Run) -> None:
    def fail(path: str) -> None:
        api.objects[path]["status"] = {"conditions": status(0, 0, "Failed")["conditions"]}

    api.on_change = fail
    assert run.refused(*RUN) == f"crawlers/{NAME}-manual-1 failed: BackoffLimitExceeded"


@pytest.mark.usefixtures("world")
def test_a_second_run_is_refused(api: ApiServer, run: Run) -> None:
    running = api.objects[f"{JOBS}/running"] = job("running", 10, 5)
    running["status"]["conditions"][0]["status"] = "False"  # it has not ended yet
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
    assert api.changed == []


@pytest.mark.usefixtures("world")
def test_of_two_concurrent_starts_one_fails(
    api: ApiServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = jobs.start

    def meanwhile(cluster: Cluster, cron_job: Object, name: str) -> None:
        api.objects[f"{JOBS}/{name}"] = job(name, 0)
        start(cluster, cron_job, name)

    monkeypatch.setattr(jobs, "start", meanwhile)
    assert f"{NAME}-manual-1 was started by another user at the same time" in run.refused(*RUN)


@pytest.mark.usefixtures("world")
def test_a_context_before_the_command_applies_to_it(api: ApiServer, run: Run) -> None:
    start = ("run", NAME, "--yes", "--no-follow")
    unknown = "the kubeconfig has no context nope; use one of: test"
    assert run.refused("jobs", "--context", "nope", *start) == unknown
    for option in ("--json", "--offline"):
        done = run("jobs", option, *start)
        assert (done.exit_code, "omit them before `run`" in done.stderr) == (2, True)
    assert api.changed == []
    for before, after in (("test", ()), ("nope", ("--context", "test"))):
        done = run("jobs", "--context", before, *start, *after)
        assert done.exit_code == 0, done.stderr
        api.objects.pop(api.changed[-1].removeprefix("POST "))


def test_unknown_names(run: Run) -> None:
    assert "did you mean click-runner-ember" in run("jobs", "run", "click-runner-embre").stderr
    waiting = run("jobs", "run", "click-runner-dune-labels").stderr
    assert "is not rendered; first set CH_QUERY_VAR_DUNE_LABELS_QUERY_ID_DAY" in waiting


@pytest.mark.usefixtures("world")
def test_a_run_that_starts_during_the_prompt_is_seen(
    api: ApiServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confirm(*_: object, **__: object) -> None:
        api.objects[f"{JOBS}/scheduled"] = job("scheduled", 0)

    monkeypatch.setattr("ops.terminal.confirm", confirm)
    assert f"crawlers/{NAME} is already running: scheduled, started now" in run.refused(
        "jobs", "run", NAME
    )
    assert api.changed == []


@pytest.mark.usefixtures("ending")
def test_following_survives_a_short_outage_of_the_api_server(api: ApiServer, run: Run) -> None:
    pods = "/api/v1/namespaces/crawlers/pods"
    left = iter(range(3))

    def away(path: str) -> None:
        if path == pods and api.changed:  # once the Job exists
            if next(left, None) is None:
                api.answers.pop(f"GET {pods}", None)
            else:
                api.answers[f"GET {pods}"] = (500, {"message": "etcdserver: leader changed"})

    api.on_read = away
    assert run(*RUN).exit_code == 0
    api.changed.clear()
    left = iter(range(100))
    follow = "The Job continues; to follow it, run `kubectl logs --namespace crawlers --follow"
    assert follow in run.refused(*RUN)


@pytest.mark.usefixtures("ending")
def test_a_suspended_job_runs_by_hand(world: World, run: Run) -> None:
    world.object("CronJob", "crawlers", NAME)["spec"]["suspend"] = True
    done = run(*RUN)
    assert done.exit_code == 0
    assert "It is suspended, so it has no scheduled runs." in done.stderr
