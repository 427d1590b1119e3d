"""Checks of the checkout: dist/, the code and the Dockerfiles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from charts.memory import digest
from constructs_lib.manifests.workload import Update, Workload, pods_in_words, workloads
from constructs_lib.model.text import plural
from ops.checklist.model import Answer, Service, failed, failed_each, not_applicable, passed
from ops.secrets.readers import Source

if TYPE_CHECKING:
    from constructs_lib.model import Manifest

ROOT = Path(__file__).parents[2]
_FROM = re.compile(
    r"^FROM\s+(?:--platform=(?P<platform>\S+)\s+)?(?P<base>\S+)", re.MULTILINE | re.IGNORECASE
)
_FIT = (None, "$BUILDPLATFORM", "$TARGETPLATFORM", "linux/arm64")
_MANDATORY = ("cpu", "memory")
_ALWAYS = ("livenessProbe",)
_ARM64 = {"kubernetes.io/arch": "arm64"}


def parse(text: str) -> tuple[Manifest, ...]:
    """Return the objects of a rendered file. Raises ValueError if the file is invalid."""
    try:
        documents = list(yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise ValueError(f"is not valid YAML: {' '.join(str(error).split())}") from error
    objects = [one for one in documents if one is not None]
    if not all(isinstance(one, dict) and {"kind", "metadata"} <= one.keys() for one in objects):
        raise ValueError("contains a document that is not a Kubernetes object")
    return tuple(objects)


def dockerfile(service: Service, root: Path = ROOT) -> Iterator[Answer]:
    """Check that the Dockerfile of each image builds for arm64."""
    for image in service.images:
        file = root / "docker" / image.rpartition("/")[2] / "Dockerfile"
        name = file.relative_to(root)
        if not file.is_file():
            yield failed(f"{name} is missing")
            continue
        stages = list(_FROM.finditer(file.read_text("utf-8")))
        if not stages:
            yield failed(f"{name} has no FROM instruction")
            continue
        foreign = [stage for stage in stages if stage["platform"] not in _FIT]
        yield from failed_each(
            (f"{name}: --platform={stage['platform']} is not arm64" for stage in foreign),
            f"{name}: none of {len(stages)} stages sets another platform",
        )


def manifests(service: Service, dist: Mapping[str, str], digests: Mapping[str, str]) -> Answer:
    """Check that the file in dist/ is up to date; `digests` are those of the rendered files."""
    path = f"dist/{service.path}"
    if service.path not in dist:
        return failed(f"{path} is missing; run `make synth`")
    if digest(dist[service.path]) != digests[service.path]:
        return failed(f"{path} differs from what the code renders; run `make synth`")
    kinds = dict.fromkeys(item["kind"] for item in service.objects)
    return passed(f"{path}: {', '.join(kinds)}")


def external_secrets(service: Service, sources: Iterable[Source]) -> list[Answer]:
    """Check that an ExternalSecret creates each Secret that the pods reference."""
    created = {(source.namespace, source.secret) for source in sources}
    named = secrets_of(service)
    missing = [name for name in named if (service.namespace, name) not in created]
    return failed_each(
        (f"no ExternalSecret creates the Secret {service.namespace}/{name}" for name in missing),
        ", ".join(named),
    )


def resources(service: Service) -> list[Answer]:
    """Check that every container has requests and limits."""
    lacking = [
        f"{owner}, container {container['name']}: no {name} {bound}"
        for owner, container in _containers(service)
        for bound in ("requests", "limits")
        for name in _MANDATORY
        if name not in ((container.get("resources") or {}).get(bound) or {})
    ]
    return failed_each(lacking, f"set on {plural(len(list(_containers(service))), 'container')}")


def probes(service: Service) -> list[Answer]:
    """Check for liveness probes, and for readiness probes on containers that serve requests."""
    running = _running(service)
    if not running:
        return [not_applicable("it runs only jobs")]
    called = [
        (item.get("spec") or {}).get("selector") or {}
        for item in service.objects
        if item["kind"] == "Service"
    ]
    lacking = []
    for workload in running:
        serves = any(one and one.items() <= workload.labels.items() for one in called)
        for place, container in enumerate(workload.containers):
            wanted = ("readinessProbe", "livenessProbe") if serves and not place else _ALWAYS
            lacking += [
                f"{_name(workload)}, container {container['name']}: no {probe}"
                for probe in wanted
                if probe not in container
            ]
    return failed_each(lacking, ", ".join(map(_name, running)))


def node_selector(service: Service) -> list[Answer]:
    """Check that every pod selects arm64 nodes."""
    every = workloads(service.objects)
    strays = [
        f"{_name(workload)} does not select kubernetes.io/arch: arm64"
        for workload in every
        if not _ARM64.items() <= (workload.pod.get("nodeSelector") or {}).items()
    ]
    return failed_each(strays, f"set on {plural(len(every), 'pod template')}")


def update(service: Service) -> list[Answer]:
    """Check that an update stops no pod before its replacement is ready."""
    running = _running(service)
    if not running:
        return [not_applicable("the next run uses the new image")]
    return [_update(workload) for workload in running]


def _update(workload: Workload) -> Answer:
    name = _name(workload)
    if workload.update is Update.BY_HAND:
        return failed(f"{name}: its pods must be replaced by hand")
    if workload.kind != "Deployment":
        return failed(f"{name}: an update of a {workload.kind} stops old pods first")
    strategy = workload.manifest["spec"].get("strategy") or {}
    if workload.replicas == (1, 1) and workload.update is Update.RECREATE:
        return not_applicable(f"{name}: never runs two pods; an update has downtime (Recreate)")
    rolling = strategy.get("rollingUpdate") or {}
    surge, unavailable = rolling.get("maxSurge", "25%"), rolling.get("maxUnavailable", "25%")
    if workload.update is Update.ROLLING and unavailable == 0 and surge != 0:
        pods = pods_in_words(workload.replicas)
        return passed(f"{name}: {pods}, maxSurge {surge}, maxUnavailable 0")
    return failed(f"{name}: maxUnavailable is {unavailable}, so an update stops old pods first")


def secrets_of(service: Service) -> list[str]:
    """Return the Secrets that the pods reference."""
    every = workloads(service.objects)
    named = [secret for workload in every for secret in workload.secrets]
    pulled = [secret for workload in every for secret in workload.pull_secrets]
    return list(dict.fromkeys([*named, *pulled]))


def _containers(service: Service) -> Iterator[tuple[str, Manifest]]:
    for workload in workloads(service.objects):
        for container in workload.every_container:
            yield _name(workload), container


def _running(service: Service) -> list[Workload]:
    """Return the long-running workloads."""
    return [one for one in workloads(service.objects) if one.kind not in ("CronJob", "Job")]


def _name(workload: Workload) -> str:
    return f"{workload.kind} {workload.name}"
