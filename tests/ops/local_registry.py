"""A small image registry on the loopback interface: manifests, blobs, and a token service."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.serving import QuietHandler, serving

INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_TOKEN = "a-token"  # noqa: S105 only for this registry

Platform = tuple[str, ...]
"""OS, architecture and variant; empty: not stated."""
ATTESTATION: Platform = ("unknown", "unknown")


def _facts(platform: Platform) -> dict[str, str]:
    return dict(zip(("os", "architecture", "variant"), platform, strict=False))


class LocalRegistry:
    """The content and behavior of the registry."""

    def __init__(self) -> None:
        self.host = ""
        self.answers: dict[str, tuple[int, bytes]] = {"/token": (200, b'{"token": "a-token"}')}
        """Status and body by path; 404 for other paths."""
        self.stated_digest = ""
        """The header `Docker-Content-Digest` of an index; empty omits it."""
        self.login: tuple[str, str] | None = None
        """User and password for the token service; None accepts everyone."""
        self.asked: list[str] = []
        """The requested scopes."""

    def push(self, repository: str, tag: str, *platforms: Platform) -> str:
        """Push an index with one manifest per platform; return its digest."""
        entries = [
            {
                "mediaType": _MANIFEST,
                "digest": self.push_manifest(repository, platform),
                **({"platform": _facts(platform)} if platform else {}),
            }
            for platform in platforms
        ]
        return self.push_index(repository, tag, *entries)

    def push_index(self, repository: str, tag: str, *entries: dict[str, Any]) -> str:
        """Push an index of these entries; return its digest."""
        return self._put(repository, "manifests", {"mediaType": INDEX, "manifests": entries}, tag)

    def push_manifest(self, repository: str, platform: Platform, *tags: str) -> str:
        """Push one manifest without an index; return its digest."""
        config = {"digest": self._put(repository, "blobs", _facts(platform))}
        return self._put(repository, "manifests", {"mediaType": _MANIFEST, "config": config}, *tags)

    def _put(self, repository: str, kind: str, content: Any, *tags: str) -> str:
        body = json.dumps(content).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        for key in (digest, *tags):
            self.answers[f"/v2/{repository}/{kind}/{key}"] = (200, body)
        return digest


@contextmanager
def local_registry() -> Iterator[LocalRegistry]:
    """Run a registry on a free port."""
    registry = LocalRegistry()

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 as http.server calls it
            url, authorization = urlsplit(self.path), self.headers["Authorization"]
            status, body = registry.answers.get(url.path, (404, b""))
            headers = {}
            if url.path == "/token":
                registry.asked += parse_qs(url.query)["scope"]
                login = base64.b64encode(":".join(registry.login or ()).encode()).decode()
                if registry.login and authorization != f"Basic {login}":
                    status, body = 403, b'{"errors": [{"code": "DENIED"}]}'
            elif authorization != f"Bearer {_TOKEN}":
                status, body = 401, b""
                scope = url.path.removeprefix("/v2/").rsplit("/", 2)[0]
                headers["WWW_Authenticate"] = (
                    f'Bearer realm="http://{registry.host}/token",service="{registry.host}",'
                    f'scope="repository:{scope}:pull"'
                )
            elif registry.stated_digest and b'"manifests"' in body:
                headers["Docker_Content_Digest"] = registry.stated_digest
            self.send(status, body, **headers)

    with serving(Handler) as address:
        registry.host = address.removeprefix("http://")
        yield registry
