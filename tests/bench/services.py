"""Renders many web services: `python -m tests.bench.services COUNT FOLDER`."""

import sys
from pathlib import Path

from catalogue.parameters import Parameters
from charts.shared import CLICKHOUSE, HTTPS, clickhouse
from constructs_lib.kubernetes import Alb, App, Chart, Platform, Program, WebService
from constructs_lib.model import ClusterTarget, Host, HttpGet, Pin, Probe, Resources
from constructs_lib.node import disable_gc


def names(count: int) -> list[str]:
    """The names of the services, all with the same length so that they are interchangeable."""
    return [f"service-{number:05}" for number in range(count)]


def app(count: int) -> App:
    """An App with `count` web services."""
    services = names(count)
    parameters = {**clickhouse(), "API_KEYS": Parameters.API_KEYS}
    app = App(
        Platform(
            name="gnosis-analytics",
            registry="ghcr.io/gnosischain",
            images=dict.fromkeys(services, Pin("latest")),
            target=ClusterTarget(),
            region="eu-central-1",
            repository="https://example.org/deployments.git",
            hosts=tuple(f"{name}.example.org" for name in services),
            parameters=tuple(parameter.path for parameter in parameters.values()),
        )
    )
    for name in services:
        WebService(
            Chart(app, name, namespace="cerebro"),
            name,
            port=8000,
            replicas=2,
            program=Program(
                env={"FIRST": "1", "SECOND": "2", "THIRD": "3"},
                secrets=parameters,
                resources=Resources(cpu=("250m", "1"), memory=("512Mi", "1Gi")),
                egress=(CLICKHOUSE, HTTPS),
            ),
            readiness=Probe(HttpGet("/"), initial_delay_seconds=10, period_seconds=15),
            liveness=Probe(HttpGet("/"), initial_delay_seconds=30, period_seconds=30),
            startup=Probe(HttpGet("/"), period_seconds=5, failure_threshold=24),
            ingress=Alb(
                host=Host(f"{name}.example.org"), scheme="internet-facing", keep_alive_seconds=75
            ),
        )
    return app


def main() -> None:
    """Write the manifests of the services to a directory."""
    disable_gc()  # as app.py does
    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    for path, text in app(count).render().items():
        (folder / Path(path).name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
