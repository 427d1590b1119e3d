"""The namespaces, and what all pods of each may ask for together.

A quota is the worst moment (a rolling update of every web service with the old pods still ending,
while every job runs) and at least a third more, for jobs made by
hand and one more service. The numbers are our estimate.
"""

from dataclasses import dataclass

from catalogue.parameters import Parameters
from constructs_lib.checks import checked
from constructs_lib.kubernetes import App, Chart, Namespace, Quota
from constructs_lib.model import Resources

_CONTAINER_DEFAULTS = Resources(cpu=("100m", "500m"), memory=("128Mi", "256Mi"))


@checked
@dataclass(frozen=True, kw_only=True)
class Limits:
    """A namespace of the platform. Argo CD, the secret store and the commands follow from it."""

    name: str
    """Of the namespace."""
    quota: Quota
    """What all its pods may ask for together."""
    readiness_gates: bool = False
    """Whether web services behind load balancers run in it."""


NAMESPACES = (
    # what people talk to: the API, the MCP server, the dashboard
    Limits(
        name="cerebro",
        quota=Quota(
            resources=Resources(
                cpu=("4", "16"),
                memory=("8Gi", "16Gi"),
                ephemeral_storage=("2Gi", "16Gi"),
            ),
            pods=20,
        ),
        readiness_gates=True,
    ),
    # what fills the warehouse: indexers, crawlers, SQL jobs
    Limits(
        name="crawlers",
        quota=Quota(
            resources=Resources(
                cpu=("6", "24"),
                memory=("12Gi", "40Gi"),
                ephemeral_storage=("8Gi", "48Gi"),
            ),
            pods=40,
            volume_claims=2,
        ),
    ),
)


def declare(app: App) -> list[Chart]:
    """A chart for each namespace."""
    return [_declare(app, limits) for limits in NAMESPACES]


def _declare(app: App, limits: Limits) -> Chart:
    chart = Chart(app, f"namespace-{limits.name}", namespace=limits.name, folder="cluster")
    Namespace(
        chart,
        limits.name,
        quota=limits.quota,
        container_defaults=_CONTAINER_DEFAULTS,
        registry_credentials=Parameters.GHCR_DOCKERCONFIGJSON,
        readiness_gates=limits.readiness_gates,
    )
    return chart
