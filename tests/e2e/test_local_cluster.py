"""`make cluster`: it gets ready, syncs changes, and removes everything when interrupted."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from local_cluster.processes import command, eventually
from tests.conftest import edit
from tests.e2e.conftest import Claimed

READY = "Press Enter to sync dist/, Ctrl-C to stop."
TIMES = (0.1, 1, 2, 3.5, 5, 7, 9, 12, 16, 22)
"""Seconds after the start: imports, etcd, API server, CRDs, controllers, bootstrap, deployment."""


@dataclass(frozen=True)
class LocalCluster:
    """A running `make cluster`, with a separate checkout and temporary directory."""

    temporary: Path
    log: Path
    process: subprocess.Popen[bytes]

    def wait_for(self, text: str, within: float = 600) -> str:
        """Wait until the output contains `text`, and return the output."""
        deadline = time.monotonic() + within
        while text not in (output := self.log.read_text()):
            assert self.process.poll() is None, output
            assert time.monotonic() < deadline, output
            time.sleep(0.1)
        return output

    def environment(self) -> dict[str, str]:
        """The environment after the first command of the printed instructions."""
        source = re.search(r"source (\S+)", self.log.read_text())
        assert source
        printed = subprocess.check_output(["sh", "-c", f". {source[1]} && env -0"], text=True)
        return dict(line.split("=", 1) for line in printed.split("\0")[:-1])

    def interrupt(self) -> int:
        """Interrupt it, and return the exit status."""
        # not its process group: Node would end without removing its temporary directory
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    @property
    def left(self) -> list[str]:
        """The remaining files and processes."""
        left = [str(file) for file in self.temporary.iterdir()]
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended
                command = (process / "cmdline").read_bytes()
                if str(self.temporary).encode() in (process / "environ").read_bytes() + command:
                    left.append(command.decode().replace("\0", " "))
        return left


@contextmanager
def running(checkout: Path, temporary: Path, *options: str) -> Iterator[LocalCluster]:
    temporary.mkdir()
    with temporary.with_suffix(".log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "local_cluster", *options],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout), "TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield LocalCluster(temporary, Path(log.name), process)
    finally:
        process.kill()
        process.wait()


def test_a_local_cluster(checkout: Path, claim: Claimed) -> None:
    with (
        claim("`make cluster`: gets ready, syncs dist/, and leaves nothing behind") as measured,
        running(checkout, checkout.with_name("temporary"), "--every=1") as cluster,
    ):
        started = time.monotonic()
        output = cluster.wait_for(READY)
        measured(f"ready in {time.monotonic() - started:.0f} s")
        assert "probes, logs and addresses do not work" in output

        def kubectl(*arguments: str) -> str:
            """Run kubectl as the printed instructions describe."""
            words = [command("kubectl"), *arguments]
            return subprocess.check_output(words, env=cluster.environment(), text=True)

        assert "cluster-" in kubectl("config", "view")

        def synced() -> bool:
            listed = kubectl("get", "applications", "--namespace=argocd", "--no-headers")
            states = {tuple(line.split()[1:]) for line in listed.splitlines()}
            assert states == {("Synced", "Healthy")}, listed
            return True

        # one can be OutOfSync for a moment, when it is compared again after a sync
        eventually("Applications Synced and Healthy", synced)
        edit(checkout / "dist/crawlers/nebula.k8s.yaml", "replicas: 1", "replicas: 0")
        cluster.wait_for("Synced and Healthy in")
        replicas = "--output=jsonpath={.spec.replicas}"
        assert kubectl("get", "deployment/nebula", "--namespace=crawlers", replicas) == "0"
        assert len(cluster.left) > 10, "running processes are detected"
        assert cluster.interrupt() == 0
        assert cluster.log.read_text().endswith("Stopped. All processes and files are removed.\n")
        assert cluster.left == []


def test_an_interrupted_start_leaves_nothing(checkout: Path, claim: Claimed) -> None:
    with claim(f"`make cluster`: Ctrl-C at {len(TIMES)} times leaves no process and no file"):
        for number, seconds in enumerate(TIMES):
            temporary = checkout.with_name(f"temporary-{number}")
            with running(checkout, temporary, "--taken-over") as cluster:
                time.sleep(seconds)
                status = cluster.interrupt()
                assert (status, cluster.left) in ((130, []), (-signal.SIGINT, []), (0, [])), (
                    f"after {seconds} s: {status}, {cluster.left}, {cluster.log.read_text()}"
                )
