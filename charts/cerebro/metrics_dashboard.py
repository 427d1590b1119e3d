"""metrics-dashboard."""

from catalogue.hosts import Hosts
from catalogue.parameters import Parameters
from charts.shared import CLICKHOUSE, clickhouse
from constructs_lib.kubernetes import Alb, App, Chart, Container, Program, WebService
from constructs_lib.model import Command, HttpGet, Probe, Resources

KEEP_ALIVE_SECONDS = 75
"""keepalive_timeout of docker/metrics-dashboard/nginx.conf."""
_IMAGE = "metrics-dashboard"
# a command, because the handlers listen only on the loopback address
_HANDLERS_ANSWER = Command(("curl", "-fsS", "http://127.0.0.1:3000/healthz"))


class MetricsDashboard(Chart):
    """The dashboard: nginx serves the React build and proxies /api to the handlers in the same pod.

    Only the handlers have credentials; the public nginx has none.
    """

    def __init__(self, scope: App) -> None:
        super().__init__(scope, "metrics-dashboard", namespace="cerebro")
        handlers = Container(
            program=Program(
                image=_IMAGE,
                args=("api",),
                secrets={**clickhouse(), "API_KEY": Parameters.DASHBOARD_API_KEY},
                tmp="256Mi",
                resources=Resources(cpu=("100m", "500m"), memory=("256Mi", "512Mi")),
                egress=(CLICKHOUSE,),
            ),
            liveness=Probe(_HANDLERS_ANSWER, period_seconds=30, timeout_seconds=5),
            startup=Probe(_HANDLERS_ANSWER, period_seconds=5, failure_threshold=12),
        )
        WebService(
            self,
            "metrics-dashboard",
            port=8080,
            replicas=2,
            program=Program(
                args=("web",),
                resources=Resources(cpu=("100m", "500m"), memory=("256Mi", "512Mi")),
            ),
            readiness=Probe(HttpGet("/healthz"), period_seconds=10),
            liveness=Probe(HttpGet("/healthz"), initial_delay_seconds=10, period_seconds=30),
            sidecars={"api": handlers},
            longest_request_seconds=60,  # the handlers' timeout
            ingress=Alb(
                host=Hosts.DASHBOARD,
                scheme="internet-facing",
                idle_timeout_seconds=70,
                deregistration_delay_seconds=60,
                keep_alive_seconds=KEEP_ALIVE_SECONDS,
            ),
        )
