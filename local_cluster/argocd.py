"""Argo CD: runs its programs, and reads Applications."""

import shutil
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from constructs_lib.model import Manifest
from local_cluster.cluster import Cluster
from local_cluster.installing import printed, redis_server
from local_cluster.processes import Processes, answers, eventually, free_port, listens
from local_cluster.programs import ARGOCD

NAMESPACE = "argocd"
CONTROLLER = "argocd-application-controller"
USER = "admin"
_INSTALLATION = Path(__file__).with_name("argocd.yaml")
_PAGE = Path(__file__).with_name("page")
"""A custom page that uses Argo CD's API: the Go module does not contain Argo CD's own page."""
_RESYNC_SECONDS = 10
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
    resources: tuple[Manifest, ...]
    """The managed resources: group, version, kind, namespace, name, status and health."""

    @classmethod
    def of(cls, obj: Manifest) -> "Application":
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
            messages=tuple(source["message"] for source in sources if source.get("message")),
            resources=tuple(status.get("resources", ())),
        )

    def has_synced(self, revision: str) -> bool:
        """Whether it is Synced to this commit and Healthy, and no sync is running."""
        reached = (self.sync, self.health, self.revision) == ("Synced", "Healthy", revision)
        return reached and self.operation != "Running"

    def __str__(self) -> str:
        return f"{self.name}: {self.sync} {self.health} {self.operation}".rstrip()


def applications(cluster: Cluster) -> dict[str, Application]:
    """All Applications by name."""
    stored = map(Application.of, cluster.list("Application", NAMESPACE))
    return {application.name: application for application in stored}


class ArgoCd:
    """Argo CD on a cluster."""

    def __init__(
        self, processes: Processes, cluster: Cluster, program: Path, git: Mapping[str, str]
    ) -> None:
        """Start Argo CD.

        Args:
            processes: Runs the programs.
            cluster: The cluster to manage.
            program: The `argocd` program.
            git: Environment variables that let the repo-server reach the repository.
        """
        self._processes, self._cluster, self._program = processes, cluster, program
        cluster.apply(*yaml.safe_load_all(_INSTALLATION.read_text()))
        redis, repo_server, metrics = free_port(), free_port(), free_port()
        cache = redis_server()
        assert cache is not None, "Argo CD needs Valkey or Redis, but neither is installed"
        options = (f"--port {redis}", "--bind 127.0.0.1", "--save", "")
        processes.start("redis", cache, *options, ready=lambda: listens(redis))
        self._start(
            "argocd-repo-server",
            program,
            f"--redis=127.0.0.1:{redis}",
            "--disable-tls",
            "--address=127.0.0.1",
            f"--port={repo_server}",
            "--metrics-address=127.0.0.1",
            f"--metrics-port={free_port()}",
            f"--revision-cache-expiration={_RESYNC_SECONDS}s",
            ready=lambda: listens(repo_server),
            ARGOCD_GPG_ENABLED="false",
            **git,
        )
        self._options = (
            f"--kubeconfig={cluster.kubeconfig}",
            f"--namespace={NAMESPACE}",
            f"--redis=127.0.0.1:{redis}",
            f"--repo-server=127.0.0.1:{repo_server}",
            "--repo-server-plaintext",
        )
        self._start(
            CONTROLLER,
            program,
            *self._options,
            f"--app-resync={_RESYNC_SECONDS}",
            f"--metrics-port={metrics}",  # it cannot be bound to the loopback interface
            ready=lambda: answers(f"http://127.0.0.1:{metrics}/healthz"),
        )

    def _start(
        self, name: str, program: Path, *arguments: str, ready: Callable[[], bool], **settings: str
    ) -> None:
        """Start a program of Argo CD; all are in one binary."""
        settings |= {
            "ARGOCD_BINARY_NAME": name,
            # makes it treat the kubeconfig's cluster as the cluster that it runs in
            "ARGOCD_FAKE_IN_CLUSTER": "true",
            "KUBECONFIG": str(self._cluster.kubeconfig),
        }
        self._processes.start(name, program, *arguments, environment=settings, ready=ready)

    def serve_page(self) -> str:
        """Start the API and web page, for users of `make cluster`; returns the address.

        A release of the same version on the PATH is used if there is one, because it includes
        Argo CD's own page.
        """
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        installed = shutil.which("argocd")
        version = f"v{ARGOCD.version}"
        same = installed and version in printed(installed, "version", "--client", "--short")
        self._start(
            "argocd-server",
            Path(installed) if installed and same else self._program,
            *self._options,
            "--insecure",
            f"--staticassets={_PAGE}",
            "--address=127.0.0.1",
            f"--port={port}",
            f"--metrics-port={free_port()}",
            ready=lambda: answers(f"{address}/healthz"),
        )
        return address

    def password(self) -> str:
        """The generated password of the first user."""
        name = "argocd-initial-admin-secret"
        stored = eventually(
            "Argo CD's password", lambda: self._cluster.get("Secret", name, NAMESPACE)
        )
        return b64decode((stored or {})["data"]["password"]).decode()

    def applications(self) -> dict[str, Application]:
        """All Applications by name."""
        return applications(self._cluster)

    def refresh(self, *names: str) -> None:
        """Hard-refresh the named Applications, or all."""
        refreshed = names or tuple(self.applications())
        note = "argocd.argoproj.io/refresh"
        for name in refreshed:
            change = {"metadata": {"annotations": {note: "hard"}}}
            self._cluster.patch("Application", name, NAMESPACE, change)

        def done() -> bool:
            return not any(
                note in obj["metadata"].get("annotations", {})
                for obj in self._cluster.list("Application", NAMESPACE)
                if obj["metadata"]["name"] in refreshed
            )

        eventually("Applications refreshed", done)
