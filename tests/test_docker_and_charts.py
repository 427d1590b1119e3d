"""Dockerfiles and charts agree on user, ports, health checks and writable paths."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from catalogue import images
from charts.cerebro.metrics_dashboard import KEEP_ALIVE_SECONDS
from constructs_lib.manifests.objects import pod_template
from constructs_lib.model import Manifest
from tests.conftest import ROOT, parse
from tests.images.dockerfiles import DOCKER, HealthUrl, Image, health_urls, read

_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")

Container = tuple[str, Manifest, Manifest]
"""File in dist/, pod spec, container."""


@pytest.fixture(scope="module")
def containers(committed: dict[str, str]) -> dict[str, list[Container]]:
    """The containers in dist/ by the service of their image."""
    found: dict[str, list[Container]] = {}
    for path, text in committed.items():
        for item in parse({path: text}):
            spec = (pod_template(item) or {"spec": {"containers": ()}})["spec"]
            for container in spec["containers"]:
                service = container["image"].rpartition("/")[2].partition(":")[0]
                found.setdefault(service, []).append((f"dist/{path}", spec, container))
    return found


def differences(image: Image, containers: list[Container]) -> Iterator[str]:
    """A message with both file names for each difference."""
    dockerfile = image.path.relative_to(ROOT)
    for file, spec, container in containers:
        between = f"{dockerfile} and {file} ({container['name']})"
        user = spec["securityContext"]
        if image.user != f"{user['runAsUser']}:{user['runAsGroup']}":
            yield f"{between} disagree about the user: {image.user}, {user['runAsUser']}"
        mounts = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
        if set(image.writable_paths) != mounts:
            yield f"{between} disagree about writable paths: {image.writable_paths}, {mounts}"
        for port in container.get("ports", ()):
            if port["containerPort"] not in image.ports:
                yield f"{between} disagree about the port: {image.ports}, {port['containerPort']}"
    asked = {url for _, _, container in containers for url in health(container)}
    checked = set(image.health_urls)
    # the image has one health check for a port that may have two probes
    if checked and not (checked <= asked and {u.port for u in checked} == {u.port for u in asked}):
        files = " and ".join(sorted({file for file, _, _ in containers}))
        yield f"{dockerfile} and {files} disagree about health: {image.health_urls}, {asked}"


def health(container: Manifest) -> Iterator[HealthUrl]:
    """The URLs of the probes, both HTTP probes and commands."""
    for probe in (container[name] for name in _PROBES if name in container):
        if "httpGet" in probe:
            yield HealthUrl(probe["httpGet"]["port"], probe["httpGet"]["path"])
        yield from health_urls(" ".join(probe.get("exec", {}).get("command", ())))


def test_every_image_and_its_charts_agree(containers: dict[str, list[Container]]) -> None:
    assert set(containers) == set(images.load())
    for service, runs in containers.items():
        assert not list(differences(read(service), runs))


@pytest.mark.parametrize(
    ("service", "change", "about"),
    [
        ("cerebro-api", {"ports": (9000,)}, "the port"),
        ("cerebro-api", {"user": "1001:1001"}, "the user"),
        ("cerebro-api", {"health_urls": (HealthUrl(8000, "/other"),)}, "health"),
        ("cerebro-mcp", {"writable_paths": ("/tmp",)}, "writable paths"),
        ("metrics-dashboard", {"health_urls": (HealthUrl(8080, "/healthz"),)}, "health"),
    ],
)
def test_a_change_on_one_side_names_both_files(
    containers: dict[str, list[Container]], service: str, change: dict[str, Any], about: str
) -> None:
    found = list(differences(replace(read(service), **change), containers[service]))
    assert found
    for line in found:
        assert line.startswith(f"docker/{service}/Dockerfile and dist/cerebro/{service}.k8s.yaml")
        assert f"disagree about {about}" in line


def test_nginx_keeps_connections_as_long_as_the_chart_says() -> None:
    configuration = (DOCKER / "metrics-dashboard" / "nginx.conf").read_text("utf-8")
    assert re.search(rf"keepalive_timeout\s+{KEEP_ALIVE_SECONDS}s;", configuration)
