"""Minimal declarations of each construct, for tests to modify."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

from constructs_lib.errors import errors_of
from constructs_lib.kubernetes import (
    Alb,
    App,
    Application,
    AppProject,
    Autoscaling,
    Chart,
    Container,
    ExternalSecret,
    Namespace,
    Options,
    ParameterStore,
    Platform,
    Program,
    Quota,
    ReleaseJob,
    ScheduledJob,
    SingleWriter,
    Storage,
    Toleration,
    WebService,
)
from constructs_lib.model import (
    Calls,
    ClusterTarget,
    Egress,
    Host,
    HttpGet,
    Manifest,
    Parameter,
    Pin,
    Probe,
    Resources,
)
from constructs_lib.model.waivers import Waiver

T = TypeVar("T")

PASSWORD = Parameter("/cerebro/test/password", "A password", "placeholder")
TOKEN = Parameter("/cerebro/test/token", "A token", "placeholder")
HOST = Host("one.example.org")
RESOURCES = Resources(cpu=("100m", "200m"), memory=("64Mi", "128Mi"))
PROGRAM = Program(resources=RESOURCES)
ALB = Alb(host=HOST, scheme="internal", keep_alive_seconds=75)
PLATFORM = Platform(
    name="gnosis-analytics",
    registry="ghcr.io/gnosischain",
    images={"one": Pin("latest"), "two": Pin("latest")},
    target=ClusterTarget(),
    region="eu-central-1",
    repository="https://example.org/one.git",
    certificate_arn="arn:aws:acm:eu-central-1:111122223333:certificate/1",
    hosts=(HOST.fqdn,),
    parameters=(PASSWORD.path, TOKEN.path),
)
SERVED = replace(PLATFORM, images={"one": Pin("latest")})
"""A platform for a chart with one web service of READS_ALL, without violations."""
READS_ALL = replace(PROGRAM, secrets={"A": PASSWORD, "B": TOKEN}, image="one")
ONE = replace(PROGRAM, image="one")
NATIVE = Waiver(
    checks=[
        "pod-security-restricted",
        "writable-root-filesystem",
        "unbounded-resources",
        "mounted-api-token",
        "shared-service-account",
        "rbac-object",
        "secret-in-git",
        "unpinned-image",
        "wrong-architecture",
        "overlapping-jobs",
        "non-isolated-pod",
    ],
    objects=["ClusterRole role", "Job elsewhere/included", "Secret space/lazy"],
    reason="What a test includes is the smallest that renders",
    expires=date(2999, 1, 1),
)
"""Accepts what the smallest native objects violate."""
QUOTA = Quota(resources=Resources(cpu=("1", "2"), memory=("1Gi", "2Gi")), pods=10)


def chart(platform: Platform = PLATFORM, name: str = "chart", namespace: str = "space") -> Chart:
    return Chart(App(platform), name, namespace=namespace)


def app_of(chart: Chart) -> App:
    app = chart.node.root
    assert isinstance(app, App)
    return app


def objects(chart: Chart) -> list[Manifest]:
    """The objects of a chart, without validation."""
    return app_of(chart).files().of(chart).objects


def refusals(chart: Chart) -> list[str]:
    """Why the App of a chart is not rendered."""
    return errors_of(app_of(chart).render)


def program_with(**changes: Any) -> Program:
    return replace(PROGRAM, **changes)


def minimal(construct: Callable[..., T], *name: str, **props: Any) -> Callable[..., T]:
    """A declaration with these props in a chart, and with changes."""
    return lambda to, *other, **changes: construct(to, *(other or name), **{**props, **changes})


internal_service = minimal(
    WebService,
    "one",
    program=ONE,
    port=8000,
    readiness=Probe(HttpGet("/ready")),
    liveness=Probe(HttpGet("/live")),
)
"""A web service without a load balancer."""
web_service = minimal(internal_service, "one", program=PROGRAM, ingress=ALB)
single_writer = minimal(SingleWriter, "one", program=PROGRAM)
scheduled_job = minimal(ScheduledJob, "one", program=PROGRAM, schedule="0 2 * * *")
release_job = minimal(ReleaseJob, "one", program=PROGRAM)
namespace = minimal(
    Namespace, "space", quota=QUOTA, container_defaults=RESOURCES, registry_credentials=TOKEN
)
external_secret = minimal(ExternalSecret, "one", keys={"PASSWORD": PASSWORD})
store = minimal(ParameterStore, namespaces=("one",))
project = minimal(
    AppProject, "one", description="One", namespaces=("one",), powerful_kinds={"": ("Namespace",)}
)
application = minimal(Application, "one", project="one", folder="one", namespace="one")


def accepted(**platform: Any) -> tuple[Chart, WebService]:
    """A chart with one web service, without violations, on a platform with changes."""
    to = chart(replace(SERVED, **platform))
    return to, web_service(to, program=READS_ALL)


def later(declare: Callable[..., Any]) -> Callable[..., Callable[[Chart], Any]]:
    """A declaration in two steps, its changes and its chart: `later(web_service)(port=80)(to)`."""
    return lambda **changes: lambda to: declare(to, **changes)


def part(declare: Callable[..., Any], prop: str, value: Any) -> Callable[..., None]:
    """A declaration with changes to the value of one prop."""

    def declare_changed(to: Chart, /, **changes: Any) -> None:
        declare(to, **{prop: replace(value, **changes)})

    return declare_changed


program = part(web_service, "program", PROGRAM)
alb = part(web_service, "ingress", ALB)
probe = part(web_service, "readiness", Probe(HttpGet("/ready")))
http = part(probe, "check", HttpGet("/ready"))
resources = part(program, "resources", RESOURCES)
storage = part(single_writer, "storage", Storage(path="/a", size="1Gi"))
quota = part(namespace, "quota", QUOTA)


def liveness(check: Any) -> Callable[..., None]:
    return part(part(web_service, "liveness", Probe(check)), "check", check)


def options(to: Chart, /, **changes: Any) -> None:
    web_service(to, options=Options(**changes))


def toleration(to: Chart, /, **changes: Any) -> None:
    props = {"key": "one", "value": "one", "effect": "NoExecute"}
    if changes.get("operator") == "Exists":
        del props["value"]
    options(to, tolerations=(Toleration(**{**props, **changes}),))


def autoscaling(to: Chart, /, **changes: Any) -> None:
    web_service(to, autoscaling=Autoscaling(**{"max_replicas": 5, **changes}))


def calls(to: Chart, /, **changes: Any) -> None:
    """Two callable services in two namespaces."""
    other = Chart(app_of(to), "other", namespace="other")
    for chart, name in ((to, "three"), (to, "four"), (other, "three")):
        ports: dict[str, Any] = {"port": 8100 + len(name), "ports": {"metrics": 9090}}
        internal_service(chart, name, **ports, service_ports=("metrics",))
    program(to, egress=(Calls(**{"service": "three", **changes}),))


def egress(to: Chart, /, **changes: Any) -> None:
    program(to, egress=(replace(Egress((443,)), **changes),))


def sidecar(to: Chart, /, **changes: Any) -> None:
    side = Container(program=replace(PROGRAM, image="two"), port=9000)
    web_service(to, sidecars={"side": replace(side, **changes)})
