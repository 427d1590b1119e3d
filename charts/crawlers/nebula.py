"""nebula."""

from charts.shared import CLICKHOUSE_NATIVE, clickhouse
from constructs_lib.kubernetes import App, Chart, Program, SingleWriter
from constructs_lib.model import Command, Egress, HttpGet, Probe, Resources

_PEERS = Egress((), to="public", protocols=("TCP", "UDP"))
"""Any peer of the network, on any port."""

_LONGEST_CRAWL_SECONDS = 3000
# Fails if process 1 is too old: uptime minus its start time in clock ticks (field 22). A crawl
# takes about 35 minutes; a hanging one still answers on /health.
_CRAWL_MOVES_ON = "NR == FNR { uptime = $1; next } { exit uptime - $22 / 100 > max }"


class Nebula(Chart):
    """Crawls the peers of Gnosis Chain's consensus network.

    The container exits after each crawl and Kubernetes restarts it: thousands of restarts are
    normal.
    """

    def __init__(self, scope: App) -> None:
        super().__init__(scope, "nebula", namespace="crawlers")
        SingleWriter(
            self,
            "nebula",
            program=Program(
                args=("crawl",),
                env={
                    "NEBULA_DATABASE_ENGINE": "clickhouse",
                    "NEBULA_DATABASE_PORT": "9440",
                    "NEBULA_DATABASE_NAME": "nebula",
                    "NEBULA_DATABASE_SSL": "true",
                    "NEBULA_CLICKHOUSE_MIGRATIONS_TABLE_ENGINE": "MergeTree",
                    "NEBULA_CLICKHOUSE_REPLICATED_TABLE_ENGINES": "true",
                    "NEBULA_CRAWL_NETWORK": "GNOSIS",
                    "NEBULA_CRAWL_WORKER_COUNT": "1000",
                    "NEBULA_CRAWL_NEIGHBORS": "true",
                    "NEBULA_CRAWL_PEER_LIMIT": "0",
                    "NEBULA_UDP_BUFFER_SIZE": "4194304",
                    "NEBULA_METRICS_PORT": "9090",
                    "NEBULA_LOG_FORMAT": "json",
                },
                secrets=clickhouse("NEBULA_DATABASE_"),
                resources=Resources(cpu=("250m", "1"), memory=("512Mi", "1Gi")),
                egress=(CLICKHOUSE_NATIVE, _PEERS),
            ),
            port=9090,
            startup=Probe(HttpGet("/health"), period_seconds=5, failure_threshold=36),
            liveness=Probe(
                Command(
                    (
                        "awk",
                        "-v",
                        f"max={_LONGEST_CRAWL_SECONDS}",
                        _CRAWL_MOVES_ON,
                        "/proc/uptime",
                        "/proc/1/stat",
                    )
                ),
                period_seconds=60,
                failure_threshold=1,
            ),
            grace_seconds=60,  # to finish the crawl and flush its results
        )
