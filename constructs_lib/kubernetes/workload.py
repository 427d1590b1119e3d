"""What all four kinds of workload have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes import network
from constructs_lib.kubernetes.chart import Chart
from constructs_lib.kubernetes.external_secret import ExternalSecret
from constructs_lib.kubernetes.pod import Claim, Pod
from constructs_lib.kubernetes.program import Container
from constructs_lib.names import check_object_name

STAY = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}
"""On pods that no autoscaler may move: what they were doing would be lost."""


_KUBERNETES_DEADLINE_SECONDS = 600
"""`progressDeadlineSeconds` where it is not stated."""
_PLACING_SECONDS = 300
"""What a pod may take until its containers start: a new node, its disk, the pull of its image."""


class Workload(Construct):
    """A workload and what stands around it: ServiceAccount, ExternalSecrets, NetworkPolicy.

    Its id is the one name: of the objects, of the `app` label that selects the pods, of the
    Secret (`<id>-secrets`), and of the image where the program names no other.
    """

    component: str
    """The `app.kubernetes.io/component` label of the kind."""
    longest_name = 63
    """The most characters that the kind's names may have."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        container: Container,
        sidecars: Mapping[str, Container] | None = None,
    ) -> None:
        super().__init__(scope, name)
        self.chart = Chart.above(scope)
        self.platform = self.chart.platform
        self.name = name
        own = container.program.image or name
        if own in (sidecars or {}):
            raise DeclarationError(f"sidecar {own!r} bears the name of the container it stands by")
        self.containers = {own: container, **(sidecars or {})}
        self.selector = k8s.LabelSelector(match_labels={"app": name})
        self.labels = {
            "app": name,
            "app.kubernetes.io/name": name,
            "app.kubernetes.io/component": self.component,
        }
        self.metadata = self.chart.metadata(name, labels=self.labels)
        """Of every object that bears the workload's name and no annotations."""

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Whatever is refused inside names this construct's path."""
        try:
            yield
        except DeclarationError as error:
            raise error.at(self.node.path) from error

    def surround(self, ingress: Sequence[k8s.NetworkPolicyIngressRule] = ()) -> None:
        """Add the ServiceAccount, the ExternalSecrets and the NetworkPolicy."""
        check_object_name(self.name, longest=self.longest_name)
        for container in self.containers:
            check_object_name(container)
        self.chart.add(
            k8s.KubeServiceAccountProps(
                metadata=self.metadata,
                automount_service_account_token=False,
            )
        )
        programs = [container.program for container in self.containers.values()]
        for container, secret in self.own_secrets().items():
            ExternalSecret(self, secret, self.containers[container].program.secrets)
        network.allow(
            self.chart,
            self.metadata,
            self.selector,
            egress=[rule for program in programs for rule in program.egress],
            ingress=ingress,
        )

    def own_secrets(self) -> dict[str, str]:
        """The Secret of each container that reads parameters of its own, by container."""
        main = next(iter(self.containers))
        return {
            name: f"{self.name}-secrets" if name == main else f"{self.name}-{name}-secrets"
            for name, container in self.containers.items()
            if container.program.secrets
        }

    def secret_names(self) -> list[str]:
        """Every Secret that a container of this workload reads."""
        shared = [
            secret.name
            for container in self.containers.values()
            for secret in container.program.shared_secrets
        ]
        return [*self.own_secrets().values(), *shared]

    def progress_deadline_seconds(self) -> int | None:
        """When Kubernetes, and with it Argo CD, may call the Deployment failed: not while a
        startup probe still waits. None where Kubernetes' own ten minutes are enough.
        """
        starts = [one.startup for one in self.containers.values() if one.startup]
        longest = max((probe.patience_seconds for probe in starts), default=0)
        deadline = longest + _PLACING_SECONDS
        return deadline if deadline > _KUBERNETES_DEADLINE_SECONDS else None

    def pod_template(
        self,
        *,
        annotations: Mapping[str, str] | None = None,
        grace_seconds: int | None = None,
        restart_policy: str | None = None,
        claims: tuple[Claim, ...] = (),
        spread_over_zones: bool = False,
        pre_stop_seconds: int | None = None,
    ) -> k8s.PodTemplateSpec:
        """The pod template, hardened; None leaves a field to Kubernetes."""
        pod = Pod(
            labels=self.labels,
            containers=self.containers,
            service_account=self.name,
            annotations=annotations or {},
            grace_seconds=grace_seconds,
            restart_policy=restart_policy,
            claims=claims,
            spread_over_zones=spread_over_zones,
            pre_stop_seconds=pre_stop_seconds,
        )
        return pod.template(self.platform, self.own_secrets())
