"""The checks of one service: its files here, and what SSM, the registry and the cluster have."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from catalogue.parameters import Parameters
from catalogue.platform import AnalyticsPlatform
from constructs_lib.manifests.objects import Object, Objects, at
from constructs_lib.manifests.references import repository
from constructs_lib.manifests.workload import Update, Workload, pods_in_words, workloads
from constructs_lib.model import Pin
from constructs_lib.model.text import plural
from constructs_lib.model.waivers import left
from constructs_lib.rules import availability
from constructs_lib.rules.model import Rendered, Rule, Violation
from ops.aws import MISSING, Version
from ops.checklist.results import Check, CheckResult, Outcome, failed_each, passed_if
from ops.cluster import Cluster
from ops.errors import OpsError
from ops.rendered import parse
from ops.secrets.parameters import REMEDIES, State, state_of, synced_secrets

ROOT = Path(__file__).parents[2]
_FROM = re.compile(r"^FROM\s+(?:--platform=(\S+)\s+)?\S+", re.MULTILINE | re.IGNORECASE)
_FIT = ("", "$BUILDPLATFORM", "$TARGETPLATFORM", "linux/arm64")


@dataclass(frozen=True)
class CheckedService:
    """A service, and its objects in dist/, which Argo CD applies."""

    name: str
    namespace: str
    path: str
    """Its file below dist/."""
    pins: Mapping[str, Pin]
    """The pin of each image of its pods in our registry: `ghcr.io/gnosischain/nebula`."""
    text: str | None
    """Its file in dist/; None if it is missing."""

    @cached_property
    def objects(self) -> Objects:
        """The objects of its file. Raises OpsError if it cannot be read."""
        if self.text is None:
            raise OpsError(f"dist/{self.path} is missing")
        return parse(self.path, self.text)

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """Its objects with pods. Raises OpsError if its file cannot be read."""
        return workloads(self.objects)

    @property
    def running(self) -> list[Workload]:
        """The workloads that are not jobs."""
        return [pod for pod in self.workloads if pod.kind not in ("CronJob", "Job")]

    @property
    def secrets(self) -> list[str]:
        """The Secrets that the pods reference."""
        named = [secret for pod in self.workloads for secret in pod.secrets]
        pulled = [secret for pod in self.workloads for secret in pod.pull_secrets]
        return list(dict.fromkeys([*named, *pulled]))


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the checks read, once for all services."""

    platform: AnalyticsPlatform
    files: Mapping[str, str]
    """dist/ in the checkout."""
    rendered: Mapping[str, str]
    """dist/ as the code renders it."""
    stored: Mapping[str, Version] | OpsError
    """The parameters in SSM, or why they are unknown."""
    registry: bool
    """Whether to query the registry."""
    cluster: Cluster | None

    def services(self) -> Iterator[CheckedService]:
        """Every chart that runs pods, without third-party images."""
        for path, text in self.rendered.items():
            if pods := workloads(parse(path, text)):
                name = path.rpartition("/")[2].removesuffix(".k8s.yaml")
                images = (repository(image) for pod in pods for image in pod.images)
                pins = {
                    image: self.platform.images[image.rpartition("/")[2]]
                    for image in images
                    if image.startswith(f"{self.platform.registry}/")
                }
                now = self.files.get(path)
                yield CheckedService(name, pods[0].namespace, path, pins, now)

    @cached_property
    def objects(self) -> Objects:
        """The objects of all files that can be read."""
        found: list[Object] = []
        for path, text in self.files.items():
            with suppress(OpsError):
                found += parse(path, text)
        return Objects(found)

    def follows(self, rule: Rule, service: CheckedService, detail: str) -> list[CheckResult]:
        """Return a failure for each violation of a rule, or one pass with `detail`."""
        return failed_each((found.message for found in self.violations(rule, service)), detail)

    def violations(self, rule: Rule, service: CheckedService) -> list[Violation]:
        """The violations of a rule in the service's file, without waived ones."""
        found = rule.violations(Rendered(self.objects))
        file = f"dist/{service.path}"
        in_file = (each for each in found if each.object and each.object.file == file)
        return left(in_file, self.platform.waivers)


@cache
def check_image(reference: str, pinned: str | None = None, *, asked: bool) -> CheckResult:
    """Check once that the registry has an image for arm64, with the pinned digest if any."""
    if not asked:
        raise OpsError("pass --registry")
    from ops import registry  # its libraries take a second to import

    try:
        digest = registry.find(reference)
    except registry.ImageMissingError as error:
        return Outcome.FAILED(str(error))
    except registry.RegistryError as error:
        return Outcome.NOT_CHECKED(error)
    if pinned and digest != pinned:
        return Outcome.FAILED(
            f"{reference} was moved: it points to {digest[:19]}…, but {pinned[:19]}… is "
            "pinned and still runs. Find out who pushed it; `ops pin` pins the new digest"
        )
    return Outcome.PASSED(f"{reference} exists for arm64 ({digest[:19]}…)")


def _builds(service: CheckedService, inputs: Inputs) -> Iterator[CheckResult]:
    """Check that each Dockerfile builds for arm64, and that the running image is built for it."""
    for image in service.pins:
        name = f"docker/{image.rpartition('/')[2]}/Dockerfile"
        file = ROOT / name
        if not file.is_file():
            yield Outcome.FAILED(f"{name} is missing")
            continue
        platforms = _FROM.findall(file.read_text("utf-8"))
        if not platforms:
            yield Outcome.FAILED(f"{name} has no FROM instruction")
            continue
        foreign = [platform for platform in platforms if platform not in _FIT]
        yield from failed_each(
            (f"{name}: --platform={platform} is not arm64" for platform in foreign),
            f"{name}: none of {len(platforms)} stages sets another platform",
        )
    for image, pin in service.pins.items():
        yield check_image(f"{image}:{pin}", asked=inputs.registry)


def _pushed(service: CheckedService, inputs: Inputs) -> Iterator[CheckResult]:
    """Check that the registry has each image as `latest` and under its commit."""
    for pin in service.pins.values():
        if pin.floats:
            yield Outcome.OPEN("no commit is pinned, so the SHA tag cannot be checked")
        elif pin.digest is None:
            yield Outcome.OPEN(f"{pin.tag} is pinned without its digest; `ops pin` adds it")
    for image, pin in service.pins.items():
        for tag, digest in {"latest": None, pin.tag: pin.digest}.items():
            yield check_image(f"{image}:{tag}", digest, asked=inputs.registry)


def _manifests(service: CheckedService, inputs: Inputs) -> Iterator[CheckResult]:
    """Check that the file in dist/ is what the code renders, and that Argo CD applied it."""
    path = f"dist/{service.path}"
    if service.text is None:
        yield Outcome.FAILED(f"{path} is missing; run `make synth`")
    elif service.text != inputs.rendered[service.path]:
        yield Outcome.FAILED(f"{path} differs from what the code renders; run `make synth`")
    else:
        kinds = dict.fromkeys(item.kind for item in service.objects)
        yield Outcome.PASSED(f"{path}: {', '.join(kinds)}")
    if inputs.cluster:
        found = inputs.cluster.get("argoproj.io/v1alpha1", "Application", service.name, "argocd")
        status = (found or {}).get("status", {})
        sync = status.get("sync", {}).get("status", "not in the cluster")
        health = status.get("health", {}).get("status", "unknown")
        revision = status.get("sync", {}).get("revision", "")[:9]
        detail = f"Argo CD's Application {service.name}: {sync}, {health} {revision}".rstrip()
        healthy = (sync, health) == ("Synced", "Healthy")
        yield passed_if(healthy, detail, f"{detail}; check it in Argo CD")


def _parameters(service: CheckedService, inputs: Inputs) -> Iterator[CheckResult]:
    known = {parameter.path: parameter for parameter in Parameters}
    secrets = service.secrets
    if isinstance(inputs.stored, OpsError):
        raise inputs.stored
    read = [
        path
        for synced in synced_secrets(inputs.objects)
        if synced.namespace == service.namespace and synced.secret in secrets
        for path in synced.paths.values()
    ]
    for path in dict.fromkeys(read):
        if path not in known:
            yield Outcome.FAILED(f"{path} is not in catalogue/parameters.py; run `make synth`")
            continue
        stored = inputs.stored.get(path, MISSING)
        state = state_of(known[path], stored)
        yield passed_if(
            state is State.SET,
            f"{path} is set, version {stored.number}",
            f"{path}: {state}; {REMEDIES.get(state)}",
        )


def _external_secrets(service: CheckedService, inputs: Inputs) -> Iterator[CheckResult]:
    """Check that an ExternalSecret creates each Secret of the pods, and is synced."""
    created = {(synced.namespace, synced.secret) for synced in synced_secrets(inputs.objects)}
    missing = [name for name in service.secrets if (service.namespace, name) not in created]
    yield from failed_each(
        (f"no ExternalSecret creates the Secret {service.namespace}/{name}" for name in missing),
        ", ".join(service.secrets),
    )
    for name in service.secrets:
        if inputs.cluster:
            sync = inputs.cluster.sync(service.namespace, name)
            detail = sync.message if sync else "is not in the cluster"
            detail = f"ExternalSecret {service.namespace}/{name}: {detail}"
            yield passed_if(sync and sync.ready, detail, detail)


def _resources(service: CheckedService, inputs: Inputs) -> list[CheckResult]:
    count = sum(len(workload.every_container) for workload in service.workloads)
    detail = f"set on {plural(count, 'container')}"
    return inputs.follows(availability.unbounded_resources, service, detail)


def _probes(service: CheckedService, inputs: Inputs) -> CheckResult | list[CheckResult]:
    """Check for liveness probes, and for readiness probes on containers that serve requests."""
    if not service.running:
        return Outcome.NOT_APPLICABLE("it runs only jobs")
    names = ", ".join(f"{workload.kind} {workload.name}" for workload in service.running)
    return inputs.follows(availability.missing_probe, service, names)


def _node_selector(service: CheckedService, inputs: Inputs) -> list[CheckResult]:
    detail = f"set on {plural(len(service.workloads), 'pod template')}"
    return inputs.follows(availability.wrong_architecture, service, detail)


def _update(service: CheckedService, inputs: Inputs) -> Iterator[CheckResult]:
    """Check that an update stops no pod before its replacement is ready."""
    if not service.running:
        yield Outcome.NOT_APPLICABLE("the next run uses the new image")
    violations = inputs.violations(availability.unavailable_during_update, service)
    yield from (Outcome.FAILED(violation.message) for violation in violations)
    with_gap = {violation.item for violation in violations}
    yield from (_without_gap(pod) for pod in service.running if str(pod.key) not in with_gap)


def _without_gap(workload: Workload) -> CheckResult:
    """Check what the rule leaves out: kinds other than Deployment, and Recreate with one pod."""
    name = f"{workload.kind} {workload.name}"
    if workload.update is Update.BY_HAND:
        return Outcome.FAILED(f"{name}: its pods must be replaced by hand")
    if workload.kind != "Deployment":
        return Outcome.FAILED(f"{name}: an update of a {workload.kind} stops old pods first")
    pods = pods_in_words(workload.replicas)
    if workload.update is Update.ROLLING:
        rolling = at(workload.manifest, "spec", "strategy", "rollingUpdate")
        surge, unavailable = rolling.get("maxSurge", "25%"), rolling.get("maxUnavailable", "25%")
        return Outcome.PASSED(f"{name}: {pods}, maxSurge {surge}, maxUnavailable {unavailable}")
    if workload.autoscaler:
        return Outcome.FAILED(f"{name}: {pods}, and an update stops all of them first (Recreate)")
    only_one = f"{name}: never runs two pods; an update has downtime (Recreate)"
    return Outcome.NOT_APPLICABLE(only_one)


CHECKS: dict[str, Check] = {
    "Image builds for arm64": _builds,
    "Image is pushed": _pushed,
    "Manifests are current": _manifests,
    "Parameters are set": _parameters,
    "ExternalSecrets": _external_secrets,
    "Requests and limits": _resources,
    "Probes": _probes,
    "Nodes are arm64": _node_selector,
    "Zero-downtime update": _update,
}
"""The items of the deployment checklist, in order."""
