"""The two namespaces, and what all pods of each may ask for together.

A quota is the worst moment (a rolling update of every web service with the old pods still ending,
while every job runs) and at least a third more, for jobs made by
hand and one more service. The numbers are our estimate.
"""

from catalogue.parameters import Parameters
from constructs_lib.kubernetes import App, Chart, Namespace, Quota
from constructs_lib.model import Resources

_CONTAINER_DEFAULTS = Resources(cpu=("100m", "500m"), memory=("128Mi", "256Mi"))


class CerebroNamespace(Chart):
    """For what people talk to: the API, the MCP server, the dashboard."""

    def __init__(self, scope: App) -> None:
        super().__init__(scope, "namespace-cerebro", namespace="cerebro", folder="cluster")
        Namespace(
            self,
            "cerebro",
            quota=Quota(
                resources=Resources(
                    cpu=("4", "16"),
                    memory=("8Gi", "16Gi"),
                    ephemeral_storage=("2Gi", "16Gi"),
                ),
                pods=20,
            ),
            container_defaults=_CONTAINER_DEFAULTS,
            registry_credentials=Parameters.GHCR_DOCKERCONFIGJSON,
            readiness_gates=True,
        )


class CrawlersNamespace(Chart):
    """For what fills the warehouse: indexers, crawlers, SQL jobs."""

    def __init__(self, scope: App) -> None:
        super().__init__(scope, "namespace-crawlers", namespace="crawlers", folder="cluster")
        Namespace(
            self,
            "crawlers",
            quota=Quota(
                resources=Resources(
                    cpu=("6", "24"),
                    memory=("12Gi", "40Gi"),
                    ephemeral_storage=("8Gi", "48Gi"),
                ),
                pods=40,
                volume_claims=2,
            ),
            container_defaults=_CONTAINER_DEFAULTS,
            registry_credentials=Parameters.GHCR_DOCKERCONFIGJSON,
        )
