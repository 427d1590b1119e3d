"""The namespaces with their quotas, and the store of their ExternalSecrets.

A quota covers peak usage (a rolling update of every web service with the old pods still
terminating, while every job runs) plus at least a third, for manual jobs and one more service.
The numbers are our estimate.
"""

from catalogue.parameters import Parameters
from constructs_lib.kubernetes import App, Chart, Namespace, ParameterStore, Quota
from constructs_lib.model import Resources
from constructs_lib.model.checks import props

_CONTAINER_DEFAULTS = Resources(cpu=("100m", "500m"), memory=("128Mi", "256Mi"))


@props
class Limits:
    """A namespace. Argo CD's project, the secret store and the commands use this list."""

    name: str
    """Name of the namespace."""
    quota: Quota
    """Limit for the sum of all its pods."""
    readiness_gates: bool = False
    """Whether it contains web services behind load balancers."""


NAMESPACES = (
    # web services: the API, the MCP server, the dashboard
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
    # data ingestion: indexers, crawlers, SQL jobs
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
    charts = []
    for limits in NAMESPACES:
        chart = Chart(app, f"namespace-{limits.name}", namespace=limits.name, folder="cluster")
        Namespace(
            chart,
            limits.name,
            quota=limits.quota,
            container_defaults=_CONTAINER_DEFAULTS,
            registry_credentials=Parameters.GHCR_DOCKERCONFIGJSON,
            readiness_gates=limits.readiness_gates,
        )
        charts.append(chart)
    return charts


class SecretStore(Chart):
    """`aws-ssm`, the store for the ExternalSecrets of the platform's namespaces."""

    def __init__(self, scope: App) -> None:
        super().__init__(scope, "aws-ssm", namespace=None, folder="cluster")
        ParameterStore(self, namespaces=scope.files().namespaces)
