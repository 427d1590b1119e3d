"""cerebro-api."""

from catalogue.hosts import Hosts
from catalogue.parameters import Parameters
from charts.shared import CLICKHOUSE, DBT_MANIFEST_URL, HTTPS, clickhouse
from constructs_lib.kubernetes import Alb, App, Chart, Program, WebService
from constructs_lib.model import HttpGet, Probe, Resources

_KEEP_ALIVE_SECONDS = 75
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
"""Private ranges, used if the load balancers' subnets are not set."""


class CerebroApi(Chart):
    """The public data API, https://api.analytics.gnosis.io."""

    def __init__(self, scope: App) -> None:
        super().__init__(scope, "cerebro-api", namespace="cerebro")
        WebService(
            self,
            "cerebro-api",
            port=8000,
            replicas=2,
            program=Program(
                env={
                    "DBT_MANIFEST_URL": DBT_MANIFEST_URL,
                    "DBT_MANIFEST_REFRESH_ENABLED": "true",
                    "DBT_MANIFEST_REFRESH_INTERVAL_SECONDS": "300",
                    # Read by uvicorn. It skips trusted addresses in X-Forwarded-For, so that a
                    # caller cannot fake its address.
                    "FORWARDED_ALLOW_IPS": ",".join(self.platform.alb_subnets or _PRIVATE),
                    "UVICORN_TIMEOUT_KEEP_ALIVE": str(_KEEP_ALIVE_SECONDS),
                },
                secrets={
                    **clickhouse(host="CLICKHOUSE_URL"),
                    "API_KEYS": Parameters.API_KEYS,
                },
                resources=Resources(cpu=("250m", "1"), memory=("512Mi", "1Gi")),
                egress=(CLICKHOUSE, HTTPS),
            ),
            readiness=Probe(HttpGet("/"), initial_delay_seconds=10, period_seconds=15),
            liveness=Probe(HttpGet("/"), initial_delay_seconds=30, period_seconds=30),
            # fetches the manifest before it listens, for up to 30 seconds
            startup=Probe(HttpGet("/"), period_seconds=5, failure_threshold=24),
            ingress=Alb(
                host=Hosts.API,
                scheme="internet-facing",
                keep_alive_seconds=_KEEP_ALIVE_SECONDS,
            ),
        )
