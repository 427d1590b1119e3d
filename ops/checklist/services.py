"""The checks of one service: its files here, and what SSM, the registry and the cluster have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from catalogue.parameters import Parameters
from catalogue.platform import AnalyticsPlatform
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.references import repository
from constructs_lib.manifests.workload import Update, Workload, pods_in_words, workloads
from constructs_lib.model import Pin
from constructs_lib.model.text import plural
from constructs_lib.rules import availability
from constructs_lib.rules.model import Rendered, Rule, Violation
from ops.aws import MISSING, Version
from ops.checklist.results import (
    CheckResult,
    Item,
    Outcome,
    failed,
    failed_each,
    not_checked,
    passed,
    passed_if,
    results_of,
)
from ops.cluster import Cluster
from ops.rendered import parse
from ops.secrets.parameters import State, state_of, synced_secrets

_APPLICATION = ("argoproj.io/v1alpha1", "Application")
ROOT = Path(__file__).parents[2]
_FROM = re.compile(
    r"^FROM\s+(?:--platform=(?P<platform>\S+)\s+)?(?P<base>\S+)", re.MULTILINE | re.IGNORECASE
)
_FIT = (None, "$BUILDPLATFORM", "$TARGETPLATFORM", "linux/arm64")

CheckImage = Callable[[str, str | None], CheckResult]
"""Checks that the registry has an image reference for arm64, with the given digest if any."""


@dataclass(frozen=True)
class CheckedService:
    """A service, and its objects in dist/, which Argo CD applies."""

    name: str
    namespace: str
    path: str
    """Its file below dist/."""
    images: tuple[str, ...]
    """The images of its pods in our registry, without tags: `ghcr.io/gnosischain/nebula`."""
    objects: Objects
    """The objects of its file in dist/."""
    unreadable: str = ""
    """Why its file cannot be read; empty if it can."""

    @property
    def workloads(self) -> tuple[Workload, ...]:
        return workloads(self.objects)

    @property
    def running(self) -> list[Workload]:
        """The workloads that are not jobs."""
        return [pod for pod in self.workloads if pod.kind not in ("CronJob", "Job")]

    @property
    def secrets(self) -> list[str]:
        """The Secrets that the pods reference."""
        named = [secret for workload in self.workloads for secret in workload.secrets]
        pulled = [secret for workload in self.workloads for secret in workload.pull_secrets]
        return list(dict.fromkeys([*named, *pulled]))


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the checks read, once for all services."""

    platform: AnalyticsPlatform
    files: Mapping[str, str]
    """dist/ in the checkout."""
    rendered: Mapping[str, str]
    """dist/ as the code renders it."""
    stored: Future[Mapping[str, Version]]
    """The parameters in SSM, or why they are unknown."""
    check_image: Future[CheckImage]
    """How to check an image, or why it cannot be checked."""
    cluster: Cluster | None

    def services(self) -> Iterator[CheckedService]:
        """Every chart that runs pods, without third-party images."""
        for path, text in self.rendered.items():
            if pods := workloads(Objects.of(parse(path, text))):
                name = path.rpartition("/")[2].removesuffix(".k8s.yaml")
                images = dict.fromkeys(repository(image) for pod in pods for image in pod.images)
                ours = tuple(
                    name for name in images if name.startswith(f"{self.platform.registry}/")
                )
                yield CheckedService(name, pods[0].namespace, path, ours, *self._load(path))

    @cached_property
    def objects(self) -> Objects:
        """The objects of all files that can be read."""
        return Objects(item for path in self.files for item in self._load(path)[0])

    def pin(self, image: str) -> Pin:
        """The pin of an image without a tag."""
        return self.platform.images[image.rpartition("/")[2]]

    def violations(self, rule: Rule, service: CheckedService) -> list[Violation]:
        """The violations of a rule in the service's file, without waived ones."""
        return [
            violation
            for violation in rule.violations(Rendered(self.objects))
            if violation.object and violation.object.file == service.path
            if not any(w.covers(rule.name, violation.item) for w in self.platform.waivers)
        ]

    def _load(self, path: str) -> tuple[Objects, str]:
        """The objects of a file in dist/, or none and the reason."""
        try:
            manifests = parse(path, self.files[path])
        except KeyError:
            return Objects(()), f"dist/{path} is missing"
        except ValueError as error:
            return Objects(()), str(error)
        return Objects(Object.of(item, path) for item in manifests), ""


def check(service: CheckedService, inputs: Inputs) -> dict[Item, list[CheckResult]]:
    """Return the results of every item."""
    results = {}
    for item, checks in _CHECKS.items():
        if service.unreadable and item not in _WITHOUT_OBJECTS:
            results[item] = [not_checked(service.unreadable)]
        else:
            results[item] = [
                result for check in checks for result in results_of(check, service, inputs)
            ]
    return results


def _dockerfile(service: CheckedService, _: Inputs) -> Iterator[CheckResult]:
    """Check that the Dockerfile of each image builds for arm64."""
    for image in service.images:
        file = ROOT / "docker" / image.rpartition("/")[2] / "Dockerfile"
        name = file.relative_to(ROOT)
        if not file.is_file():
            yield failed(f"{name} is missing")
            continue
        platforms = [stage["platform"] for stage in _FROM.finditer(file.read_text("utf-8"))]
        if not platforms:
            yield failed(f"{name} has no FROM instruction")
            continue
        foreign = [platform for platform in platforms if platform not in _FIT]
        yield from failed_each(
            (f"{name}: --platform={platform} is not arm64" for platform in foreign),
            f"{name}: none of {len(platforms)} stages sets another platform",
        )


def _built(service: CheckedService, inputs: Inputs) -> Iterator[CheckResult]:
    """Check that the running image is built for arm64."""
    for image in service.images:
        yield inputs.check_image.result()(f"{image}:{inputs.pin(image)}", None)


def _pushed(service: CheckedService, inputs: Inputs) -> Iterator[CheckResult]:
    """Check that the registry has each image as `latest` and under its commit."""
    for image in service.images:
        pin = inputs.pin(image)
        if pin.floats:
            yield CheckResult(Outcome.OPEN, "no commit is pinned, so the SHA tag cannot be checked")
        elif pin.digest is None:
            yield CheckResult(
                Outcome.OPEN, f"{pin.tag} is pinned without its digest; `ops pin` adds it"
            )
    for image in service.images:
        pin = inputs.pin(image)
        for tag, digest in {"latest": None, pin.tag: pin.digest}.items():
            yield inputs.check_image.result()(f"{image}:{tag}", digest)


def _is_current(service: CheckedService, inputs: Inputs) -> Iterator[CheckResult]:
    """Check that the file in dist/ is what the code renders."""
    path, text = f"dist/{service.path}", inputs.files.get(service.path)
    if text is None:
        yield failed(f"{path} is missing; run `make synth`")
    elif text != inputs.rendered[service.path]:
        yield failed(f"{path} differs from what the code renders; run `make synth`")
    else:
        kinds = dict.fromkeys(item.kind for item in service.objects)
        yield passed(f"{path}: {', '.join(kinds)}")


def _application(service: CheckedService, inputs: Inputs) -> Iterator[CheckResult]:
    """Check that the service's Application is Synced and Healthy."""
    if not inputs.cluster:
        return
    found = inputs.cluster.get(*_APPLICATION, service.name, "argocd")
    status = (found or {}).get("status", {})
    sync = status.get("sync", {}).get("status", "not in the cluster")
    health = status.get("health", {}).get("status", "unknown")
    revision = status.get("sync", {}).get("revision", "")[:9]
    detail = f"Argo CD's Application {service.name}: {sync}, {health} {revision}".rstrip()
    healthy = (sync, health) == ("Synced", "Healthy")
    yield passed_if(healthy, detail, f"{detail}; check it in Argo CD")


def _parameters(service: CheckedService, inputs: Inputs) -> Iterator[CheckResult]:
    """Check that the service's parameters are set in SSM."""
    stored = inputs.stored.result()
    known = {parameter.path: parameter for parameter in Parameters}
    remedies = {
        State.MISSING: "`make deploy-secrets` creates it",
        State.PLACEHOLDER: "`ops secrets set` sets it",
        State.NOT_SECURE: "save its value, delete it, and run `make deploy-secrets`",
    }
    read = {
        path: None
        for synced in synced_secrets(inputs.objects)
        if synced.namespace == service.namespace and synced.secret in service.secrets
        for path in synced.paths.values()
    }
    for path in read:
        if path not in known:
            yield failed(f"{path} is not in catalogue/parameters.py; run `make synth`")
            continue
        state = state_of(known[path], stored.get(path, MISSING))
        if state is State.SET:
            yield passed(f"{path} is set, version {stored[path].number}")
        else:
            yield failed(f"{path}: {state}; {remedies[state]}")


def _external_secrets(service: CheckedService, inputs: Inputs) -> list[CheckResult]:
    """Check that an ExternalSecret creates each Secret that the pods reference."""
    created = {(synced.namespace, synced.secret) for synced in synced_secrets(inputs.objects)}
    missing = [name for name in service.secrets if (service.namespace, name) not in created]
    return failed_each(
        (f"no ExternalSecret creates the Secret {service.namespace}/{name}" for name in missing),
        ", ".join(service.secrets),
    )


def _synced(service: CheckedService, inputs: Inputs) -> Iterator[CheckResult]:
    """Check that External Secrets syncs each Secret of the service."""
    if not inputs.cluster:
        return
    for name in service.secrets:
        sync = inputs.cluster.sync(service.namespace, name)
        detail = sync.message if sync else "is not in the cluster"
        detail = f"ExternalSecret {service.namespace}/{name}: {detail}"
        yield passed_if(sync and sync.ready, detail, detail)


def _follows(rule: Rule, service: CheckedService, inputs: Inputs, detail: str) -> list[CheckResult]:
    """Return a failure for each violation of a rule, or one pass with `detail`."""
    messages = (violation.message for violation in inputs.violations(rule, service))
    return failed_each(messages, detail)


def _resources(service: CheckedService, inputs: Inputs) -> list[CheckResult]:
    """Check that every container has requests and limits."""
    count = sum(len(workload.every_container) for workload in service.workloads)
    containers = plural(count, "container")
    return _follows(availability.unbounded_resources, service, inputs, f"set on {containers}")


def _probes(service: CheckedService, inputs: Inputs) -> list[CheckResult]:
    """Check for liveness probes, and for readiness probes on containers that serve requests."""
    if not service.running:
        return [CheckResult(Outcome.NOT_APPLICABLE, "it runs only jobs")]
    names = ", ".join(f"{workload.kind} {workload.name}" for workload in service.running)
    return _follows(availability.missing_probe, service, inputs, names)


def _node_selector(service: CheckedService, inputs: Inputs) -> list[CheckResult]:
    """Check that every pod selects arm64 nodes."""
    templates = plural(len(service.workloads), "pod template")
    return _follows(availability.wrong_architecture, service, inputs, f"set on {templates}")


def _update(service: CheckedService, inputs: Inputs) -> Iterator[CheckResult]:
    """Check that an update stops no pod before its replacement is ready."""
    if not service.running:
        yield CheckResult(Outcome.NOT_APPLICABLE, "the next run uses the new image")
    violations = inputs.violations(availability.unavailable_during_update, service)
    yield from (failed(violation.message) for violation in violations)
    with_gap = {violation.item for violation in violations}
    for workload in service.running:
        if str(workload.key) not in with_gap:
            yield _without_gap(workload)


def _without_gap(workload: Workload) -> CheckResult:
    """Check what the rule leaves out: kinds other than Deployment, and Recreate with one pod."""
    name = f"{workload.kind} {workload.name}"
    if workload.update is Update.BY_HAND:
        return failed(f"{name}: its pods must be replaced by hand")
    if workload.kind != "Deployment":
        return failed(f"{name}: an update of a {workload.kind} stops old pods first")
    pods = pods_in_words(workload.replicas)
    if workload.update is Update.RECREATE:
        if workload.autoscaler:
            return failed(f"{name}: {pods}, and an update stops all of them first (Recreate)")
        return CheckResult(
            Outcome.NOT_APPLICABLE,
            f"{name}: never runs two pods; an update has downtime (Recreate)",
        )
    rolling = (workload.spec.get("strategy") or {}).get("rollingUpdate") or {}
    surge, unavailable = rolling.get("maxSurge", "25%"), rolling.get("maxUnavailable", "25%")
    return passed(f"{name}: {pods}, maxSurge {surge}, maxUnavailable {unavailable}")


_CHECKS: dict[Item, tuple[Callable[[CheckedService, Inputs], Iterable[CheckResult]], ...]] = {
    Item.BUILDS: (_dockerfile, _built),
    Item.PUSHED: (_pushed,),
    Item.MANIFESTS: (_is_current, _application),
    Item.PARAMETERS: (_parameters,),
    Item.EXTERNAL_SECRETS: (_external_secrets, _synced),
    Item.RESOURCES: (_resources,),
    Item.PROBES: (_probes,),
    Item.NODE_SELECTOR: (_node_selector,),
    Item.UPDATE: (_update,),
}
_WITHOUT_OBJECTS = (Item.BUILDS, Item.PUSHED, Item.MANIFESTS)
"""The items that are checked even if the service's file in dist/ is missing or invalid."""
