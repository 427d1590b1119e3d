"""`make cluster`: ready, followed, and gone without a trace, whenever it is interrupted."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_cluster.processes import command
from tests.conftest import ROOT
from tests.e2e.conftest import Claimed

FOLDERS = ("catalogue", "charts", "constructs_lib", "dist", "local_cluster", "ops", "overview")
READY = "Press Enter to sync dist/ again, Ctrl-C to end."
MOMENTS = (0.1, 1, 2, 3.5, 5, 7, 9, 12, 16, 22)
"""Seconds after the start: imports, etcd, API server, CRDs, controllers, bootstrap, deployment."""


class LocalCluster:
    """The command under way, in a checkout of its own and with its own temporary folder."""

    def __init__(self, checkout: Path, temporary: Path, *options: str) -> None:
        self.temporary = temporary
        temporary.mkdir()
        self.log = temporary.with_suffix(".log")
        with self.log.open("w") as log:
            self._running = subprocess.Popen(
                [sys.executable, "-m", "local_cluster", *options],
                cwd=checkout,
                env={**os.environ, "PYTHONPATH": str(checkout), "TMPDIR": str(temporary)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for(self, text: str, within: float = 180) -> str:
        """All that it has said once it has said that."""
        deadline = time.monotonic() + within
        while text not in (said := self.log.read_text()):
            assert self._running.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        return said

    def interrupt(self) -> int:
        """Ctrl-C; its exit status."""
        self._running.send_signal(signal.SIGINT)
        return self._running.wait(30)

    def kill(self) -> None:
        self._running.kill()
        self._running.wait()

    @property
    def left(self) -> list[str]:
        """The files and the processes that are left of it."""
        return [*map(str, self.temporary.iterdir()), *self._processes()]

    def _processes(self) -> Iterator[str]:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                known = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.temporary).encode() in known:
                yield (process / "cmdline").read_bytes().decode().replace("\0", " ")


@contextmanager
def running(checkout: Path, temporary: Path, *options: str) -> Iterator[LocalCluster]:
    cluster = LocalCluster(checkout, temporary, *options)
    try:
        yield cluster
    finally:
        cluster.kill()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the working tree, to change dist/ in."""
    folder = tmp_path_factory.mktemp("local-cluster") / "checkout"
    folder.mkdir()
    for name in (*FOLDERS, "stacks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "cdk.json"):
        shutil.copy(ROOT / name, folder / name)
    subprocess.run([command("git"), "init", "--quiet"], cwd=folder, check=True)
    return folder


def kubectl(said: str, *arguments: str) -> str:
    """Kubectl as the person does it who sources what the command names."""
    found = re.search(r"source (\S+)", said)
    assert found
    script = f'. {found[1]} && exec "$0" "$@"'
    done = subprocess.run(["sh", "-c", script, command("kubectl"), *arguments],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_cluster_for_a_person(checkout: Path, claim: Claimed) -> None:
    with (
        claim("`make cluster`: ready, follows dist/, and leaves nothing behind") as measured,
        running(checkout, checkout.with_name("temporary"), "--every=1") as cluster,
    ):
        started = time.monotonic()
        said = cluster.wait_for(READY)
        measured(f"ready in {time.monotonic() - started:.0f} s")
        assert "no probe, log, or address answers" in said
        assert "cluster-" in kubectl(said, "config", "view")
        listed = kubectl(said, "get", "applications", "--namespace=argocd", "--no-headers")
        assert {tuple(line.split()[1:]) for line in listed.splitlines()} == {("Synced", "Healthy")}
        file = checkout / "dist" / "crawlers" / "nebula.k8s.yaml"
        file.write_text(file.read_text().replace("replicas: 1", "replicas: 0"))
        cluster.wait_for("Synced and Healthy in")
        replicas = "--output=jsonpath={.spec.replicas}"
        assert kubectl(said, "get", "deployment/nebula", "--namespace=crawlers", replicas) == "0"
        assert len(cluster.left) > 10, "this sees what runs"
        assert cluster.interrupt() == 0
        assert cluster.log.read_text().endswith("Ended; nothing is left.\n")
        assert cluster.left == []


def test_an_interrupted_start_leaves_nothing(checkout: Path, claim: Claimed) -> None:
    with claim(f"`make cluster`: Ctrl-C at {len(MOMENTS)} moments leaves no process and no file"):
        for number, seconds in enumerate(MOMENTS):
            temporary = checkout.with_name(f"temporary-{number}")
            with running(checkout, temporary, "--taken-over") as cluster:
                time.sleep(seconds)
                status = cluster.interrupt()
                assert (status, cluster.left) in ((130, []), (-signal.SIGINT, []), (0, [])), (
                    f"after {seconds} s: {status}, {cluster.left}, {cluster.log.read_text()}"
                )
