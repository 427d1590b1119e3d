"""A web service with replicas behind a Service, updated without lost requests."""

from collections.abc import Mapping

from constructs import Construct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes import network
from constructs_lib.kubernetes.alb import Alb
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.kubernetes.pod import pod_template
from constructs_lib.kubernetes.program import Autoscaling, Container, Options, Program
from constructs_lib.kubernetes.workload import RECREATE, ProgramConstruct
from constructs_lib.model import Port, Positive, Probe
from constructs_lib.model.checks import checked
from constructs_lib.model.names import ObjectName

_ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
_LEAVE_ENDPOINTS_SECONDS = 5
"""preStop delay without a load balancer, for kube-proxy to remove the pod. Our estimate."""


@checked
class WebService(ProgramConstruct):
    """Deployment, Service, Ingress, PodDisruptionBudget, and their supporting objects.

    With two or more replicas, a rolling update starts one new pod at a time and stops an old pod
    only when the new pod is ready. A single replica uses `Recreate`, with some seconds of downtime.
    """

    component = "web"

    deployment: KubeObject
    service: KubeObject
    ingress: KubeObject | None = None
    """The Ingress; None without a load balancer."""
    disruption_budget: KubeObject | None = None
    """The PodDisruptionBudget; None with a single replica."""
    autoscaler: KubeObject | None = None
    """The HorizontalPodAutoscaler; None with fixed replicas."""

    def __init__(
        self,
        scope: Construct,
        name: ObjectName,
        *,
        program: Program,
        port: Port,
        readiness: Probe,
        liveness: Probe,
        startup: Probe | None = None,
        ports: Mapping[str, Port] | None = None,
        service_ports: tuple[str, ...] = (),
        replicas: Positive | None = None,
        autoscaling: Autoscaling | None = None,
        ingress: Alb | None = None,
        longest_request_seconds: Positive = 30,
        sidecars: Mapping[str, Container] | None = None,
        options: Options | None = None,
    ) -> None:
        """Declare the service and all its objects.

        Args:
            scope: The chart.
            name: Name of the objects and, by default, of the image.
            program: The program of the main container.
            port: Port of the main container and the Service, named `http`.
            readiness: Readiness probe. Behind a load balancer it must be an HttpGet.
            liveness: Liveness probe.
            startup: Startup probe. Default: none.
            ports: Additional container ports by name, `{"metrics": 9090}`. Default: none.
            service_ports: Names of additional ports, including those of sidecars, to add to the
                Service, for pods of its namespace and its callers. Default: none.
            replicas: Number of pods. Default: 2.
            autoscaling: An autoscaler in place of `replicas`. Default: none.
            ingress: Its load balancer. Default: none, reachable only from its own namespace.
            longest_request_seconds: Maximum duration of a request, which a terminating pod still
                gets after it has left the load balancer. The default, 30, is our estimate.
            sidecars: Additional containers by name. Default: none.
            options: Labels, placement, identity, init containers. Default: none.
        """
        own = Container(
            program=program,
            port=port,
            ports=ports or {},
            readiness=readiness,
            liveness=liveness,
            startup=startup,
        )
        super().__init__(scope, name, own, options, sidecars)
        if autoscaling and replicas is not None:
            raise DeclarationError("replicas and autoscaling are both set; remove one of them")
        further = {
            port: number
            for container in self.containers.values()
            for port, number in container.ports.items()
        }
        if unknown := sorted(set(service_ports) - further.keys()):
            raise DeclarationError(
                f"service_ports lists {unknown[0]!r}, which no container declares; "
                f"declared ports: {', '.join(further) or 'none'}"
            )
        self.port = port
        self.service_ports = {"http": port, **{one: further[one] for one in service_ports}}
        self.alb = ingress
        self.longest_request_seconds = longest_request_seconds
        self._replicas = replicas or (autoscaling.min_replicas if autoscaling else 2)
        if ingress:
            ingress.check_longest_request(longest_request_seconds)
        _, *further_ports = self.service_ports.values()
        callers = [
            network.from_ranges(port, self.platform.alb_subnets)
            if ingress
            else network.from_namespace(port),
            *map(network.from_namespace, further_ports),
        ]
        self.add_supporting_objects(callers)
        self._add_deployment(autoscaled=autoscaling is not None)
        self._add_service()
        if ingress:
            self.ingress = ingress.add_ingress(self, readiness)
        if self._replicas > 1:
            self._add_disruption_budget()
        if autoscaling:
            self._add_autoscaler(autoscaling)
        self.chart.calls.offer(self)

    def _add_deployment(self, *, autoscaled: bool) -> None:
        several = self._replicas > 1 or autoscaled
        drain = self.alb.drain_seconds if self.alb else _LEAVE_ENDPOINTS_SECONDS
        secrets = [*self.external_secrets, *(secret.name for secret in self.shared_secrets)]
        reload = {"secret.reloader.stakater.com/reload": ",".join(secrets)} if secrets else {}
        template = pod_template(
            self,
            pre_stop_seconds=drain,
            spread_over_zones=several,
            terminationGracePeriodSeconds=drain + self.longest_request_seconds,
        )
        replicas = None if autoscaled else self._replicas
        strategy = _ROLLING if several else RECREATE
        self.deployment = self.add_deployment(replicas, strategy, template, reload)

    def _add_service(self) -> None:
        ports = [
            {"name": name, "port": port, "targetPort": port, "protocol": "TCP"}
            for name, port in self.service_ports.items()
        ]
        spec = {"type": "ClusterIP", "selector": {"app": self.name}, "ports": ports}
        self.service = self.add("v1", "Service", spec)

    def _add_disruption_budget(self) -> None:
        spec = {
            "maxUnavailable": 1,
            "selector": self.selector,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        }
        self.disruption_budget = self.add("policy/v1", "PodDisruptionBudget", spec)

    def _add_autoscaler(self, autoscaling: Autoscaling) -> None:
        metrics = [
            {
                "type": "Resource",
                "resource": {
                    "name": resource,
                    "target": {"type": "Utilization", "averageUtilization": percent},
                },
            }
            for resource, percent in autoscaling.targets.items()
        ]
        spec = {
            "minReplicas": autoscaling.min_replicas,
            "maxReplicas": autoscaling.max_replicas,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": self.name},
            "metrics": metrics,
        }
        self.autoscaler = self.add("autoscaling/v2", "HorizontalPodAutoscaler", spec)
