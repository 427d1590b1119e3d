"""Installs the platform on a control plane: with SecretsStack and the root Application, or by hand.

By hand means: the five objects of the deployment page, and their Secrets.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import yaml

from catalogue.parameters import Parameters
from catalogue.platform import current
from catalogue.stack_outputs import STACK
from charts.registry import render
from constructs_lib.manifests.objects import Objects
from constructs_lib.manifests.references import secret_type
from constructs_lib.manifests.workload import workloads
from constructs_lib.model import ClusterTarget, Manifest
from local_cluster.control_plane import ControlPlane
from local_cluster.installing import Say
from local_cluster.processes import command, eventually
from ops.secrets.parameters import SyncedSecret

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_name("deployment_page")
"""The five objects of the page, one file each."""
_TARGETS = {
    "v1beta1": ClusterTarget(),
    "v1": ClusterTarget(external_secrets="v1", ingress_class="field"),
}
"""Cluster targets by API version of External Secrets; v1beta1 as on the deployment page."""
_VALUES: dict[str, str] = {
    Parameters.API_KEYS.path: '{"by-hand": {"user": "by-hand", "tier": "tier3", "org": "none"}}',
    Parameters.CLICKHOUSE_HOST.path: "by-hand.example",
    Parameters.GHCR_DOCKERCONFIGJSON.path: (
        '{"auths": {"ghcr.io": {"username": "by-hand", "password": "by-hand"}}}'
    ),
}
"""Values with a format that their readers require; all others are plain text."""


class Installation(ControlPlane):
    """A control plane with the platform."""

    def __init__(
        self, control_plane: ControlPlane, dist: Callable[[], Mapping[str, str]] | None = None
    ) -> None:
        """Commit dist/ to the repository of the control plane.

        Args:
            control_plane: The control plane to install on.
            dist: Returns the files of dist/. Default: rendered for the API version of the
                control plane's External Secrets.
        """
        super().__init__(**vars(control_plane))
        target = _TARGETS[self.external_secrets.served]
        self._dist = dist or (lambda: render(replace(current(), target=target)))
        self.write_dist()
        self.repository.commit("Render the platform")

    def write_dist(self) -> None:
        """Replace dist/ of the repository."""
        if (self.repository.path / "dist").exists():
            self.repository.remove("dist")
        for path, text in self._dist().items():
            self.repository.write(f"dist/{path}", text)

    def bootstrap(self) -> None:
        """Run `cdk bootstrap`, which each account needs once."""
        self._cdk("bootstrap", "--quiet")

    def deploy(self, say: Say) -> None:
        """Deploy SecretsStack and the root Application, and wait until everything is synced."""
        say("deploying SecretsStack")
        assembly = str(self.processes.folder / "assembly")
        self._cdk("deploy", STACK, "--require-approval", "never", "--output", assembly)
        say("waiting for Argo CD to sync dist/")
        self.cluster.apply(*self.objects("dist/argocd/root.k8s.yaml"))
        self.wait()
        self.external_secrets.wait_until_synced()

    def _cdk(self, *arguments: str) -> None:
        process = self.processes.start(
            f"cdk-{arguments[0]}",
            command("cdk"),
            *arguments,
            environment={**os.environ, **self.aws.environment, **self.processes.own_folders},
            folder=ROOT,
            ready=lambda: True,
        )
        if process.wait():
            raise process.failed("failed")

    def apply_by_hand(self) -> None:
        """Apply the page's objects with `kubectl apply`, and create their Secrets.

        The Secrets have the same keys as those of dist/.
        """
        page = [yaml.safe_load(file.read_text()) for file in sorted(PAGE.glob("*.yaml"))]
        for namespace in dict.fromkeys(obj["metadata"]["namespace"] for obj in page):
            self.cluster.kubectl("create", "namespace", namespace)
        for secret in _secrets(page, self.objects()):
            self.cluster.kubectl("create", "--filename=-", stdin=yaml.safe_dump(secret))
        self.cluster.kubectl("apply", f"--filename={PAGE}")

    def wait(self, *names: str, within: float = 300) -> None:
        """Wait until the named Applications, or all, are synced to the latest commit."""
        head = self.repository.head
        declared = {o["metadata"]["name"] for o in self.objects() if o["kind"] == "Application"}

        def synced() -> bool:
            existing = self.argocd.applications()
            wanted = names or declared | existing.keys()
            missing = set(wanted) - existing.keys()
            assert not missing, f"no Application {', '.join(sorted(missing))}"
            others = [existing[name] for name in wanted if not existing[name].has_synced(head)]
            assert not others, "; ".join(map(str, others))
            return True

        eventually("Applications Synced and Healthy", synced, within)

    def objects(self, path: str = "dist") -> list[Manifest]:
        """The objects in the repository."""
        return self.repository.objects(path)


def _secrets(page: list[Manifest], declared: list[Manifest]) -> list[Manifest]:
    """The Secrets that the page's pods read, with a value for each key in dist/."""
    sources = {
        (source.namespace, source.secret): (source, secret_type(external.manifest))
        for external in Objects.of(declared).of_kinds("ExternalSecret")
        for source in [SyncedSecret.of(external)]
    }
    needed = {
        (workload.namespace, name)
        for workload in workloads(Objects.of(page))
        for name in (*workload.secrets, *workload.pull_secrets)
    }
    secrets = []
    for namespace, name in sorted(needed):
        source, kind = sources[namespace, name]
        values = {key: _VALUES.get(path, f"by-hand{path}") for key, path in source.paths.items()}
        secrets.append(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": namespace},
                "type": kind,
                "data": {key: b64encode(value.encode()).decode() for key, value in values.items()},
            }
        )
    return secrets
