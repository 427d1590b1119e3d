"""Fixtures for several commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import pin, registry
from tests.ops.checkouts import copy
from tests.ops.local_registry import LocalRegistry, local_registry

DIGEST = f"sha256:{64 * '1'}"
"""Of the images in the registry, unless one is asked for by digest."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalRegistry]:
    """An empty registry, and a Docker configuration without a login."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    with local_registry() as running:
        yield running


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed copy of the files that a pin changes; the registry has every image."""
    checkout = copy(("catalogue/images", "dist"), tmp_path / "checkout")
    monkeypatch.setattr(pin, "ROOT", checkout)
    monkeypatch.setattr(registry, "find", lambda image: image.partition("@")[2] or DIGEST)
    return checkout
