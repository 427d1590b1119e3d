"""Argo CD's API and web page, for users of `make cluster`; not used by tests."""

import shutil
import subprocess
from base64 import b64decode
from pathlib import Path

from local_cluster.argocd import NAMESPACE, ArgoCd
from local_cluster.cluster import Cluster
from local_cluster.installing import Installed
from local_cluster.processes import Processes, answers, free_port
from local_cluster.programs import ARGO_CD
from local_cluster.waiting import eventually

USER = "admin"
_PASSWORD = "argocd-initial-admin-secret"  # noqa: S105 the name of the Secret
_PAGE = Path(__file__).with_name("page")
"""A custom page that uses Argo CD's API: the Go module does not contain Argo CD's own page."""


class ArgoCdServer:
    """argocd-server, which serves HTTP on the loopback interface."""

    def __init__(
        self, processes: Processes, cluster: Cluster, argocd: ArgoCd, installed: Installed
    ) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self._cluster = cluster
        processes.start(
            "argocd-server",
            _released() or installed.path,
            f"--kubeconfig={cluster.kubeconfig}",
            f"--namespace={NAMESPACE}",
            f"--redis={argocd.redis_address}",
            f"--repo-server={argocd.repo_server_address}",
            "--repo-server-plaintext",
            "--insecure",
            f"--staticassets={_PAGE}",
            "--address=127.0.0.1",
            f"--port={port}",
            f"--metrics-port={free_port()}",
            environment={
                "ARGOCD_BINARY_NAME": "argocd-server",
                "ARGOCD_FAKE_IN_CLUSTER": "true",
                "KUBECONFIG": str(cluster.kubeconfig),
            },
            ready=lambda: answers(f"{self.address}/healthz"),
        )

    @property
    def password(self) -> str:
        """The generated password of the first user."""
        found = eventually(
            "Argo CD's password", lambda: self._cluster.get("Secret", _PASSWORD, NAMESPACE)
        )
        return b64decode((found or {})["data"]["password"]).decode()


def _released() -> Path | None:
    """A release of the same version on the PATH; it includes Argo CD's own page."""
    found = shutil.which("argocd")
    if not found:
        return None
    command = [found, "version", "--client", "--short"]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return Path(found) if f"v{ARGO_CD}" in printed else None
