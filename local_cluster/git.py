"""The git repository that Argo CD reads, served at the repoURL in dist/, which is synced unchanged.

Argo CD uses a proxy that handles requests for any host itself, with a certificate that only this
Argo CD trusts. It serves the repository with `git http-backend`.
"""

import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from constructs_lib.model import Manifest
from local_cluster.kubernetes import write_private_key
from local_cluster.processes import ProcessFailedError, command


class GitRepository:
    """A local repository: change files under `path`, then commit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self._git("init", "--quiet", "--initial-branch=main")
        self.commit("Start")

    @property
    def head(self) -> str:
        """The latest commit."""
        return self._git("rev-parse", "HEAD").strip()

    def write(self, file: str, text: str) -> None:
        """Write a file and create its parent directories."""
        target = self.path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def objects(self, path: str) -> list[Manifest]:
        """The Kubernetes objects of a YAML file, or of all YAML files in a directory tree."""
        target = self.path / path
        files = sorted(target.rglob("*.yaml")) if target.is_dir() else [target]
        return [obj for file in files for obj in yaml.safe_load_all(file.read_text()) if obj]

    def remove(self, path: str) -> None:
        """Remove a file or directory."""
        target = self.path / path
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()

    def changed(self) -> list[str]:
        """The files that differ from the last commit."""
        lines = self._git("-c", "core.quotePath=off", "status", "--porcelain").split("\n")
        return [line[3:] for line in lines[:-1]]

    def commit(self, message: str) -> None:
        """Commit all changes."""
        self._git("add", "--all")
        author = ("-c", "user.name=e2e", "-c", "user.email=e2e@example.invalid")
        self._git(*author, "commit", "--quiet", "--allow-empty", f"--message={message}")

    def _git(self, *arguments: str) -> str:
        words = [command("git"), "-C", str(self.path), *arguments]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
        return done.stdout


@contextmanager
def serving(repository: Path, url: str, folder: Path) -> Iterator[dict[str, str]]:
    """Serve a repository at an https URL; yields environment variables for the repo-server.

    Args:
        repository: The local repository.
        url: The https URL.
        folder: Directory for the certificate, in the layout of argocd-tls-certs-cm. The key is
            written next to it.
    """
    address = urlsplit(url)
    if address.scheme != "https":
        raise ProcessFailedError(
            f"the local cluster cannot serve {url}; set `repository` in "
            "catalogue/installation.py to an https URL"
        )
    folder.mkdir()

    class Handler(GitHandler):
        context = _tls(str(address.hostname), folder)
        root = repository / ".git"
        prefix = address.path

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.1,))
        thread.start()
        try:
            yield {
                "HTTPS_PROXY": f"http://127.0.0.1:{server.server_port}",
                "ARGOCD_TLS_DATA_PATH": str(folder),
            }
        finally:
            server.shutdown()
            thread.join()


class GitHandler(BaseHTTPRequestHandler):
    """Serves the git directory `root` at the path `prefix`."""

    protocol_version = "HTTP/1.1"
    context: ssl.SSLContext
    root: Path
    prefix: str

    def do_CONNECT(self) -> None:
        """Act as the requested host: the connection continues with TLS."""
        self.send_response(200)
        self.end_headers()
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
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


def _tls(host: str, folder: Path) -> ssl.SSLContext:
    """A server's settings with a new certificate, which is written to `folder`."""
    file = folder.with_name("git-server.key")
    key = write_private_key(file)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / host).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / host, file)
    return context
