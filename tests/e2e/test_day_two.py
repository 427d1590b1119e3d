"""`ops` commands on a real control plane."""

from __future__ import annotations

import json
import signal
from base64 import b64decode

from catalogue.parameters import Parameters
from local_cluster.cluster import Object
from local_cluster.installation import Installation
from local_cluster.waiting import eventually
from ops.secrets.readers import Readers, readers
from tests.e2e.commands import ops, running_ops
from tests.e2e.conftest import Claimed
from tests.ops.session import command_lines

PASSWORD, KEYS = Parameters.CLICKHOUSE_PASSWORD, Parameters.API_KEYS
RPC = Parameters.EXECUTION_RPC_URL
SECRET = "known-to-the-test"  # noqa: S105 part of every value, to search for leaks


def replaced(installation: Installation, before: dict[str, str]) -> list[str]:
    """The workloads of replaced pods, after their replacements are running."""
    now = eventually("pods replaced", lambda: same_size(installation, before))
    return sorted(app for uid, app in before.items() if uid not in now)


def same_size(installation: Installation, before: dict[str, str]) -> dict[str, str]:
    now = installation.running()
    return now if sorted(now.values()) == sorted(before.values()) else {}


def concerned(installation: Installation, parameter: Parameters) -> Readers:
    return readers(parameter.path, installation.objects())


def leaks(installation: Installation, *texts: str) -> list[str]:
    """The texts and program logs that contain a secret value."""
    logs = (installation.processes.folder / "logs").glob("*.log")
    searched = {f"text {number}": text for number, text in enumerate(texts)} | {
        log.name: log.read_text(errors="replace") for log in logs
    }
    return [name for name, text in searched.items() if SECRET in text]


def values(installation: Installation, parameter: Parameters) -> set[str]:
    """The values of a parameter in the Secrets."""
    found = set()
    for source in concerned(installation, parameter).sources:
        secret = installation.cluster.get("Secret", source.secret, source.namespace)
        assert secret, source
        found |= {
            b64decode(secret["data"][key]).decode()
            for key, path in source.paths.items()
            if path == parameter.path
        }
    return found


def test_a_rotated_password_reaches_every_reader(
    installation: Installation, claim: Claimed
) -> None:
    with claim("`ops secrets rotate`: every reader has the ClickHouse password") as measured:
        before, jobs = installation.running(), installation.cluster.list("Job")
        done = ops(installation, "secrets", "rotate", PASSWORD.path, "--file", "-", "--yes",
                   given=SECRET)  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert values(installation, PASSWORD) == {SECRET}
        restarted = {one.name for one in concerned(installation, PASSWORD).restarted()}
        assert set(replaced(installation, before)) == restarted
        assert [job["metadata"]["uid"] for job in installation.cluster.list("Job")] == [
            job["metadata"]["uid"] for job in jobs
        ]
        measured(f"{len(before)} pods of {len(restarted)} workloads replaced")
    with claim("`ops secrets rotate` again, with the same value: nothing restarts"):
        before = installation.running()
        again = ops(installation, "secrets", "rotate", PASSWORD.path, "--continue", "--yes")
        assert again.returncode == 0, again.stderr
        assert installation.running() == before
    assert leaks(installation, done.stdout, done.stderr, again.stdout, again.stderr) == []
    installation.argocd.refresh()
    installation.wait()
    assert installation.is_as_committed()


def test_only_readers_restart(installation: Installation, claim: Claimed) -> None:
    with claim("`ops secrets rotate`: a new key registry restarts only its readers") as measured:
        before, keys = installation.running(), f'{{"{SECRET}": "tier3"}}'
        done = ops(installation, "secrets", "rotate", KEYS.path, "--file", "-", "--yes", given=keys)
        assert done.returncode == 0, done.stderr
        assert values(installation, KEYS) == {keys}
        gone = replaced(installation, before)
        assert set(gone) == {one.name for one in concerned(installation, KEYS).restarted()}
        assert "cerebro-api" in gone
        assert "nebula" not in gone
        measured(f"{len(gone)} of {len(before)} pods replaced")
    assert leaks(installation, done.stdout, done.stderr) == []


def test_an_interrupted_rotation_can_continue(installation: Installation, claim: Claimed) -> None:
    with claim("`ops secrets rotate`, interrupted, prints the state; --continue completes it"):
        before = installation.running()
        rotate = ("secrets", "rotate", RPC.path, "--file", "-", "--yes")
        with running_ops(installation, *rotate, given=f"https://{SECRET}.example") as command:
            for line in command.stderr:
                if line.startswith("Waiting for crawlers/cryo-indexer to restart"):
                    seen = command_lines()
                    command.process.send_signal(signal.SIGINT)
                    break
            printed = command.stderr.read()
            assert command.process.wait() == 130
        (source,) = concerned(installation, RPC).sources
        assert f"Secrets with the value: {source}." in printed
        assert "Not restarted yet: crawlers/cryo-indexer." in printed
        assert f"secrets rotate {RPC.path} --continue" in printed

        done = ops(installation, "secrets", "rotate", RPC.path, "--continue", "--yes")
        assert done.returncode == 0, done.stderr
        assert replaced(installation, before) == ["cryo-indexer"]
    assert leaks(installation, printed, seen, done.stdout, done.stderr) == []


def test_the_checklist_checks_the_cluster(installation: Installation, claim: Claimed) -> None:
    with claim("`ops checklist --cluster`: reports synced services and missing controllers"):
        done = ops(installation, "checklist", "--aws", "--cluster", "--json")
        assert done.returncode == 1, done.stderr
        found = json.loads(done.stdout)
        for items in found["services"].values():
            assert {item["outcome"] for item in items if item["item"] in (3, 5)} == {"passed"}
        cluster = {(one["name"], one["outcome"]) for one in found["cluster"]}
        assert {("arm64 nodes", "passed"), ("Reloader", "failed")} <= cluster
        details = {one["detail"] for one in found["cluster"] if one["name"] == "External Secrets"}
        assert "ClusterSecretStore aws-ssm is ready" in details
    with claim("`ops checklist --cluster`: detects a controller that runs"):
        installation.cluster.apply(reloader())
        eventually("Reloader seen", lambda: reloader_seen(installation))
        installation.cluster.delete("Deployment", "reloader", "default")


def reloader_seen(installation: Installation) -> bool:
    found = json.loads(ops(installation, "checklist", "nebula", "--cluster", "--json").stdout)
    return ("Reloader", "passed") in {(one["name"], one["outcome"]) for one in found["cluster"]}


def reloader() -> Object:
    labels = {"app": "reloader"}
    containers = [{"name": "reloader", "image": "ghcr.io/stakater/reloader:v1.4.0"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "reloader", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }
