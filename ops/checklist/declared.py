"""The items that the checkout itself answers: dist/ as committed, the code, the Dockerfiles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ops.checklist.model import Finding, Service, failed, judged, not_applicable, passed
from ops.rendered import pod_template
from ops.secrets.readers import Source

if TYPE_CHECKING:
    from constructs_lib.model import Manifest

ROOT = Path(__file__).parents[2]
_FROM = re.compile(
    r"^FROM\s+(?:--platform=(?P<platform>\S+)\s+)?(?P<base>\S+)", re.MULTILINE | re.IGNORECASE
)
_FIT = (None, "$BUILDPLATFORM", "$TARGETPLATFORM", "linux/arm64")
_MANDATORY = ("cpu", "memory")
_ARM64 = {"kubernetes.io/arch": "arm64"}


def parse(text: str) -> tuple[Manifest, ...]:
    """The objects of a rendered file. Raises ValueError for what is none."""
    try:
        documents = list(yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise ValueError(f"is no YAML: {' '.join(str(error).split())}") from error
    objects = [one for one in documents if one is not None]
    if not all(isinstance(one, dict) and {"kind", "metadata"} <= one.keys() for one in objects):
        raise ValueError("holds what is no Kubernetes object")
    return tuple(objects)


def dockerfile(service: Service, root: Path = ROOT) -> Iterator[Finding]:
    """Whether each of its images has a Dockerfile that fits arm64."""
    for image in service.images:
        file = root / "docker" / image.rpartition("/")[2] / "Dockerfile"
        name = file.relative_to(root)
        if not file.is_file():
            yield failed(f"{name} is missing")
            continue
        stages = list(_FROM.finditer(file.read_text("utf-8")))
        foreign = [stage for stage in stages if stage["platform"] not in _FIT]
        yield from judged(
            (f"{name}: --platform={stage['platform']} is not arm64" for stage in foreign),
            f"{name}: its {len(stages)} stages fix no other platform",
        )


def manifests(service: Service, dist: Mapping[str, str], files: Mapping[str, str]) -> Finding:
    """Whether its file in dist/ is what the code renders now."""
    path = f"dist/{service.path}"
    if service.path not in dist:
        return failed(f"{path} is missing; run `make synth`")
    if dist[service.path] != files[service.path]:
        return failed(f"{path} is not what the code renders; run `make synth`")
    kinds = dict.fromkeys(item["kind"] for item in service.objects)
    return passed(f"{path}: {', '.join(kinds)}")


def external_secrets(service: Service, sources: Iterable[Source]) -> list[Finding]:
    """Whether every Secret that its pods name comes from an ExternalSecret."""
    made = {(source.namespace, source.secret) for source in sources}
    named = secrets_of(service)
    missing = [name for name in named if (service.namespace, name) not in made]
    return judged(
        (f"no ExternalSecret makes the Secret {service.namespace}/{name}" for name in missing),
        ", ".join(named),
    )


def resources(service: Service) -> list[Finding]:
    """Whether every container has requests and limits."""
    lacking = [
        f"{owner}, container {container['name']}: no {bound} of {name}"
        for owner, container in _containers(service)
        for bound in ("requests", "limits")
        for name in _MANDATORY
        if name not in container.get("resources", {}).get(bound, {})
    ]
    return judged(lacking, f"both on each of {len(list(_containers(service)))} container(s)")


def probes(service: Service) -> list[Finding]:
    """Whether what runs for ever is restarted when it hangs, and what is called called only when
    it is ready.
    """
    deployments = _of(service, "Deployment")
    if not deployments:
        return [not_applicable("its jobs end by themselves")]
    called = {item["spec"]["selector"]["app"] for item in _of(service, "Service")}
    lacking = []
    for item in deployments:
        template = item["spec"]["template"]
        for place, container in enumerate(template["spec"]["containers"]):
            serves = template["metadata"]["labels"]["app"] in called and place == 0
            wanted = ("readinessProbe", "livenessProbe") if serves else ("livenessProbe",)
            lacking += [
                f"{_name(item)}, container {container['name']}: no {probe}"
                for probe in wanted
                if probe not in container
            ]
    return judged(lacking, ", ".join(map(_name, deployments)))


def node_selector(service: Service) -> list[Finding]:
    """Whether every pod asks for an arm64 node."""
    pods = list(_pods(service))
    strays = [
        f"{owner} does not select kubernetes.io/arch: arm64"
        for owner, pod in pods
        if not _ARM64.items() <= pod.get("nodeSelector", {}).items()
    ]
    return judged(strays, f"on each of {len(pods)} pod template(s)")


def update(service: Service) -> list[Finding]:
    """Whether an update takes no pod away before the next is ready, where there are several."""
    deployments = _of(service, "Deployment")
    if not deployments:
        return [not_applicable("a new image runs with the next run")]
    return [_update(item["spec"], _name(item)) for item in deployments]


def _update(spec: Mapping[str, Any], name: str) -> Finding:
    strategy = spec.get("strategy", {})
    if spec["replicas"] == 1 and strategy.get("type") == "Recreate":
        return not_applicable(f"{name}: never two at once, so an update leaves a gap (Recreate)")
    rolling = strategy.get("rollingUpdate", {})
    surge, unavailable = rolling.get("maxSurge", "25%"), rolling.get("maxUnavailable", "25%")
    if strategy.get("type") == "RollingUpdate" and unavailable == 0 and surge != 0:
        return passed(f"{name}: {spec['replicas']} pods, maxSurge {surge}, maxUnavailable 0")
    return failed(f"{name}: maxUnavailable is {unavailable}, so an update takes pods away first")


def secrets_of(service: Service) -> list[str]:
    """The Secrets that its pods name."""
    named = [
        source["secretRef"]["name"]
        for _, container in _containers(service)
        for source in container.get("envFrom", ())
        if "secretRef" in source
    ]
    pulled = [
        secret["name"] for _, pod in _pods(service) for secret in pod.get("imagePullSecrets", ())
    ]
    return list(dict.fromkeys([*named, *pulled]))


def _pods(service: Service) -> Iterator[tuple[str, Manifest]]:
    for item in service.objects:
        if template := pod_template(item):
            yield _name(item), template["spec"]


def _containers(service: Service) -> Iterator[tuple[str, Manifest]]:
    for owner, pod in _pods(service):
        for container in pod["containers"]:
            yield owner, container


def _of(service: Service, kind: str) -> list[Manifest]:
    return [item for item in service.objects if item["kind"] == kind]


def _name(item: Manifest) -> str:
    return f"{item['kind']} {item['metadata']['name']}"
