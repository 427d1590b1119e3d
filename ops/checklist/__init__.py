"""`ops checklist`: check that everything the services need is in place."""

from collections.abc import Mapping
from typing import Annotated

import typer

from catalogue import open_items
from catalogue.parameters import Parameters
from catalogue.platform import AnalyticsPlatform, current
from ops import rendered, terminal
from ops.aws import Version, read
from ops.checklist import prerequisites
from ops.checklist.results import Outcome, Report, Results, results_of
from ops.checklist.services import CHECKS, Inputs
from ops.cluster import Cluster
from ops.commands import AsJson, Context, context_needs_cluster
from ops.errors import OpsError, Status


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
        bool, typer.Option("--cluster", help="Also check the cluster and its prerequisites.")
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
        target, unreachable = _reached(context) if cluster else (None, {})
        inputs = Inputs(
            platform=current(),
            files=rendered.files(),
            rendered=rendered.render(),
            stored=_stored(aws=aws),
            registry=registry,
            cluster=target,
        )
        services = {checked.name: checked for checked in inputs.services()}
        if service and service not in services:
            raise OpsError(f"service {service} not found; use one of: {', '.join(services)}")
        report = Report(
            {
                name: results_of(CHECKS, checked, inputs)
                for name, checked in services.items()
                if service in (None, name)
            },
            results_of(prerequisites.CHECKS, target) if target else unreachable,
            _open_items(inputs.platform, service),
        )
    if as_json:
        terminal.show_json(report.as_json())
    else:
        report.show(details=service is not None)
    if report.outcome in (Outcome.FAILED, Outcome.OPEN):
        return Status.FAILED
    return Status.NOT_CHECKED if report.outcome is Outcome.NOT_CHECKED else Status.DONE


def _stored(*, aws: bool) -> Mapping[str, Version] | OpsError:
    """Return the parameters in SSM, or why they are unknown."""
    try:
        wanted = (parameter.path for parameter in Parameters)
        return read(wanted) if aws else OpsError("pass --aws")
    except OpsError as error:
        return error


def _reached(context: str | None) -> tuple[Cluster | None, Results]:
    """Return the cluster after a successful request, or the result that says why there is none."""
    try:
        cluster = Cluster(context)
        cluster.request("GET", "/version")
    except OpsError as error:
        return None, {"Cluster": [Outcome.NOT_CHECKED(error)]}
    return cluster, {}


def _open_items(platform: AnalyticsPlatform, service: str | None) -> list[open_items.OpenItem]:
    """Return the open items; with a service, without those of other services."""
    pending = rendered.pending()
    items = open_items.open_items(platform, pending)
    if not service:
        return [*items, *open_items.repository_items(platform.installation)]
    others = {open_items.image_item(name) for name in platform.images if name != service}
    others |= {workload.name for workload, chart in pending.items() if chart != service}
    return [item for item in items if item.name not in others]
