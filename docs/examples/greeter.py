"""greeter."""

from pathlib import Path

from constructs_lib.kubernetes import App, Chart, Program, WebService
from constructs_lib.model import HttpGet, Probe, Resources


class Greeter(Chart):
    """Returns greetings to other services in the cluster."""

    def __init__(self, scope: App) -> None:
        super().__init__(scope, "greeter", namespace=Path(__file__).parent.name)
        WebService(
            self,
            "greeter",
            port=8080,
            replicas=1,
            program=Program(resources=Resources(cpu=("50m", "100m"), memory=("64Mi", "128Mi"))),
            readiness=Probe(HttpGet("/ready")),
            liveness=Probe(HttpGet("/live")),
        )
