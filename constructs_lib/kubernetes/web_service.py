"""A web service: replicas behind a Service, replaced without a lost request."""

from __future__ import annotations

from collections.abc import Mapping

from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes import network
from constructs_lib.kubernetes.alb import Alb
from constructs_lib.kubernetes.manifest import int_or_string
from constructs_lib.kubernetes.program import Container, Program
from constructs_lib.kubernetes.workload import Workload
from constructs_lib.model import HttpGet, Probe

_ROLLING = k8s.DeploymentStrategy(
    type="RollingUpdate",
    rolling_update=k8s.RollingUpdateDeployment(
        max_surge=int_or_string(1), max_unavailable=int_or_string(0)
    ),
)
RECREATE = k8s.DeploymentStrategy(type="Recreate")
_LEAVE_ENDPOINTS_SECONDS = 5
"""Behind no load balancer: what kube-proxy needs to learn of a leaving pod. Our estimate."""


class WebService(Workload):
    """Deployment, Service, Ingress, PodDisruptionBudget, and what every workload gets.

    With two replicas or more, a rolling update starts one new pod at a time and stops an old one
    only when the new one is ready. A single replica is replaced (`Recreate`): for some seconds
    nobody answers.
    """

    component = "web"

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        program: Program,
        port: int,
        readiness: Probe,
        liveness: Probe,
        startup: Probe | None = None,
        replicas: int = 2,
        ingress: Alb | None = None,
        longest_request_seconds: int = 30,
        sidecars: Mapping[str, Container] | None = None,
    ) -> None:
        """Declare it.

        `port` is that of container and Service. `readiness`, `liveness`, `startup`: the first
        two are required. `ingress` (default: none, and callers come from its own namespace)
        opens it to the outside. `longest_request_seconds` (30, our estimate) is what an answer
        may take; a pod that has left the load balancer still gets as long. `sidecars` are further
        containers by name.
        """
        own = Container(
            program=program, port=port, readiness=readiness, liveness=liveness, startup=startup
        )
        super().__init__(scope, name, own, sidecars)
        with self.refusals():
            if replicas < 1:
                raise DeclarationError("replicas must be 1 or more; remove the chart to stop it")
            self.port = port
            self.replicas = replicas
            self.ingress = ingress
            self.longest_request_seconds = longest_request_seconds
            if ingress:
                ingress.check_longest_request(longest_request_seconds)
            self.surround([self._callers()])
            self._add_deployment()
            self._add_service()
            if ingress:
                self._add_ingress(ingress, readiness)
            if replicas > 1:
                self._add_disruption_budget()

    def _callers(self) -> k8s.NetworkPolicyIngressRule:
        if self.ingress:
            return network.from_ranges(self.port, self.platform.alb_subnets)
        return network.from_namespace(self.port)

    def _add_deployment(self) -> None:
        drain = self.ingress.drain_seconds if self.ingress else _LEAVE_ENDPOINTS_SECONDS
        secrets = ",".join(self.secret_names())
        self.chart.add(
            k8s.KubeDeploymentProps(
                metadata=self.chart.metadata(
                    self.name,
                    labels=self.labels,
                    annotations={"secret.reloader.stakater.com/reload": secrets}
                    if secrets
                    else None,
                ),
                spec=k8s.DeploymentSpec(
                    replicas=self.replicas,
                    strategy=_ROLLING if self.replicas > 1 else RECREATE,
                    selector=self.selector,
                    progress_deadline_seconds=self.progress_deadline_seconds(),
                    template=self.pod_template(
                        grace_seconds=drain + self.longest_request_seconds,
                        pre_stop_seconds=drain,
                        spread_over_zones=self.replicas > 1,
                    ),
                ),
            )
        )

    def _add_service(self) -> None:
        self.chart.add(
            k8s.KubeServiceProps(
                metadata=self.metadata,
                spec=k8s.ServiceSpec(
                    type="ClusterIP",
                    selector={"app": self.name},
                    ports=[
                        k8s.ServicePort(
                            name="http",
                            port=self.port,
                            target_port=int_or_string(self.port),
                            protocol="TCP",
                        )
                    ],
                ),
            )
        )

    def _add_ingress(self, ingress: Alb, readiness: Probe) -> None:
        if not isinstance(readiness.check, HttpGet):
            raise DeclarationError(
                "the load balancer checks what the readiness probe checks, over HTTP; "
                "declare readiness=Probe(HttpGet(path))"
            )
        ingress.add_ingress(
            self.chart,
            self.platform,
            self.name,
            self.port,
            health_check_path=readiness.check.path,
            labels=self.labels,
        )

    def _add_disruption_budget(self) -> None:
        self.chart.add(
            k8s.KubePodDisruptionBudgetProps(
                metadata=self.metadata,
                spec=k8s.PodDisruptionBudgetSpec(
                    max_unavailable=int_or_string(1),
                    selector=self.selector,
                    unhealthy_pod_eviction_policy="AlwaysAllow",
                ),
            )
        )
