"""ip-crawler."""

from catalogue.parameters import Parameters
from charts.shared import CLICKHOUSE, HTTPS, clickhouse
from constructs_lib.kubernetes import App, Chart, Program, SingleWriter, Storage
from constructs_lib.model import Command, Probe, Resources

# The program writes the file after each batch and sleeps up to five minutes when idle.
_FRESH = Command(("sh", "-c", 'test -n "$(find /app/logs/health.log -mmin -20)"'))


class IpCrawler(Chart):
    """Looks up the IP addresses found by nebula at ipinfo.io.

    Two instances would pay for every address twice. /app/logs is persistent, because it contains
    the month that the crawler has reached.
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
            grace_seconds=330,  # the program sleeps up to 300 seconds
        )
