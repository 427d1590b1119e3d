"""`ops checklist`: check that everything the services need is in place."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from typing import Annotated, TypeVar

import typer

from catalogue import open_items
from catalogue.open_items import OpenItem
from catalogue.parameters import Parameters
from catalogue.platform import AnalyticsPlatform, current
from ops import rendered, terminal
from ops.aws import ParameterStore, Version
from ops.checklist import prerequisites
from ops.checklist.results import CheckResult, Outcome, Report, failed, not_checked, passed
from ops.checklist.services import CheckImage, Inputs, check
from ops.cluster import Cluster
from ops.errors import OpsError, Status
from ops.options import AsJson, Context, context_needs_cluster

T = TypeVar("T")

_STATUS = {
    Outcome.FAILED: Status.FAILED,
    Outcome.OPEN: Status.FAILED,
    Outcome.NOT_CHECKED: Status.NOT_CHECKED,
}


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
    with terminal.waiting("Checking ..."):
        target = _query(lambda: _reachable(Cluster(context)), "--cluster", wanted=cluster)
        inputs = Inputs(
            platform=current(),
            files=rendered.files(),
            rendered=rendered.render(),
            stored=_query(_stored, "--aws", wanted=aws),
            check_image=_query(image_check, "--registry", wanted=registry),
            cluster=None if target.exception() else target.result(),
        )
        services = {checked.name: checked for checked in inputs.services()}
        if service and service not in services:
            raise OpsError(f"service {service} not found; use one of: {', '.join(services)}")
        report = Report(
            {
                name: check(checked, inputs)
                for name, checked in services.items()
                if service in (None, name)
            },
            _prerequisites(target) if cluster else [],
            _open_items(inputs.platform, service),
        )
    if as_json:
        terminal.show_json(report.as_json())
    elif service:
        report.show_details(service)
    else:
        report.show()
    return _STATUS.get(report.outcome, Status.DONE)


def _query(source: Callable[[], T], option: str, *, wanted: bool) -> Future[T]:
    """Return the result of `source`, or why there is none: its option is missing, or it failed."""
    query: Future[T] = Future()
    try:
        if wanted:
            query.set_result(source())
        else:
            query.set_exception(OpsError(f"pass {option}"))
    except OpsError as error:
        query.set_exception(error)
    return query


def _stored() -> dict[str, Version]:
    return ParameterStore().read(parameter.path for parameter in Parameters)


def _reachable(cluster: Cluster) -> Cluster:
    """Return the cluster after a successful request."""
    cluster.request("GET", "/version")
    return cluster


def image_check() -> CheckImage:
    """Return a check that queries the registry once for each reference."""
    from ops import registry  # its libraries take a second to import

    @cache
    def check(reference: str, pinned: str | None) -> CheckResult:
        try:
            digest = registry.find(reference)
        except registry.ImageMissingError as error:
            return failed(str(error))
        except registry.RegistryError as error:
            return not_checked(error)
        if pinned and digest != pinned:
            return failed(
                f"{reference} was moved: it points to {digest[:19]}…, but {pinned[:19]}… is "
                "pinned and still runs. Find out who pushed it; `ops pin` pins the new digest"
            )
        return passed(f"{reference} exists for arm64 ({digest[:19]}…)")

    return check


def _prerequisites(cluster: Future[Cluster]) -> list[tuple[str, CheckResult]]:
    if error := cluster.exception():
        return [("Cluster", not_checked(error))]
    return prerequisites.check(cluster.result())


def _open_items(platform: AnalyticsPlatform, service: str | None) -> list[OpenItem]:
    """Return the open items; with a service, without those of other services."""
    pending = rendered.pending()
    items = open_items.open_items(platform, pending)
    if not service:
        return [*items, *open_items.repository_items(platform.installation)]
    others = {open_items.image_item(name) for name in platform.images if name != service}
    others |= {workload.name for workload, chart in pending.items() if chart != service}
    return [item for item in items if item.name not in others]
