"""cerebro-mcp."""

from catalogue.hosts import Hosts
from catalogue.parameters import Parameters
from charts.shared import CLICKHOUSE, DBT_MANIFEST_URL, HTTPS, clickhouse
from constructs_lib.kubernetes import Alb, App, Chart, Program, WebService
from constructs_lib.model import HttpGet, Probe, Resources, TcpSocket


class CerebroMcp(Chart):
    """The MCP server, internal only: https://mcp.analytics.gnosis.io.

    It keeps sessions in memory and reports on disk, so it has one replica, replaced on update.
    """

    def __init__(self, scope: App) -> None:
        super().__init__(scope, "cerebro-mcp", namespace="cerebro")
        WebService(
            self,
            "cerebro-mcp",
            port=8000,
            replicas=1,
            program=Program(
                args=("--sse",),
                env={
                    "HOME": "/data",
                    "FASTMCP_HOST": "0.0.0.0",  # noqa: S104 a pod listens on all its addresses
                    "FASTMCP_PORT": "8000",
                    "MCP_SURFACE_PROFILE": "internal_full",
                    "REPORT_BASE_URL": f"https://{Hosts.MCP.fqdn}/reports",
                    "DBT_MANIFEST_URL": DBT_MANIFEST_URL,
                    "CEREBRO_REPORT_DIR": "/data/reports",
                    "CEREBRO_SAVED_QUERIES_DIR": "/data/saved-queries",
                    "CEREBRO_RESEARCH_DIR": "/data/research_projects",
                    "THINKING_LOG_DIR": "/data/logs",
                    "ASYNC_RESULT_DIR": "/data/query_results",
                    "MCP_SECURITY_LOG_DIR": "/data/security_audit",
                    "EVENT_STORE_PATH": "/data/cerebro_state.db",
                },
                secrets={**clickhouse(), "MCP_AUTH_TOKEN": Parameters.MCP_AUTH_TOKEN},
                scratch={"/data": "2Gi"},
                resources=Resources(
                    cpu=("250m", "1"),
                    memory=("512Mi", "2Gi"),
                    ephemeral_storage=("256Mi", "3Gi"),
                ),
                egress=(CLICKHOUSE, HTTPS),
            ),
            readiness=Probe(HttpGet("/health"), period_seconds=15, timeout_seconds=5),
            # /health queries ClickHouse; a restart would not fix an outage of ClickHouse
            liveness=Probe(TcpSocket(), period_seconds=30),
            # fetches the manifest, the docs index and more before it listens
            startup=Probe(TcpSocket(), period_seconds=10, failure_threshold=30),
            ingress=Alb(
                host=Hosts.MCP,
                scheme="internal",
                idle_timeout_seconds=3600,  # for long pauses between server-sent events
                keep_alive_seconds=None,
            ),
        )
