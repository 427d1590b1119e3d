"""Argo CD: runs its programs, reads Applications, and serves the git repository that it reads.

dist/ is synced unchanged, so Argo CD uses a proxy for the repoURL in dist/. The proxy answers for
the host itself, and serves the repository with `git http-backend`.
"""

import os
import shutil
import ssl
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from constructs_lib.model import Manifest
from local_cluster.installing import ARGOCD, printed
from local_cluster.kubernetes import Cluster
from local_cluster.processes import Processes, command, eventually
from ops.errors import OpsError
from ops.git import Git

NAMESPACE = "argocd"
CONTROLLER = "argocd-application-controller"


class GitRepository:
    """A local repository: change files under `path`, then commit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self._git = Git(path).ask
        self._git("init", "--quiet", "--initial-branch=main")
        self.commit("Start")

    @property
    def head(self) -> str:
        """The latest commit."""
        return self._git("rev-parse", "HEAD")

    def write(self, file: str, text: str) -> None:
        """Write a file and create its parent directories."""
        target = self.path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def remove(self, path: str) -> None:
        """Remove a committed file or directory."""
        self._git("rm", "-r", "--quiet", path)

    def commit(self, message: str) -> None:
        """Commit all changes."""
        self._git("add", "--all")
        author = ("-c", "user.name=e2e", "-c", "user.email=e2e@example.invalid")
        self._git(*author, "commit", "--quiet", "--allow-empty", f"--message={message}")


class GitHandler(BaseHTTPRequestHandler):
    """Serves the git directory `root` at the path `prefix`."""

    protocol_version = "HTTP/1.1"
    tls: ssl.SSLContext
    root: Path
    prefix: str

    def do_CONNECT(self) -> None:
        """Act as the requested host: the connection continues with TLS."""
        self.send_response(200)
        self.end_headers()
        self.connection = self.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def do_GET(self) -> None:
        """A request of a clone: the first is a GET, the second a POST."""
        url = urlsplit(self.path)
        if not url.path.startswith(self.prefix):
            self.send_error(404)
            return
        done = subprocess.run(
            [command("git"), "http-backend"],
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(self.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": url.path.removeprefix(self.prefix),
                "QUERY_STRING": url.query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
            input=self.rfile.read(int(self.headers.get("Content-Length", 0))),
            capture_output=True,
            check=False,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = message_from_bytes(head)
        self.send_response(int(headers.get("Status", "200").split()[0]))
        for name, value in headers.items():
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 name from http.server

    def log_message(self, *_: object) -> None:
        """Disable request logging."""


@contextmanager
def serving(repository: Path, url: str, certificate: Path) -> Iterator[Manifest]:
    """Serve a repository at an https URL; yields the Secret that makes Argo CD use the proxy.

    Args:
        repository: The local repository.
        url: The https URL.
        certificate: A certificate for any host, next to its key.
    """
    address = urlsplit(url)
    if address.scheme != "https":
        raise OpsError(
            f"the local cluster cannot serve {url}; set `repository` in "
            "catalogue/installation.py to an https URL"
        )

    class Handler(GitHandler):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        root = repository / ".git"
        prefix = address.path

    Handler.tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
    with ThreadPoolExecutor(1) as thread, ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread.submit(server.serve_forever, 0.1)
        try:
            labels = {"argocd.argoproj.io/secret-type": "repository"}
            proxy = f"http://127.0.0.1:{server.server_port}"
            yield {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "repository", "namespace": NAMESPACE, "labels": labels},
                # the certificate is not one of the host
                "stringData": {"url": url, "proxy": proxy, "insecure": "true"},
            }
        finally:
            server.shutdown()


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


@dataclass(frozen=True)
class ArgoCd:
    """Argo CD on a cluster."""

    cluster: Cluster

    def applications(self) -> dict[str, Application]:
        """All Applications by name."""
        stored = map(Application.of, self.cluster.list("Application", NAMESPACE))
        return {application.name: application for application in stored}

    def refresh(self, *names: str) -> None:
        """Hard-refresh the named Applications, or all."""
        note = "argocd.argoproj.io/refresh"
        options = (f"--namespace={NAMESPACE}", "--overwrite", f"{note}=hard")
        self.cluster.kubectl("annotate", "applications", *(names or ("--all",)), *options)

        def done() -> bool:
            stored = self.cluster.list("Application", NAMESPACE)
            return not any(note in obj["metadata"].get("annotations", {}) for obj in stored)

        eventually("Applications refreshed", done)

    def password(self) -> str:
        """The generated password of the user `admin`."""
        secret = ("Secret", "argocd-initial-admin-secret", NAMESPACE)
        stored = eventually("Argo CD's password", lambda: self.cluster.get(*secret))
        return b64decode((stored or {})["data"]["password"]).decode()


def serve_page(processes: Processes) -> str:
    """Start the API and web page, for users of `make cluster`; returns the address.

    A release of the same version on the PATH is used if there is one, because it includes Argo CD's
    own page.
    """
    installed = shutil.which("argocd")
    version = f"v{ARGOCD.version}"
    if installed and version in printed(installed, "version", "--client", "--short"):
        processes.programs["argocd"] = Path(installed)
    processes.start("argocd-server")
    return f"http://127.0.0.1:{processes.ports['argocd-server']}"
