"""hello."""

from pathlib import Path

from cdk8s import JsonPatch
from cdk8s_plus_27 import k8s

from catalogue.hosts import Hosts
from catalogue.parameters import Parameters
from charts.shared import HTTPS
from constructs_lib.kubernetes import (
    Alb,
    App,
    Autoscaling,
    Chart,
    Options,
    Program,
    Toleration,
    WebService,
)
from constructs_lib.model import Calls, HttpGet, Probe, Resources

_HERE = Path(__file__)
_SMALL = Resources(cpu=("50m", "100m"), memory=("64Mi", "128Mi"))


class Hello(Chart):
    """Says hello, https://hello.analytics.gnosis.io. Its namespace is named after its folder."""

    def __init__(self, scope: App) -> None:
        super().__init__(scope, "hello", namespace=_HERE.parent.name)
        web = WebService(
            self,
            "hello",
            port=8000,
            ports={"metrics": 9090},
            service_ports=("metrics",),
            autoscaling=Autoscaling(min_replicas=2, max_replicas=3),
            program=Program(
                env={"GREETER": "http://greeter:8080"},
                files={"/etc/hello/hello.toml": _HERE.with_name("hello.toml")},
                secrets={"API_KEYS": Parameters.API_KEYS},
                resources=_SMALL,
                egress=(HTTPS, Calls("greeter")),
            ),
            readiness=Probe(HttpGet("/ready")),
            liveness=Probe(HttpGet("/live")),
            ingress=Alb(host=Hosts.HELLO, scheme="internet-facing", keep_alive_seconds=75),
            options=Options(
                init_containers={
                    "warm-up": Program(image="hello", args=("warm-up",), resources=_SMALL)
                },
                tolerations=(Toleration(key="spot", value="true", effect="NoSchedule"),),
            ),
        )
        # A field without a prop: use a JSON patch or a merged fragment.
        web.deployment.add_json_patch(JsonPatch.add("/spec/minReadySeconds", 5))
        web.service.merge({"metadata": {"annotations": {"example.org/owner": "data"}}})
        # An object without a construct: use a native one.
        k8s.KubeConfigMap(
            self, "feature-flags", metadata=k8s.ObjectMeta(name="hello-flags"), data={"blue": "on"}
        )
