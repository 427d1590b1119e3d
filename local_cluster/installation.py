"""Installs the platform on a control plane: SecretsStack, then the root Application."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from catalogue.platform import current
from catalogue.stack_outputs import STACK
from charts.registry import render
from constructs_lib.model import ClusterTarget
from local_cluster.cluster import Object
from local_cluster.control_plane import ControlPlane
from local_cluster.installing import Say
from local_cluster.processes import command, run
from local_cluster.waiting import eventually

ROOT = Path(__file__).parents[1]
TARGETS = {
    "v1beta1": ClusterTarget(),
    "v1": ClusterTarget(external_secrets="v1", ingress_class="field"),
}
"""Cluster targets by API version of External Secrets; v1beta1 as on the deployment page."""
WORKLOADS = ("Deployment", "CronJob", "Job")
SERVICES = ("cerebro", "crawlers")
"""Namespaces."""

Identity = tuple[str, str, str]
"""Kind, namespace and name of an object."""


class Installation:
    """The installed platform, and helpers for tests."""

    def __init__(
        self, control_plane: ControlPlane, dist: Callable[[], Mapping[str, str]] | None = None
    ) -> None:
        """Commit dist/ to the repository of the control plane.

        Args:
            control_plane: The control plane to install on.
            dist: Returns the files of dist/. Default: rendered for the API version of the
                control plane's External Secrets.
        """
        self.dist = dist or self.rendered
        self.control_plane = control_plane
        self.cluster = control_plane.cluster
        self.argocd = control_plane.argocd
        self.aws = control_plane.aws
        self.external_secrets = control_plane.external_secrets
        self.repository = control_plane.repository
        self.processes = control_plane.processes
        self.write_dist(self.dist())
        self.repository.commit("Render the platform")
        self._kinds = {o["kind"] for o in self.objects()} - {"Application", "AppProject"}

    def rendered(self) -> Mapping[str, str]:
        """dist/, rendered for this control plane."""
        version = self.external_secrets.api_version.rpartition("/")[2]
        return render(replace(current(), target=TARGETS[version]))

    def write_dist(self, files: Mapping[str, str]) -> None:
        """Replace dist/ of the repository with these files."""
        if (self.repository.path / "dist").exists():
            self.repository.remove("dist")
        for path, text in files.items():
            self.repository.write(f"dist/{path}", text)

    def bootstrap(self) -> None:
        """Run `cdk bootstrap`, which each account needs once."""
        self._cdk("bootstrap", "--quiet")

    def deploy_secrets_stack(self) -> None:
        """Run `cdk deploy`."""
        assembly = str(self.processes.folder / "assembly")
        self._cdk("deploy", STACK, "--require-approval", "never", "--output", assembly)

    def deploy(self, say: Say) -> None:
        """Deploy SecretsStack and the root Application, and wait until everything is synced."""
        say("deploying SecretsStack")
        self.deploy_secrets_stack()
        say("waiting for Argo CD to sync dist/")
        self.apply_root()
        self.wait()
        self.external_secrets.wait_until_synced()

    def _cdk(self, *arguments: str) -> None:
        folder = self.processes.folder
        kept = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
        environment = {**os.environ, **self.aws.environment, **kept}
        done = run([command("cdk"), *arguments], ROOT, environment)
        assert done.returncode == 0, f"cdk {arguments[0]} failed: {done.stderr}"

    def apply_root(self) -> None:
        """Apply the root Application, the only object that users apply by hand."""
        self.cluster.apply(*self.repository.objects("dist/argocd/root.k8s.yaml"))

    def wait(self, *names: str, within: float = 300) -> None:
        """Wait until the named Applications, or all, are synced to the latest commit."""
        if not names:
            expected = {o["metadata"]["name"] for o in self.objects() if o["kind"] == "Application"}
            eventually(
                "all Applications created", lambda: expected <= set(self.argocd.applications())
            )
        self.argocd.wait(*names, revision=self.repository.head, within=within)

    def objects(self, path: str = "dist") -> list[Object]:
        """The objects in the repository."""
        return self.repository.objects(path)

    def sync(self, message: str, *names: str) -> None:
        """Commit all changes, and wait until they are synced."""
        self.repository.commit(message)
        self.argocd.refresh(*names)
        self.wait(*names)

    @contextmanager
    def changed(self, file: str, kind: str, name: str) -> Iterator[Object]:
        """Yield an object of dist/; changes in the block are written back."""
        with self.repository.edited(f"dist/{file}", kind, name) as found:
            yield found

    def restore(self) -> None:
        """Commit and sync dist/ as rendered."""
        self.write_dist(self.dist())
        self.sync("Restore dist/")

    def is_as_committed(self) -> bool:
        """Whether the cluster matches dist/, by a server-side dry run."""
        return self.cluster.difference(self.objects()) == ""

    def pods(self, app: str | None = None) -> dict[str, Object]:
        """The pods of the services by UID, optionally of one workload."""
        selector = f"app={app}" if app else ""
        return {
            pod["metadata"]["uid"]: pod
            for namespace in SERVICES
            for pod in self.cluster.list("Pod", namespace, selector)
            if pod["metadata"].get("deletionTimestamp") is None
        }

    def running(self) -> dict[str, str]:
        """The workloads of all running pods, except those of Jobs, by UID."""
        return {
            uid: pod["metadata"]["labels"]["app"]
            for uid, pod in self.pods().items()
            if pod["status"]["phase"] == "Running"
            and "batch.kubernetes.io/job-name" not in pod["metadata"]["labels"]
        }

    def identities(self) -> set[Identity]:
        """All objects of the kinds in dist/, except those that controllers created."""
        return {
            (kind, o["metadata"].get("namespace", ""), o["metadata"]["name"])
            for kind in self._kinds
            for o in self.cluster.list(kind)
            if o["metadata"].get("namespace", SERVICES[0]) in SERVICES
            and not o["metadata"].get("ownerReferences")
        }

    def events(self, namespace: str) -> str:
        """The messages of all events in a namespace."""
        return "\n".join(e.get("message", "") for e in self.cluster.list("Event", namespace))


def install(control_plane: ControlPlane, say: Say) -> Installation:
    """A synced platform on this control plane; an existing installation is reused."""
    if id(control_plane) not in _INSTALLED:
        installation = Installation(control_plane)
        installation.bootstrap()
        installation.deploy(say)
        _INSTALLED[id(control_plane)] = installation
    return _INSTALLED[id(control_plane)]


_INSTALLED: dict[int, Installation] = {}
