"""Argo CD: runs its repo-server and application-controller, and reads Applications."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from local_cluster.cluster import Cluster, Object
from local_cluster.installing import Installed, redis_server
from local_cluster.processes import Process, Processes, answers, free_port, listens
from local_cluster.waiting import eventually

NAMESPACE = "argocd"
INSTALLATION = Path(__file__).with_name("argocd.yaml")
RESYNC_SECONDS = 10
"""The interval at which it compares git with the cluster (Argo CD's default is 180)."""


@dataclass(frozen=True)
class Application:
    """The status of an Application."""

    name: str
    sync: str
    """Synced, OutOfSync or Unknown."""
    health: str
    """Healthy, Progressing, Degraded, Missing, Suspended or Unknown."""
    revision: str
    """The commit that `sync` refers to."""
    operation: str
    """The phase of the last sync operation: Running, Succeeded, Failed, Error, or empty."""
    messages: tuple[str, ...]
    """Messages of the last operation, the conditions and the resources."""
    resources: tuple[Object, ...]
    """The managed resources: group, version, kind, namespace, name, status and health."""

    @classmethod
    def of(cls, obj: Object) -> "Application":
        status = obj.get("status", {})
        sync, operation = status.get("sync", {}), status.get("operationState", {})
        results = operation.get("syncResult", {}).get("resources", ())
        sources = [operation, *status.get("conditions", ()), *results]
        return cls(
            name=obj["metadata"]["name"],
            sync=sync.get("status", ""),
            health=status.get("health", {}).get("status", ""),
            revision=sync.get("revision", ""),
            operation=operation.get("phase", ""),
            messages=tuple(one["message"] for one in sources if one.get("message")),
            resources=tuple(status.get("resources", ())),
        )

    def is_done(self, revision: str = "", sync: str = "Synced", health: str = "Healthy") -> bool:
        """Whether it has this status and no running sync, for this commit if one is given."""
        return (
            (self.sync, self.health) == (sync, health)
            and revision in ("", self.revision)
            and not (self.sync == "Synced" and self.operation == "Running")
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.sync} {self.health} {self.operation}".rstrip()


class ArgoCd:
    """Argo CD on a cluster."""

    def __init__(
        self,
        processes: Processes,
        cluster: Cluster,
        installed: Installed,
        git: Mapping[str, str],
    ) -> None:
        """Start Argo CD.

        Args:
            processes: Runs the programs.
            cluster: The cluster to manage.
            installed: The `argocd` program.
            git: Environment variables that let the repo-server reach the repository.
        """
        self._cluster = cluster
        cluster.apply(*yaml.safe_load_all(INSTALLATION.read_text()))
        redis, repo_server = free_port(), free_port()
        self.redis_address, self.repo_server_address = (
            f"127.0.0.1:{port}" for port in (redis, repo_server)
        )
        server = redis_server()
        assert server is not None, "Argo CD needs Valkey or Redis, but neither is installed"
        self.redis = processes.start(
            "redis",
            server,
            f"--port {redis}",
            "--bind 127.0.0.1",
            "--save",
            "",
            ready=lambda: listens(redis),
        )
        self.repo_server = processes.start(
            "argocd-repo-server",
            installed.path,
            f"--redis=127.0.0.1:{redis}",
            "--disable-tls",
            "--address=127.0.0.1",
            f"--port={repo_server}",
            "--metrics-address=127.0.0.1",
            f"--metrics-port={free_port()}",
            f"--revision-cache-expiration={RESYNC_SECONDS}s",
            environment={
                "ARGOCD_BINARY_NAME": "argocd-repo-server",
                **git,
                "ARGOCD_GPG_ENABLED": "false",
                "KUBECONFIG": str(cluster.kubeconfig),
            },
            ready=lambda: listens(repo_server),
        )
        self.controller = self._start_controller(
            processes, installed, self.redis_address, self.repo_server_address
        )

    def _start_controller(
        self, processes: Processes, installed: Installed, redis: str, repo_server: str
    ) -> Process:
        """Start the controller. Its metrics port cannot be bound to the loopback interface."""
        metrics = free_port()
        return processes.start(
            "argocd-application-controller",
            installed.path,
            f"--kubeconfig={self._cluster.kubeconfig}",
            f"--namespace={NAMESPACE}",
            f"--redis={redis}",
            f"--repo-server={repo_server}",
            "--repo-server-plaintext",
            f"--app-resync={RESYNC_SECONDS}",
            f"--metrics-port={metrics}",
            environment={
                "ARGOCD_BINARY_NAME": "argocd-application-controller",
                # makes it treat the kubeconfig's cluster as the cluster that it runs in
                "ARGOCD_FAKE_IN_CLUSTER": "true",
                "KUBECONFIG": str(self._cluster.kubeconfig),
            },
            ready=lambda: answers(f"http://127.0.0.1:{metrics}/healthz"),
        )

    def applications(self) -> dict[str, Application]:
        """All Applications by name."""
        found = map(Application.of, self._cluster.list("Application", NAMESPACE))
        return {application.name: application for application in found}

    def wait(
        self,
        *names: str,
        sync: str = "Synced",
        health: str = "Healthy",
        revision: str = "",
        within: float = 180,
    ) -> dict[str, Application]:
        """Wait until the named Applications, or all, have this status and no running sync.

        With `revision`, the status must refer to that commit; otherwise an old status counts too.
        """

        def done() -> Mapping[str, Application]:
            existing = self.applications()
            assert existing, "no Applications found"
            missing = set(names) - set(existing)
            assert not missing, f"no Application {', '.join(sorted(missing))}"
            wanted = [existing[name] for name in names or existing]
            others = [str(one) for one in wanted if not one.is_done(revision, sync, health)]
            assert not others, "; ".join(others)
            return existing

        return dict(eventually(f"Applications {sync} and {health}", done, within))

    def wait_until_syncing(self, name: str, within: float = 60) -> None:
        """Wait until a sync of this Application is running."""

        def syncing() -> bool:
            return self.applications()[name].operation == "Running"

        eventually(f"{name} syncing", syncing, within, every=0.05)

    def refresh(self, *names: str, within: float = 60) -> None:
        """Hard-refresh the named Applications, or all."""
        refreshed = names or tuple(self.applications())
        for name in refreshed:
            note = {"argocd.argoproj.io/refresh": "hard"}
            self._cluster.annotate("Application", name, NAMESPACE, note)

        def done() -> bool:
            objects = self._cluster.list("Application", NAMESPACE)
            return not any(
                "argocd.argoproj.io/refresh" in one["metadata"].get("annotations", {})
                for one in objects
                if one["metadata"]["name"] in refreshed
            )

        eventually("Applications refreshed", done, within)

    def delete(self, name: str, within: float = 120) -> None:
        """Delete an Application and wait until its finalizer has deleted its resources."""
        self._cluster.delete("Application", name, NAMESPACE)
        eventually(f"{name} gone", lambda: name not in self.applications(), within)
