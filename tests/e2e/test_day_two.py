"""`ops` commands on a real control plane: secrets, jobs, and errors of the API server."""

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalogue.parameters import Parameters
from constructs_lib.manifests.objects import Objects
from constructs_lib.model import Manifest
from local_cluster.processes import eventually
from ops.secrets.parameters import Readers, readers
from tests.e2e.conftest import Claimed
from tests.e2e.installed import Installed

PASSWORD, KEYS = Parameters.CLICKHOUSE_PASSWORD, Parameters.API_KEYS
RPC = Parameters.EXECUTION_RPC_URL
SECRET = "known-to-the-test"  # noqa: S105 part of every value, to search for leaks
NAMESPACE, JOB = "crawlers", "click-runner-ember"
NODES = "--selector=kubernetes.io/os=linux"
RUN = ("jobs", "run", JOB, "--yes")


def replaced(installation: Installed, before: dict[str, str]) -> list[str]:
    """The workloads of replaced pods, after their replacements are running."""

    def same_size() -> dict[str, str]:
        now = installation.running()
        return now if sorted(now.values()) == sorted(before.values()) else {}

    now = eventually("pods replaced", same_size)
    return sorted(app for uid, app in before.items() if uid not in now)


def concerned(installation: Installed, parameter: Parameters) -> Readers:
    return readers(parameter.path, Objects.of(installation.objects()))


def leaks(installation: Installed, *texts: str) -> list[str]:
    """The texts and program logs that contain a secret value."""
    logs = (installation.processes.folder / "logs").glob("*.log")
    searched = {f"text {number}": text for number, text in enumerate(texts)} | {
        log.name: log.read_text(errors="replace") for log in logs
    }
    return [name for name, text in searched.items() if SECRET in text]


def values(installation: Installed, parameter: Parameters) -> set[str]:
    """The values of a parameter in the Secrets."""
    stored = set()
    for source in concerned(installation, parameter).secrets:
        secret = installation.cluster.get("Secret", source.secret, source.namespace)
        assert secret, source
        stored |= {
            b64decode(secret["data"][key]).decode()
            for key, path in source.paths.items()
            if path == parameter.path
        }
    return stored


def rotated(installation: Installed, parameter: Parameters, value: str) -> list[str]:
    """Rotate a value, and check its readers; returns the workloads of replaced pods."""
    before = installation.running()
    rotate = ("secrets", "rotate", parameter.path, "--file", "-", "--yes")
    done = installation.ops(*rotate, stdin=value)
    assert values(installation, parameter) == {value}
    gone = replaced(installation, before)
    assert set(gone) == {reader.name for reader in concerned(installation, parameter).restarted()}
    assert leaks(installation, done.stdout, done.stderr) == []
    return gone


def test_a_rotated_password_reaches_every_reader(installation: Installed, claim: Claimed) -> None:
    def jobs() -> list[str]:
        return [job["metadata"]["uid"] for job in installation.cluster.list("Job")]

    with claim("`ops secrets rotate`: every reader has the ClickHouse password") as measured:
        before = jobs()
        gone = rotated(installation, PASSWORD, SECRET)
        assert jobs() == before
        measured(f"{len(gone)} pods of {len(set(gone))} workloads replaced")
    with claim("`ops secrets rotate` again, with the same value: nothing restarts"):
        pods = installation.running()
        again = installation.ops("secrets", "rotate", PASSWORD.path, "--yes", "--continue")
        assert installation.running() == pods
    assert leaks(installation, again.stdout, again.stderr) == []
    installation.argocd.refresh()
    installation.wait()
    assert installation.is_as_committed()


def test_only_readers_restart(installation: Installed, claim: Claimed) -> None:
    with claim("`ops secrets rotate`: a new key registry restarts only its readers") as measured:
        gone = rotated(installation, KEYS, f'{{"{SECRET}": "tier3"}}')
        assert "cerebro-api" in gone
        assert "nebula" not in gone
        measured(f"{len(gone)} pods replaced")


def test_an_interrupted_rotation_can_continue(
    installation: Installed, claim: Claimed, tmp_path: Path
) -> None:
    file = tmp_path / "value"
    file.write_text(f"https://{SECRET}.example")
    with claim("`ops secrets rotate`, interrupted, prints the state; --continue completes it"):
        before = installation.running()
        rotate = ("secrets", "rotate", RPC.path, "--yes")
        command = installation.session(*rotate, "--file", str(file))
        command.wait_for("Waiting for crawlers/cryo-indexer")
        seen = command.command_lines()
        assert RPC.path in seen
        command.interrupt(" to restart")
        status, printed = command.ended()
        assert status == 130
        (source,) = concerned(installation, RPC).secrets
        assert f"Secrets with the value: {source}." in printed
        assert "Not restarted yet: crawlers/cryo-indexer." in printed
        assert f"secrets rotate {RPC.path} --continue" in printed

        done = installation.ops(*rotate, "--continue")
        assert replaced(installation, before) == ["cryo-indexer"]
    assert leaks(installation, printed, seen, done.stdout, done.stderr) == []


def runs(installation: Installed) -> list[Manifest]:
    """The runs of the job in the cluster."""
    return [
        job
        for job in installation.cluster.list("Job", NAMESPACE)
        if any(owner["name"] == JOB for owner in job["metadata"].get("ownerReferences", ()))
    ]


@pytest.fixture
def full(installation: Installed) -> Iterator[Installed]:
    """A cluster with cordoned nodes, so that a run starts but does not end."""
    installation.cluster.kubectl("cordon", NODES)
    yield installation
    installation.cluster.kubectl("uncordon", NODES)
    for job in runs(installation):
        installation.cluster.delete("Job", job["metadata"]["name"], NAMESPACE)


def test_a_second_run_is_refused_until_the_first_has_ended(full: Installed, claim: Claimed) -> None:
    with claim("`ops jobs run` rejects a second run, and waits for the end of the first"):
        first = full.session(*RUN)
        (job,) = eventually("a run", lambda: runs(full))
        name = job["metadata"]["name"]
        second = full.ops(*RUN, status=1)
        assert f"{NAMESPACE}/{JOB} is already running: {name}, started" in second.stderr
        assert len(runs(full)) == 1

        full.cluster.kubectl("uncordon", NODES)
        status, printed = first.ended()
        assert status == 0, printed
        assert f"{NAMESPACE}/{name} succeeded after" in printed
    with claim("`ops jobs` lists the manual run"):
        (last,) = [row["last"] for row in full.report("jobs", "--json") if row["name"] == JOB]
        assert (last["name"], last["byHand"], last["outcome"]) == (name, True, "succeeded")


@pytest.mark.parametrize(
    ("accepted", "sentence"),
    [
        (False, "the cluster does not accept the credentials of context local; log in again"),
        (True, "context local lacks a permission in the cluster: "),
    ],
    ids=["expired token", "no permission"],
)
def test_an_api_server_error_is_reported_in_one_sentence(
    installation: Installed, claim: Claimed, tmp_path: Path, *, accepted: bool, sentence: str
) -> None:
    kubectl = installation.cluster.kubectl
    token = kubectl("create", "token", "default").strip() if accepted else "of-yesterday"
    kubeconfig = installation.kubeconfig_of({"token": token}, tmp_path / "kubeconfig")
    with claim("Errors of the API server are reported in one sentence"):
        for arguments in (("jobs",), ("secrets", "status", "--cluster")):
            done = installation.ops(*arguments, kubeconfig=kubeconfig, status=1)
            assert done.stdout == ""
            assert done.stderr.splitlines()[-1].startswith(f"error: {sentence}"), done.stderr
