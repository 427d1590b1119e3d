"""Fixtures for several commands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalogue.platform import AnalyticsPlatform
from charts import registry as charts
from charts.output import replace_dir
from ops import pin, registry
from tests.ops.checkouts import CODE, commit, copy
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


@pytest.fixture
def own(tmp_path: Path, server: LocalRegistry, platform: AnalyticsPlatform) -> Path:
    """A committed copy of everything a command needs, with images in the local registry."""
    checkout = copy(CODE, tmp_path / "checkout")
    declared = checkout / "catalogue/platform.py"
    declared.write_text(declared.read_text().replace("ghcr.io/", f"{server.host}/"))
    images = platform.registry.replace("ghcr.io/", f"{server.host}/")
    replace_dir(charts.render(replace(platform, registry=images)), checkout / "dist")
    commit(checkout, "images of another registry")
    return checkout
