"""A small image registry on the loopback interface: manifests, blobs, and a token service."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.serving import QuietHandler, serving

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_TOKEN = "a-token"  # noqa: S105 only for this registry

Platform = tuple[str, str]
ATTESTATION: Platform = ("unknown", "unknown")


class LocalRegistry:
    """The content and behavior of the registry."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.answers: dict[str, tuple[int, bytes]] = {}
        """Status and body by path; 404 for other paths."""
        self.stated_digest = ""
        """The header `Docker-Content-Digest` of an index; empty omits it."""
        self.login: tuple[str, str] | None = None
        """User and password for the token service; None accepts everyone."""
        self.token_status = 200
        self.asked: list[str] = []
        """The requested scopes."""
        self.silent = threading.Event()
        """If set, no request is answered until the registry ends."""
        self.ends = threading.Event()

    def push(self, repository: str, tag: str, *platforms: Platform) -> str:
        """Push an index with one manifest per platform; return its digest."""
        entries = [
            {
                "mediaType": _MANIFEST,
                "digest": self._manifest(repository, platform),
                "platform": {"os": platform[0], "architecture": platform[1]},
            }
            for platform in platforms
        ]
        return self._put(repository, "manifests", {"mediaType": _INDEX, "manifests": entries}, tag)

    def push_single(self, repository: str, tag: str, platform: Platform) -> str:
        """Push one manifest without an index; return its digest."""
        digest = self._manifest(repository, platform)
        path = f"/v2/{repository}/manifests/"
        self.answers[path + tag] = self.answers[path + digest]
        return digest

    def _manifest(self, repository: str, platform: Platform) -> str:
        facts = {"os": platform[0], "architecture": platform[1]}
        config = {"digest": self._put(repository, "blobs", facts)}
        return self._put(repository, "manifests", {"mediaType": _MANIFEST, "config": config})

    def _put(self, repository: str, kind: str, content: Any, tag: str | None = None) -> str:
        body = json.dumps(content).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        for key in (digest, tag) if tag else (digest,):
            self.answers[f"/v2/{repository}/{kind}/{key}"] = (200, body)
        return digest


class _Handler(QuietHandler):
    registry: ClassVar[LocalRegistry]

    def do_GET(self) -> None:  # noqa: N802 as http.server calls it
        registry, url = self.registry, urlsplit(self.path)
        if registry.silent.is_set():
            registry.ends.wait()
        elif url.path == "/token":
            registry.asked += parse_qs(url.query)["scope"]
            self._answer(*self._token())
        elif self.headers["Authorization"] == f"Bearer {_TOKEN}":
            self._answer(*registry.answers.get(url.path, (404, b"")))
        else:
            repository = url.path.removeprefix("/v2/").rpartition("/")[0].rpartition("/")[0]
            challenge = (
                f'Bearer realm="http://{registry.host}/token",service="{registry.host}",'
                f'scope="repository:{repository}:pull"'
            )
            self._answer(401, b"", WWW_Authenticate=challenge)

    def _token(self) -> tuple[int, bytes]:
        login = self.registry.login
        if login:
            wanted = base64.b64encode(":".join(login).encode()).decode()
            if self.headers["Authorization"] != f"Basic {wanted}":
                return 403, b'{"errors": [{"code": "DENIED"}]}'
        return self.registry.token_status, json.dumps({"token": _TOKEN}).encode()

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        if self.registry.stated_digest and b'"manifests"' in body:
            headers["Docker_Content_Digest"] = self.registry.stated_digest
        self.send(status, body, **headers)


@contextmanager
def local_registry() -> Iterator[LocalRegistry]:
    """Run a registry on a free port."""

    class Handler(_Handler):
        pass

    with serving(Handler) as address:
        registry = LocalRegistry(address.removeprefix("http://"))
        Handler.registry = registry
        try:
            yield registry
        finally:
            registry.ends.set()
