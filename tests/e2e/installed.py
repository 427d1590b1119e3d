"""The platform on a real control plane, with what tests change and observe."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from constructs_lib.model import Manifest
from local_cluster.control_plane import ControlPlane
from tests.conftest import ROOT, run
from tests.deploy.emulator import Emulator
from tests.ops.session import Session

NAMESPACES = ("cerebro", "crawlers")
Identity = tuple[str, str, str]
"""Kind, namespace and name of an object."""


@dataclass
class Installed(ControlPlane):
    """The installed platform."""

    def __post_init__(self) -> None:
        self._kinds = {obj["kind"] for obj in self.objects()} - {"Application", "AppProject"}

    def ops(
        self,
        *arguments: str,
        status: int = 0,
        stdin: str = "",
        kubeconfig: Path | None = None,
        folder: Path = ROOT,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command against the control plane and its AWS emulator, to this exit status."""
        command = (sys.executable, "-m", "ops", *arguments)
        done = run(*command, folder=folder, environment=self._environment(kubeconfig), stdin=stdin)
        assert done.returncode == status, done.stderr
        return done

    def report(self, *arguments: str, folder: Path = ROOT, status: int = 0) -> Any:
        """The JSON that a command prints."""
        return json.loads(self.ops(*arguments, folder=folder, status=status).stdout)

    def session(self, *arguments: str) -> Session:
        """A running command in a terminal."""
        return Session(*arguments, environment=self._environment())

    def _environment(self, kubeconfig: Path | None = None) -> dict[str, str]:
        return {
            **os.environ,
            **self.processes.aws_variables,
            "PYTHONPATH": str(ROOT),
            "KUBECONFIG": str(kubeconfig or self.cluster.kubeconfig),
        }

    def kubeconfig_of(self, user: Mapping[str, str], file: Path) -> Path:
        """Write a kubeconfig with the credentials of another user."""
        kubeconfig = yaml.safe_load(self.cluster.kubeconfig.read_text())
        kubeconfig["users"][0]["user"] = user
        file.write_text(yaml.safe_dump(kubeconfig))
        return file

    @contextmanager
    def edited(self, file: str, kind: str, name: str) -> Iterator[Manifest]:
        """Yield an object of a file in dist/; changes in the block are written back."""
        objects = self.objects(f"dist/{file}")
        yield next(obj for obj in objects if (obj["kind"], obj["metadata"]["name"]) == (kind, name))
        self.write_objects(f"dist/{file}", objects)

    def write_objects(self, file: str, objects: Iterable[Manifest]) -> None:
        """Write a YAML file of Kubernetes objects to the repository."""
        self.repository.write(file, yaml.safe_dump_all(objects))

    def sync(self, message: str, *names: str) -> None:
        """Commit all changes, and wait until they are synced."""
        self.repository.commit(message)
        self.argocd.refresh(*names)
        self.wait(*names)

    def restore(self) -> None:
        """Commit and sync dist/ as rendered."""
        self.write_dist()
        self.sync("Restore dist/")

    def difference(self, objects: Iterable[Manifest]) -> str:
        """The output of `kubectl diff --server-side`; empty if the cluster matches these objects.

        Fields that others add, such as Argo CD's tracking label, are not differences.
        """
        options = ("--server-side", "--force-conflicts", "--field-manager=e2e", "--filename=-")
        text = yaml.safe_dump_all(objects)
        return self.cluster.kubectl("diff", *options, stdin=text, allowed=(0, 1))

    def is_as_committed(self) -> bool:
        """Whether the cluster matches dist/, by a server-side dry run."""
        return self.difference(self.objects()) == ""

    def pods(self, app: str | None = None) -> dict[str, Manifest]:
        """The pods of the services by UID, optionally of one workload."""
        return {
            pod["metadata"]["uid"]: pod
            for namespace in NAMESPACES
            for pod in self.cluster.list("Pod", namespace, f"app={app}" if app else "")
            if pod["metadata"].get("deletionTimestamp") is None
        }

    def images(self, app: str) -> set[str]:
        """The images of a workload's pods."""
        return {pod["spec"]["containers"][0]["image"] for pod in self.pods(app).values()}

    def running(self) -> dict[str, str]:
        """The workloads of all running pods, except those of Jobs, by UID."""
        return {
            uid: pod["metadata"]["labels"]["app"]
            for uid, pod in self.pods().items()
            if pod["status"]["phase"] == "Running"
            and "batch.kubernetes.io/job-name" not in pod["metadata"]["labels"]
        }

    def identities(self) -> set[Identity]:
        """All objects of the kinds in the rendered dist/, except those that controllers created."""
        return {
            (kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
            for kind in self._kinds
            for obj in self.cluster.list(kind)
            if obj["metadata"].get("namespace", NAMESPACES[0]) in NAMESPACES
            and not obj["metadata"].get("ownerReferences")
        }

    def sync_secret(self, name: str, namespace: str) -> None:
        """Refresh an ExternalSecret, and wait until every one is synced."""
        self._refresh_secret(name, namespace)
        self.wait_for_secrets()

    def fail_to_sync_secret(self, name: str, namespace: str) -> None:
        """Refresh an ExternalSecret, and wait until its sync has failed."""
        self._refresh_secret(name, namespace)
        failed = ("--for=condition=Ready=False", "--timeout=60s", f"--namespace={namespace}")
        self.cluster.kubectl("wait", *failed, f"externalsecret/{name}")

    def _refresh_secret(self, name: str, namespace: str) -> None:
        change = {"metadata": {"annotations": {"force-sync": str(time.time_ns())}}}
        self.cluster.patch("ExternalSecret", name, namespace, change)

    def put_parameter(self, path: str, value: str) -> None:
        """Create or overwrite a SecureString."""
        ssm = Emulator(self.processes).client("ssm")
        ssm.put_parameter(Name=path, Value=value, Type="SecureString", Overwrite=True)

    @contextmanager
    def aws_unreachable(self) -> Iterator[None]:
        """Refuse connections to AWS while the block runs; all values are kept."""
        emulator = self.processes["ministack"]
        emulator.send(signal.SIGTERM)  # it writes its state
        emulator.wait()
        try:
            yield
        finally:
            emulator.restart()
