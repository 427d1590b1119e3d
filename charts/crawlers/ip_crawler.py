"""ip-crawler."""

from catalogue.parameters import Parameters
from charts.shared import CLICKHOUSE, HTTPS, clickhouse
from constructs_lib.kubernetes import App, Chart, Program, SingleWriter, Storage
from constructs_lib.model import Command, Probe, Resources

# It writes the file once a batch, and sleeps for up to five minutes when there is nothing to do.
_FRESH = Command(("sh", "-c", 'test -n "$(find /app/logs/health.log -mmin -20)"'))


class IpCrawler(Chart):
    """Looks up the addresses that nebula found at ipinfo.io.

    Two of them would pay for every address twice. /app/logs outlives the pod, because the month
    it has come to stands there.
    """

    def __init__(self, scope: App) -> None:
        super().__init__(scope, "ip-crawler", namespace="crawlers")
        SingleWriter(
            self,
            "ip-crawler",
            program=Program(
                env={
                    "CLICKHOUSE_PORT": "8443",
                    "CLICKHOUSE_SECURE": "true",
                    "CLICKHOUSE_DATABASE": "crawlers_data",
                    "CRAWLER_MODE": "continuous",
                },
                secrets={**clickhouse(), "IPINFO_API_TOKEN": Parameters.IPINFO_TOKEN},
                resources=Resources(cpu=("100m", "500m"), memory=("256Mi", "512Mi")),
                egress=(CLICKHOUSE, HTTPS),
            ),
            storage=Storage(path="/app/logs", size="1Gi"),
            startup=Probe(_FRESH, period_seconds=30, failure_threshold=40),
            liveness=Probe(_FRESH, period_seconds=60, timeout_seconds=5),
            grace_seconds=330,  # it may be in a sleep of 300 seconds
        )
