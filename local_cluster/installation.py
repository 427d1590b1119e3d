"""dist/ on a control plane: SecretsStack deployed, the root Application applied by hand."""

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
"""The cluster target for what External Secrets serves: the page's forms, the newer ones."""
WORKLOADS = ("Deployment", "CronJob", "Job")
SERVICES = ("cerebro", "crawlers")
"""The namespaces of the services."""

Identity = tuple[str, str, str]
"""Kind, namespace and name of an object."""


class Installation:
    """The platform as an operator installs it, and what tests ask of it."""

    def __init__(
        self, control_plane: ControlPlane, dist: Callable[[], Mapping[str, str]] | None = None
    ) -> None:
        """`dist`: the files of dist/; by default rendered for what External Secrets serves."""
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
        """dist/ for this control plane: as committed, or for the newer cluster target."""
        version = self.external_secrets.api_version.rpartition("/")[2]
        return render(replace(current(), target=TARGETS[version]))

    def write_dist(self, files: Mapping[str, str]) -> None:
        """Make dist/ of the repository hold these files."""
        if (self.repository.path / "dist").exists():
            self.repository.remove("dist")
        for path, text in files.items():
            self.repository.write(f"dist/{path}", text)

    def bootstrap(self) -> None:
        """`cdk bootstrap`, which an account needs once."""
        self._cdk("bootstrap", "--quiet")

    def deploy_secrets_stack(self) -> None:
        """`cdk deploy`, as an operator does."""
        assembly = str(self.processes.folder / "assembly")
        self._cdk("deploy", STACK, "--require-approval", "never", "--output", assembly)

    def _cdk(self, *arguments: str) -> None:
        folder = self.processes.folder
        kept = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
        environment = {**os.environ, **self.aws.environment, **kept}
        done = run([command("cdk"), *arguments], ROOT, environment)
        assert done.returncode == 0, f"cdk {arguments[0]} failed: {done.stderr}"

    def apply_root(self) -> None:
        """The one thing that a person applies by hand."""
        self.cluster.apply(*self.repository.objects("dist/argocd/root.k8s.yaml"))

    def wait(self, *names: str, within: float = 300) -> None:
        """Wait until the Applications, by default all of them, show the repository's head."""
        if not names:
            expected = {o["metadata"]["name"] for o in self.objects() if o["kind"] == "Application"}
            eventually("all Applications made", lambda: expected <= set(self.argocd.applications()))
        self.argocd.wait(*names, revision=self.repository.head, within=within)

    def objects(self, path: str = "dist") -> list[Object]:
        """What the repository states."""
        return self.repository.objects(path)

    def sync(self, message: str, *names: str) -> None:
        """Commit what has been edited, and wait until it is in the cluster."""
        self.repository.commit(message)
        self.argocd.refresh(*names)
        self.wait(*names)

    @contextmanager
    def changed(self, file: str, kind: str, name: str) -> Iterator[Object]:
        """An object of dist/, to be changed in the block."""
        with self.repository.edited(f"dist/{file}", kind, name) as found:
            yield found

    def restore(self) -> None:
        """dist/ as rendered, committed and in the cluster."""
        self.write_dist(self.dist())
        self.sync("Back to what the charts render")

    def is_as_committed(self) -> bool:
        """Whether the cluster states what dist/ states, by a server-side dry run."""
        return self.cluster.difference(self.objects()) == ""

    def pods(self, app: str | None = None) -> dict[str, Object]:
        """The pods of the services by uid, those of one workload where `app` is given."""
        selector = f"app={app}" if app else ""
        return {
            pod["metadata"]["uid"]: pod
            for namespace in SERVICES
            for pod in self.cluster.list("Pod", namespace, selector)
            if pod["metadata"].get("deletionTimestamp") is None
        }

    def running(self) -> dict[str, str]:
        """The workload of every running pod that is no Job's, by uid."""
        return {
            uid: pod["metadata"]["labels"]["app"]
            for uid, pod in self.pods().items()
            if pod["status"]["phase"] == "Running"
            and "batch.kubernetes.io/job-name" not in pod["metadata"]["labels"]
        }

    def identities(self) -> set[Identity]:
        """Every object of the kinds that dist/ holds, but pods and what controllers make."""
        return {
            (kind, o["metadata"].get("namespace", ""), o["metadata"]["name"])
            for kind in self._kinds
            for o in self.cluster.list(kind)
            if o["metadata"].get("namespace", SERVICES[0]) in SERVICES
            and not o["metadata"].get("ownerReferences")
        }

    def events(self, namespace: str) -> str:
        """Everything that controllers said in a namespace."""
        return "\n".join(e.get("message", "") for e in self.cluster.list("Event", namespace))


def install(control_plane: ControlPlane, say: Say) -> Installation:
    """A synced platform on this control plane; one that is there already is used again."""
    if id(control_plane) not in _INSTALLED:
        made = Installation(control_plane)
        say("deploying SecretsStack")
        made.bootstrap()
        made.deploy_secrets_stack()
        say("waiting for Argo CD to sync dist/")
        made.apply_root()
        made.wait()
        made.external_secrets.wait_until_synced()
        _INSTALLED[id(control_plane)] = made
    return _INSTALLED[id(control_plane)]


_INSTALLED: dict[int, Installation] = {}
