"""Serves the local repository at the repoURL in dist/, so that Argo CD can sync dist/ unchanged.

Argo CD uses a proxy that handles requests for any host itself, with a certificate that only this
Argo CD trusts. It serves the repository with `git http-backend`.
"""

import os
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

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local_cluster.processes import ProcessFailedError, command

_VALID = timedelta(days=7)


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
    host = str(address.hostname)
    folder.mkdir()
    key, certificate = folder.with_name("git-server.key"), folder / host
    _write_certificate(host, key, certificate)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    class Handler(_Handler):
        context = tls
        root = repository
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


class _Handler(BaseHTTPRequestHandler):
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
        """The first request of a clone."""
        self._answer(b"")

    def do_POST(self) -> None:
        """The second request of a clone."""
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def log_message(self, *_: object) -> None:
        """Disable request logging."""

    def _answer(self, body: bytes) -> None:
        url = urlsplit(self.path)
        if not url.path.startswith(self.prefix):
            self.send_error(404)
            return
        done = subprocess.run(
            [command("git"), "http-backend"],
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(self.root / ".git"),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": url.path.removeprefix(self.prefix),
                "QUERY_STRING": url.query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
            input=body,
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


def _write_certificate(host: str, key_file: Path, file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
