"""Checks that query SSM, the image registry and the cluster, for one service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from catalogue.parameters import Parameters
from constructs_lib.model import Pin
from ops.aws import Stored
from ops.checklist.model import Answer, Service, failed, is_open, not_checked, passed
from ops.cluster import Cluster, ClusterError
from ops.errors import OpsError
from ops.secrets.status import State, state_of

T = TypeVar("T")

APPLICATIONS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"

Check = Callable[[str, str | None], Answer]
"""Checks that the registry has an image reference for arm64, with the given digest if any."""


@dataclass(frozen=True)
class Skipped:
    """A source that was not queried, and the reason."""

    why: str


def registry_check() -> Check:
    """Return a check that queries the registry once for each reference."""
    from ops import registry  # its libraries take a second to import

    @cache
    def check(reference: str, pinned: str | None) -> Answer:
        try:
            image = registry.find(reference)
        except registry.ImageMissingError as error:
            return failed(str(error))
        except registry.RegistryError as error:
            return not_checked(error)
        if pinned and image.digest != pinned:
            return failed(
                f"{reference} was moved: it points to {image.digest[:19]}…, but {pinned[:19]}… is "
                "pinned and still runs. Find out who pushed it; `ops pin` pins the new digest"
            )
        return passed(f"{reference} exists for arm64 ({image.digest[:19]}…)")

    return check


def built(service: Service, pins: Mapping[str, Pin], check: Check | Skipped) -> Iterator[Answer]:
    """Check that the running image is built for arm64."""
    for image in service.images:
        if isinstance(check, Skipped):
            yield not_checked(check.why)
        else:
            yield check(_reference(image, pins), None)


def pushed(service: Service, pins: Mapping[str, Pin], check: Check | Skipped) -> Iterator[Answer]:
    """Check that the registry has each image as `latest` and under its commit."""
    for image in service.images:
        pin = pins[image.rpartition("/")[2]]
        if pin.floats:
            yield is_open("no commit is pinned, so the SHA tag cannot be checked")
        elif pin.digest is None:
            yield is_open(f"{pin.tag} is pinned without its digest; `ops pin` adds it")
        if isinstance(check, Skipped):
            yield not_checked(check.why)
        else:
            tags = {"latest": None, pin.tag: pin.digest}
            yield from (check(f"{image}:{tag}", digest) for tag, digest in tags.items())


def parameters(paths: Iterable[str], stored: Mapping[str, Stored] | Skipped) -> Iterator[Answer]:
    """Check that the service's parameters are set in SSM."""
    if isinstance(stored, Skipped):
        yield not_checked(stored.why)
        return
    known = {parameter.path: parameter for parameter in Parameters}
    remedies = {
        State.MISSING: "`make deploy-secrets` creates it",
        State.PLACEHOLDER: "`ops secrets set` sets it",
        State.NOT_SECURE: "save its value, delete it, and run `make deploy-secrets`",
    }
    for path in paths:
        if path not in known:
            yield failed(f"{path} is not in catalogue/parameters.py; run `make synth`")
            continue
        state = state_of(known[path], stored.get(path))
        if state is State.SET:
            yield passed(f"{path} is set, version {stored[path].version}")
        else:
            yield failed(f"{path}: {state}; {remedies[state]}")


def synced(service: Service, secrets: list[str], cluster: Cluster | Skipped) -> Iterator[Answer]:
    """Check that External Secrets syncs each Secret of the service."""
    if isinstance(cluster, Skipped):
        return
    for name in secrets:
        try:
            sync = cluster.sync(service.namespace, name)
        except ClusterError as error:
            yield not_checked(error)
            return
        where = f"ExternalSecret {service.namespace}/{name}"
        if sync and sync.ready:
            yield passed(f"{where}: {sync.message}")
        else:
            yield failed(f"{where}: {sync.message if sync else 'is not in the cluster'}")


def application(service: Service, cluster: Cluster | Skipped) -> Iterator[Answer]:
    """Check that the service's Application is Synced and Healthy."""
    if isinstance(cluster, Skipped):
        return
    try:
        found = cluster.connection.get(f"{APPLICATIONS}/{service.name}")
    except ClusterError as error:
        yield not_checked(error)
        return
    status = (found or {}).get("status", {})
    sync = status.get("sync", {}).get("status", "not in the cluster")
    health = status.get("health", {}).get("status", "unknown")
    revision = status.get("sync", {}).get("revision", "")[:9]
    detail = f"Argo CD's Application {service.name}: {sync}, {health} {revision}".rstrip()
    healthy = (sync, health) == ("Synced", "Healthy")
    yield passed(detail) if healthy else failed(f"{detail}; check it in Argo CD")


def query(source: Callable[[], T], option: str, *, wanted: bool) -> T | Skipped:
    """Return the result of `source`, or Skipped if its option is missing or it fails."""
    if not wanted:
        return Skipped(f"pass {option}")
    try:
        return source()
    except OpsError as error:
        return Skipped(str(error))


def _reference(image: str, pins: Mapping[str, Pin]) -> str:
    return f"{image}:{pins[image.rpartition('/')[2]]}"
