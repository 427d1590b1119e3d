"""What the tests of several commands need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from constructs_lib.manifests.releases import FINGERPRINT, fingerprint
from tests.ops.checkouts import CODE, commit, copy
from tests.ops.local_registry import LocalRegistry, local_registry


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalRegistry]:
    """An empty registry, and a Docker configuration without a login."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    with local_registry() as registry:
        yield registry


def _with_fingerprints(text: str) -> str:
    """A file whose Jobs have changed, as a synth would write it."""
    if FINGERPRINT in text:
        (job,) = (one for one in yaml.load_all(text, yaml.CSafeLoader) if one["kind"] == "Job")
        text = re.sub(f"{FINGERPRINT}: .+", f"{FINGERPRINT}: {fingerprint(job)}", text)
    return text


@pytest.fixture
def own(tmp_path: Path, server: LocalRegistry) -> Path:
    """A committed copy of all that a command needs, whose images are in that registry."""
    checkout = copy(CODE, tmp_path / "checkout")
    for path in (checkout / "catalogue/platform.py", *checkout.glob("dist/*/*.yaml")):
        path.write_text(_with_fingerprints(path.read_text().replace("ghcr.io/", f"{server.host}/")))
    commit(checkout, "images of another registry")
    return checkout
