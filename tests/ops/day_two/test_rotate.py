"""A rotation updates every reader, and continues after a failure."""

from base64 import b64decode
from collections.abc import Callable

import pytest
from typer.testing import Result

from catalogue.parameters import Parameters
from ops.secrets import rotation
from tests.ops.day_two.conftest import SECRET, Run
from tests.ops.day_two.world import World

PASSWORD, KEYS = Parameters.CLICKHOUSE_PASSWORD, Parameters.API_KEYS
LOGIN = Parameters.GHCR_DOCKERCONFIGJSON
REGISTRY = f'{{"{SECRET}": "tier3"}}'
Rotate = Callable[..., Result]
AT_ONCE = {"cerebro-api", "metrics-dashboard"}
ONE_AT_A_TIME = [
    "cerebro-mcp",
    "beacon-indexer-realtime",
    "beacon-indexer-transform",
    "cryo-indexer",
    "ip-crawler",
    "nebula",
]


def held(world: World, namespace: str, secret: str, key: str) -> str:
    return b64decode(world.object("Secret", namespace, secret)["data"][key]).decode()


@pytest.fixture
def rotate(world: World, run: Run) -> Rotate:
    """Rotates a parameter to a value, or with --continue; checks the exit status."""
    assert world

    def rotate(parameter: Parameters, value: str = "", *, status: int = 0) -> Result:
        source = ("--file", "-") if value else ("--continue",)
        done = run("secrets", "rotate", parameter.path, *source, "--yes", given=value)
        assert done.exit_code == status, done.output
        return done

    return rotate


def test_every_reader_gets_the_value_single_writers_one_at_a_time(
    world: World, rotate: Rotate
) -> None:
    before = world.pods()
    done = rotate(PASSWORD, SECRET)
    assert world.account.value(PASSWORD) == SECRET
    assert held(world, "crawlers", "clickhouse-credentials", "CH_PASSWORD") == SECRET
    assert held(world, "cerebro", "cerebro-api-secrets", "CLICKHOUSE_PASSWORD") == SECRET
    assert set(world.restarts[:2]) == AT_ONCE
    assert world.restarts[2:] == ONE_AT_A_TIME
    assert {world.most_at_once[name] for name in ONE_AT_A_TIME} == {1}
    assert not before.keys() & world.pods().keys()
    assert "version 2 is rolled out" in done.stdout
    assert "crawlers/click-runner-ember                next run" in done.stdout
    for effect, workload in (
        ("Restarted together, without lost requests", "cerebro/cerebro-api"),
        ("Restarted one at a time, each with brief downtime", "cerebro/cerebro-mcp"),
        ("Updated by the next sync of Argo CD", "crawlers/cryo-indexer-migrations"),
    ):
        (line,) = (line for line in done.stderr.splitlines() if line.startswith(f"  {effect}: "))
        assert workload in line


def test_only_readers_restart_and_a_repeated_rotation_changes_nothing(
    world: World, rotate: Rotate
) -> None:
    before = world.pods()
    for _ in range(2):
        done = rotate(KEYS, REGISTRY)
    gone = {app for name, app in before.items() if name not in world.pods()}
    assert gone == {"cerebro-api"}
    assert (world.account.version(KEYS), world.restarts) == (2, ["cerebro-api"])
    assert "already up to date" in done.stdout
    assert len(world.api.changed) == 2  # the annotation of the ExternalSecret, and the restart


def test_a_pull_login_restarts_nothing(world: World, rotate: Rotate) -> None:
    login = f'{{"auths": {{"ghcr.io": {{"username": "bot", "password": "{SECRET}"}}}}}}'
    rotate(LOGIN, login)
    assert held(world, "crawlers", "ghcr-pull-secret", ".dockerconfigjson") == login
    assert world.restarts == []


def test_a_failing_step_prints_the_state_and_the_next_run_continues(
    world: World, rotate: Rotate
) -> None:
    world.broken = {"cryo-indexer"}
    done = rotate(PASSWORD, SECRET, status=1)
    for line in (
        "SSM has the value as version 2.",
        "Restarted, or already up to date: cerebro/cerebro-api, cerebro/metrics-dashboard, "
        "cerebro/cerebro-mcp, crawlers/beacon-indexer-realtime, crawlers/beacon-indexer-transform.",
        "Not restarted yet: crawlers/cryo-indexer, crawlers/ip-crawler, crawlers/nebula.",
        f"To continue: python -m ops secrets rotate {PASSWORD.path} --continue",
        "crawlers/cryo-indexer does not start: its new pod cryo-indexer-2-0 is in CrashLoopBack",
    ):
        assert line in done.stderr

    world.broken = set()
    world.restarts.clear()
    world.restart("crawlers", "cryo-indexer")  # by the user who fixed it
    rotate(PASSWORD)
    assert world.restarts == ["ip-crawler", "nebula"]
    assert world.account.version(PASSWORD) == 2


def test_a_restart_by_reloader_is_not_repeated(world: World, rotate: Rotate) -> None:
    world.reloader = True
    rotate(KEYS, REGISTRY)
    assert world.restarts == []


def test_a_stopped_external_secrets_is_named_after_a_timeout(
    world: World, rotate: Rotate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "SYNC_SECONDS", 0)
    world.stopped = True
    done = rotate(KEYS, REGISTRY, status=1)
    assert "External Secrets has not synced cerebro/cerebro-api-secrets" in done.stderr
    assert "Secrets without the value: cerebro/cerebro-api-secrets." in done.stderr
    assert world.restarts == []


def test_a_secret_that_could_not_be_read_is_not_known_to_lack_the_value(
    world: World, rotate: Rotate
) -> None:
    path = world.path("Secret", "cerebro", "cerebro-mcp-secrets")
    world.api.answers[f"GET {path}"] = (403, {"message": "no"})
    first, others = "cerebro/cerebro-api-secrets", "Secrets not checked yet: cerebro/cerebro-mcp"
    done = rotate(PASSWORD, SECRET, status=1)
    assert f"Secrets without the value: {first}.\n{others}" in done.stderr
    world.sync_all()
    done = rotate(PASSWORD, status=1)
    assert f"Secrets with the value: {first}.\n{others}" in done.stderr
    assert world.restarts == []


@pytest.mark.parametrize(
    "missing",
    ["patch deployments", "get secrets", "list pods", "patch externalsecrets", "ExternalSecret"],
)
def test_what_is_missing_fails_before_the_first_write(
    world: World, rotate: Rotate, missing: str
) -> None:
    if missing == "ExternalSecret":
        path = world.path(missing, "cerebro", "cerebro-api-secrets")
        world.api.answers[f"GET {path}"] = (404, {})
        problem = "the cluster has no ExternalSecret cerebro/cerebro-api-secrets; nothing"
    else:
        verb, resource = missing.split()
        world.api.denied = {(verb, resource)}
        problem = f"context test may not {missing} in cerebro; nothing was changed"
    assert problem in rotate(KEYS, REGISTRY, status=1).stderr
    assert (world.account.version(KEYS), world.api.changed, world.restarts) == (1, [], [])


def test_a_concurrent_write_stops_the_rotation(world: World, rotate: Rotate) -> None:
    react = world.api.on_change

    def meanwhile(path: str) -> None:
        react(path)
        if path.endswith("deployments/cerebro-mcp"):
            world.account.put(PASSWORD, f"{SECRET}-theirs")

    world.api.on_change = meanwhile
    problem = f"another user changed {PASSWORD.path} after version 2: SSM now has version 3"
    assert problem in rotate(PASSWORD, SECRET, status=1).stderr
    assert world.restarts[2:] == ["cerebro-mcp"]


def test_one_replaced_pod_does_not_count_for_all(world: World, rotate: Rotate) -> None:
    """One of two pods was evicted after its Secret was written, and is not ready yet."""
    path, objects = world.path("Deployment", "cerebro", "cerebro-api"), world.api.objects
    react, look = world.api.on_change, world.api.on_read
    looks: list[str] = []

    def evicted(changed: str) -> None:
        react(changed)
        if "/externalsecrets/" in changed:
            pod = world.object("Pod", "cerebro", "cerebro-api-1-1")
            pod["metadata"]["creationTimestamp"] = world.tick()
            pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = world.tick()
            objects[path]["status"]["availableReplicas"] = 1

    def ready_later(read: str) -> None:
        look(read)
        if read == path and objects[path]["status"]["availableReplicas"] == 1:
            looks.append(read)
            if len(looks) == 3:
                objects[path]["status"]["availableReplicas"] = 2

    world.api.on_change, world.api.on_read = evicted, ready_later
    rotate(KEYS, REGISTRY)
    assert world.restarts == ["cerebro-api"]


def test_a_missing_workload_is_skipped(world: World, rotate: Rotate) -> None:
    del world.api.objects[world.path("Deployment", "crawlers", "nebula")]
    done = rotate(PASSWORD, SECRET)
    assert "crawlers/nebula is not in the cluster; skipped" in done.stderr
    assert "nebula" not in world.restarts


def test_status_follows_a_value_from_ssm_to_the_pods(
    world: World, run: Run, rotate: Rotate
) -> None:
    for parameter in set(Parameters) - {KEYS}:
        world.account.put(parameter, f"{SECRET}-{parameter.name}")
    world.sync_all()
    before = run("secrets", "status")
    assert before.exit_code == 1
    assert f"{KEYS.path}  placeholder\n    API_KEYS  cerebro/cerebro-api" in before.stdout
    total = len(Parameters)
    assert f"{total} parameters: {total - 1} set, 1 placeholder" in before.stdout

    world.account.put(KEYS, REGISTRY)
    assert run("secrets", "status").exit_code == 0
    world.api.reads.clear()
    behind = run("secrets", "status", "--cluster")
    secrets = [path for path in world.api.reads if "/secrets/" in path]
    assert len(secrets) == len(set(secrets)) > 0
    assert behind.exit_code == 1
    assert "Secret cerebro/cerebro-api-secrets: another version" in behind.stdout
    assert "2 pods of cerebro/cerebro-api started before the last change" in behind.stdout
    assert behind.stdout.endswith(" not rolled out\n")

    for parameter in (PASSWORD, KEYS):
        rotate(parameter)
    assert "another version" not in run("secrets", "status", "--cluster").stdout
