"""`ops checklist`: check that everything the services need is in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from catalogue import images
from catalogue.parameters import Parameters
from charts.output import read
from ops import rendered, terminal
from ops.aws import ParameterStore, Stored
from ops.checklist import declared, live, prerequisites, report
from ops.checklist.model import Answer, Item, Outcome, Service, not_checked
from ops.cluster import Cluster
from ops.errors import OpsError, Status
from ops.options import AsJson, Context, context_needs_cluster
from ops.secrets.readers import Source

if TYPE_CHECKING:
    from catalogue.open_items import OpenItem
    from constructs_lib.model import Manifest, Pin


def checklist(
    service: Annotated[
        str | None, typer.Argument(help="Show one service in detail. Default: a table of all.")
    ] = None,
    *,
    aws: Annotated[bool, typer.Option("--aws", help="Also check the parameters in SSM.")] = False,
    registry: Annotated[
        bool, typer.Option("--registry", help="Also check the images in the registry.")
    ] = False,
    cluster: Annotated[
        bool,
        typer.Option("--cluster", help="Also check the cluster and its prerequisites."),
    ] = False,
    context: Context = None,
    as_json: AsJson = False,
) -> Status:
    """Check that everything the services need is in place, and list open items.

    Checks this checkout: dist/, the code and the Dockerfiles. Items that need
    AWS, the registry or the cluster are "not checked" unless their option is
    given, and never count as passed.

    Exit status: 0 all passed, 1 something failed or is open, 3 nothing failed,
    but something was not checked.
    """
    context_needs_cluster(context, cluster=cluster)
    checkout = Checkout.of(committed())
    chosen = _chosen(service, checkout.dist)
    sources = LiveSources(
        stored=live.query(
            lambda: ParameterStore().read(parameter.path for parameter in Parameters),
            "--aws",
            wanted=aws,
        ),
        check_image=live.query(live.registry_check, "--registry", wanted=registry),
        cluster=live.query(lambda: _reachable(Cluster(context)), "--cluster", wanted=cluster),
    )
    with terminal.waiting("Checking ..."):
        results = {one.name: _check(one, checkout, sources) for one in chosen}
        required = _required(sources.cluster) if cluster else []
    findings = report.Results(results, required, _open(service))
    if as_json:
        terminal.show_json(findings.as_json())
    elif service:
        findings.show_details(service)
    else:
        findings.show()
    return _STATUS.get(findings.outcome, Status.DONE)


_STATUS = {
    Outcome.FAILED: Status.FAILED,
    Outcome.OPEN: Status.FAILED,
    Outcome.NOT_CHECKED: Status.NOT_CHECKED,
}


@dataclass(frozen=True)
class Checkout:
    """The content of the checkout, read once for all services."""

    dist: Mapping[str, str]
    pins: Mapping[str, Pin]
    sources: tuple[Source, ...]
    """The ExternalSecrets of all files in dist/."""

    @classmethod
    def of(cls, dist: Mapping[str, str]) -> Checkout:
        sources = [
            Source.of(item)
            for path, text in dist.items()
            if "kind: ExternalSecret" in text
            for item in _read(path, dist)[0]
            if item["kind"] == "ExternalSecret"
        ]
        return cls(dist, images.load(), tuple(sources))


@dataclass(frozen=True)
class LiveSources:
    """The sources of the live checks."""

    stored: Mapping[str, Stored] | live.Skipped
    check_image: live.Check | live.Skipped
    cluster: Cluster | live.Skipped


def services(dist: Mapping[str, str]) -> list[Service]:
    """Return every chart that runs pods, with its objects in `dist`, without third-party images."""
    from catalogue.platform import current

    ours = f"{current().registry}/"
    return [
        Service(
            one.name,
            one.namespace,
            one.path,
            tuple(image for image in one.images if image.startswith(ours)),
            *_read(one.path, dist),
        )
        for one in rendered.memory().services
    ]


def _read(path: str, dist: Mapping[str, str]) -> tuple[tuple[Manifest, ...], str]:
    """Return the objects of a file, or none and the reason."""
    if path not in dist:
        return (), f"dist/{path} is missing"
    try:
        return declared.parse(dist[path]), ""
    except ValueError as error:
        return (), f"dist/{path} {error}"


def committed() -> dict[str, str]:
    """Return dist/ as it is in the checkout."""
    return read(declared.ROOT / "dist")


def _reachable(cluster: Cluster) -> Cluster:
    """Return the cluster after a successful request."""
    cluster.connection.get("/version")
    return cluster


def _chosen(name: str | None, dist: Mapping[str, str]) -> list[Service]:
    every = services(dist)
    chosen = [one for one in every if name in (None, one.name)]
    if not chosen:
        names = ", ".join(one.name for one in every)
        raise OpsError(f"service {name} not found; use one of: {names}")
    return chosen


def _check(service: Service, checkout: Checkout, sources: LiveSources) -> dict[Item, list[Answer]]:
    secrets = declared.secrets_of(service)
    paths = {
        path: None
        for source in checkout.sources
        if source.namespace == service.namespace and source.secret in secrets
        for path in source.paths.values()
    }
    found = {
        Item.BUILDS: [
            *declared.dockerfile(service),
            *live.built(service, checkout.pins, sources.check_image),
        ],
        Item.PUSHED: list(live.pushed(service, checkout.pins, sources.check_image)),
        Item.MANIFESTS: [
            declared.manifests(service, checkout.dist, rendered.memory().files),
            *live.application(service, sources.cluster),
        ],
    }
    if service.unreadable:
        unseen = [not_checked(service.unreadable)]
        return {item: found.get(item, unseen) for item in Item}
    return {
        **found,
        Item.PARAMETERS: list(live.parameters(paths, sources.stored)),
        Item.EXTERNAL_SECRETS: [
            *declared.external_secrets(service, checkout.sources),
            *live.synced(service, secrets, sources.cluster),
        ],
        Item.RESOURCES: declared.resources(service),
        Item.PROBES: declared.probes(service),
        Item.NODE_SELECTOR: declared.node_selector(service),
        Item.UPDATE: declared.update(service),
    }


def _required(cluster: Cluster | live.Skipped) -> list[tuple[str, Answer]]:
    if isinstance(cluster, live.Skipped):
        return [("Cluster", Answer(Outcome.NOT_CHECKED, cluster.why))]
    return prerequisites.required(cluster)


def _open(service: str | None) -> list[OpenItem]:
    """Return the open items; with a service, without those of other services."""
    from catalogue.open_items import image_item, open_items, repository_items
    from catalogue.platform import current

    memory, platform = rendered.memory(), current()
    every = open_items(platform, memory.pending)
    if not service:
        return [*every, *repository_items(platform.installation)]
    others = {image_item(one) for one in images.load() if one != service} | {
        job for one in memory.services if one.name != service for job in one.pending
    }
    return [item for item in every if item.name not in others]
