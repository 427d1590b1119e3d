"""The smallest declaration of each thing, to be changed in one place by a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from constructs_lib.kubernetes import (
    Alb,
    App,
    Application,
    AppProject,
    Chart,
    Container,
    ExternalSecret,
    Namespace,
    ParameterStore,
    Platform,
    Program,
    Quota,
    ReleaseJob,
    ScheduledJob,
    SingleWriter,
    Storage,
    WebService,
)
from constructs_lib.model import (
    ClusterTarget,
    Egress,
    Host,
    HttpGet,
    Parameter,
    Pin,
    Probe,
    Resources,
)

PASSWORD = Parameter("/cerebro/test/password", "A password", "placeholder")
TOKEN = Parameter("/cerebro/test/token", "A token", "placeholder")
HOST = Host("one.example.org")
RESOURCES = Resources(cpu=("100m", "200m"), memory=("64Mi", "128Mi"))
PROGRAM = Program(resources=RESOURCES)
ALB = Alb(host=HOST, scheme="internal", keep_alive_seconds=75)
PLATFORM = Platform(
    images={"one": Pin("latest"), "two": Pin("latest")},
    target=ClusterTarget(),
    region="eu-central-1",
    repository="https://example.org/one.git",
    certificate_arn="arn:aws:acm:eu-central-1:111122223333:certificate/1",
    hosts=(HOST.fqdn,),
    parameters=(PASSWORD.path, TOKEN.path),
)
QUOTA = Quota(resources=Resources(cpu=("1", "2"), memory=("1Gi", "2Gi")), pods=10)


def chart(platform: Platform = PLATFORM, name: str = "chart", namespace: str = "space") -> Chart:
    return Chart(App(platform), name, namespace=namespace)


def web_service(to: Chart, /, **changes: Any) -> None:
    props: dict[str, Any] = {
        "program": PROGRAM,
        "port": 8000,
        "readiness": Probe(HttpGet("/ready")),
        "liveness": Probe(HttpGet("/live")),
        "ingress": ALB,
    }
    WebService(to, "one", **{**props, **changes})


def single_writer(to: Chart, /, **changes: Any) -> None:
    SingleWriter(to, "one", **{"program": PROGRAM, **changes})


def scheduled_job(to: Chart, /, **changes: Any) -> None:
    ScheduledJob(to, "one", **{"program": PROGRAM, "schedule": "0 2 * * *", **changes})


def release_job(to: Chart, /, **changes: Any) -> None:
    ReleaseJob(to, "one", **{"program": PROGRAM, **changes})


def namespace(to: Chart, /, **changes: Any) -> None:
    props = {"quota": QUOTA, "container_defaults": RESOURCES, "registry_credentials": TOKEN}
    Namespace(to, "space", **{**props, **changes})


def program(to: Chart, /, **changes: Any) -> None:
    web_service(to, program=replace(PROGRAM, **changes))


def alb(to: Chart, /, **changes: Any) -> None:
    web_service(to, ingress=replace(ALB, **changes))


def probe(to: Chart, /, **changes: Any) -> None:
    web_service(to, readiness=replace(Probe(HttpGet("/ready")), **changes))


def http(to: Chart, /, **changes: Any) -> None:
    probe(to, check=replace(HttpGet("/ready"), **changes))


def liveness(check: Any) -> Callable[..., None]:
    def declare(to: Chart, /, **changes: Any) -> None:
        web_service(to, liveness=Probe(replace(check, **changes)))

    return declare


def resources(to: Chart, /, **changes: Any) -> None:
    program(to, resources=replace(RESOURCES, **changes))


def egress(to: Chart, /, **changes: Any) -> None:
    program(to, egress=(replace(Egress((443,)), **changes),))


def storage(to: Chart, /, **changes: Any) -> None:
    single_writer(to, storage=replace(Storage(path="/a", size="1Gi"), **changes))


def quota(to: Chart, /, **changes: Any) -> None:
    namespace(to, quota=replace(QUOTA, **changes))


def sidecar(to: Chart, /, **changes: Any) -> None:
    side = Container(program=replace(PROGRAM, image="two"), port=9000)
    web_service(to, sidecars={"side": replace(side, **changes)})


def external_secret(to: Chart, /, **changes: Any) -> None:
    ExternalSecret(to, "one", **{"keys": {"PASSWORD": PASSWORD}, **changes})


def store(to: Chart, /, **changes: Any) -> None:
    ParameterStore(to, **{"namespaces": ("one",), **changes})


def project(to: Chart, /, **changes: Any) -> None:
    props: dict[str, Any] = {
        "description": "One",
        "namespaces": ("one",),
        "cluster_kinds": {"": ("Namespace",)},
        "namespaced_kinds": {"": ("Service",)},
    }
    AppProject(to, "one", **{**props, **changes})


def application(to: Chart, /, **changes: Any) -> None:
    props: dict[str, Any] = {"project": "one", "folder": "one", "namespace": "one"}
    Application(to, "one", **{**props, **changes})
