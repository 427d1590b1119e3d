"""The items that SSM, the image registry and the cluster answer, for one service."""

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
from ops.secrets.standing import State, state_of

T = TypeVar("T")

APPLICATIONS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"

Look = Callable[[str, str | None], Answer]
"""Says of an image reference whether the registry has it for arm64, under the digest given."""


@dataclass(frozen=True)
class NotAsked:
    """Something was not looked at, and why."""

    why: str


def registry_look() -> Look:
    """Asks the registry, once for each reference."""
    from ops import registry  # its libraries take a second to import

    @cache
    def look(reference: str, pinned: str | None) -> Answer:
        try:
            image = registry.find(reference)
        except registry.ImageMissingError as error:
            return failed(str(error))
        except registry.RegistryError as error:
            return not_checked(error)
        if pinned and image.digest != pinned:
            return failed(
                f"{reference} was moved: it names {image.digest[:19]}… now, and {pinned[:19]}… is "
                "pinned, which still runs. Find out who pushed it; `ops pin` pins what it names"
            )
        return passed(f"{reference} is there for arm64 ({image.digest[:19]}…)")

    return look


def built(service: Service, pins: Mapping[str, Pin], look: Look | NotAsked) -> Iterator[Answer]:
    """Whether the image that runs was built for arm64."""
    for image in service.images:
        if isinstance(look, NotAsked):
            yield not_checked(look.why)
        else:
            yield look(_reference(image, pins), None)


def pushed(service: Service, pins: Mapping[str, Pin], look: Look | NotAsked) -> Iterator[Answer]:
    """Whether the registry has each image as `latest` and under its commit."""
    for image in service.images:
        pin = pins[image.rpartition("/")[2]]
        if pin.floats:
            yield is_open("no commit is pinned, so there is no SHA tag to look for")
        elif pin.digest is None:
            yield is_open(f"{pin.tag} is pinned without its digest; `ops pin` adds it")
        if isinstance(look, NotAsked):
            yield not_checked(look.why)
        else:
            tags = {"latest": None, pin.tag: pin.digest}
            yield from (look(f"{image}:{tag}", digest) for tag, digest in tags.items())


def parameters(paths: Iterable[str], stored: Mapping[str, Stored] | NotAsked) -> Iterator[Answer]:
    """Whether what a service reads is set in SSM."""
    if isinstance(stored, NotAsked):
        yield not_checked(stored.why)
        return
    known = {parameter.path: parameter for parameter in Parameters}
    remedies = {
        State.MISSING: "`make deploy-secrets` makes it",
        State.PLACEHOLDER: "`ops secrets set` sets it",
        State.NOT_SECURE: "save its value, delete it, and `make deploy-secrets`",
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


def synced(service: Service, secrets: list[str], cluster: Cluster | NotAsked) -> Iterator[Answer]:
    """Whether External Secrets keeps each Secret of a service."""
    if isinstance(cluster, NotAsked):
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


def application(service: Service, cluster: Cluster | NotAsked) -> Iterator[Answer]:
    """Whether Argo CD has brought a service's manifests into the cluster, and they are healthy."""
    if isinstance(cluster, NotAsked):
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
    fine = (sync, health) == ("Synced", "Healthy")
    yield passed(detail) if fine else failed(f"{detail}; look at it in Argo CD")


def asked(source: Callable[[], T], option: str, *, wanted: bool) -> T | NotAsked:
    """What `source` gives; NotAsked where the option was not given, or it cannot be reached."""
    if not wanted:
        return NotAsked(f"add {option}")
    try:
        return source()
    except OpsError as error:
        return NotAsked(str(error))


def _reference(image: str, pins: Mapping[str, Pin]) -> str:
    return f"{image}:{pins[image.rpartition('/')[2]]}"
