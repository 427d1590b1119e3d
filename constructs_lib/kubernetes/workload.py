"""The base of all four kinds of workload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes import network
from constructs_lib.kubernetes.calls import Endpoint
from constructs_lib.kubernetes.chart import Chart
from constructs_lib.kubernetes.external_secret import ExternalSecret, SecretFiles
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.kubernetes.options import Options
from constructs_lib.kubernetes.pod import Pod, Sources
from constructs_lib.kubernetes.program import Container
from constructs_lib.kubernetes.volumes import Claim, file_key
from constructs_lib.manifests.argocd import fingerprint
from constructs_lib.model import Calls
from constructs_lib.model.names import check_object_name

DO_NOT_EVICT = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}
"""For pods that a cluster autoscaler must not move, because their work would be lost."""
RECREATE = k8s.DeploymentStrategy(type="Recreate")

_KUBERNETES_DEADLINE_SECONDS = 600
"""The default of `progressDeadlineSeconds`."""
_PLACING_SECONDS = 300
"""Time until the containers of a pod start: new node, disk, image pull."""


class ProgramConstruct(Construct):
    """A workload and its supporting objects: ServiceAccount, ExternalSecrets, NetworkPolicy, ….

    Its construct ID is the name of the objects, the `app` label of the pods, the prefix of the
    Secret (`<id>-secrets`) and the default image.
    """

    component: str
    """The `app.kubernetes.io/component` label."""
    longest_name = 63
    """Maximum length of the name."""

    service_account: KubeObject
    """The ServiceAccount of its pods."""
    network_policy: KubeObject
    """The NetworkPolicy of its pods."""
    external_secrets: Mapping[str, ExternalSecret | SecretFiles]
    """Its own ExternalSecrets, by the name of their Secret."""
    config_maps: Mapping[str, KubeObject]
    """The ConfigMaps of its configuration files, by name."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        container: Container,
        options: Options | None,
        sidecars: Mapping[str, Container] | None = None,
    ) -> None:
        check_object_name(name, longest=self.longest_name)
        super().__init__(scope, name)
        self.chart = Chart.of(scope)
        self.platform = self.chart.platform
        self.name = name
        self.options = options or Options()
        self.containers = {container.program.image or name: container, **(sidecars or {})}
        self.init_containers = {
            init: Container(program=program)
            for init, program in self.options.init_containers.items()
        }
        self.selector = k8s.LabelSelector(match_labels={"app": name})
        own = {
            "app": name,
            "app.kubernetes.io/name": name,
            "app.kubernetes.io/component": self.component,
        }
        self.labels = {**self.options.labels, **own}
        self.metadata = self.chart.metadata(name, labels=self.labels)
        """For every object with the workload's name and without annotations."""
        with self.declaration_errors():
            self._check_names(len(sidecars or {}))
            self._check_ports()

    def _check_ports(self) -> None:
        """The containers of a pod share its IP address and port names."""
        declared = [pair for one in self.containers.values() for pair in one.all_ports.items()]
        for what, values in (
            ("name", [name for name, _ in declared if name != "http"]),
            ("number", [str(number) for _, number in declared]),
        ):
            if repeated := sorted({one for one in values if values.count(one) > 1}):
                raise DeclarationError(
                    f"two containers of its pod have the port {what} {repeated[0]}; change one"
                )

    def further_ports(self) -> dict[str, int]:
        """The additional ports of all containers, by name."""
        return {name: port for one in self.containers.values() for name, port in one.ports.items()}

    def _check_names(self, sidecars: int) -> None:
        for container in (*self.containers, *self.init_containers):
            check_object_name(container)
        if len(self.containers) == sidecars:
            own = next(iter(self.containers))
            raise DeclarationError(f"sidecar {own!r} has the name of the main container; rename it")
        if both := sorted(self.containers.keys() & self.init_containers.keys()):
            raise DeclarationError(f"container {both[0]!r} is also an init container; rename one")

    @contextmanager
    def declaration_errors(self) -> Iterator[None]:
        """Add this construct's path to the errors raised inside."""
        try:
            yield
        except DeclarationError as error:
            raise error.at(self.node.path) from error

    def add_supporting_objects(self, ingress: Sequence[k8s.NetworkPolicyIngressRule] = ()) -> None:
        """Add the ServiceAccount, the ExternalSecrets, the ConfigMaps and the NetworkPolicy."""
        role = self.options.role_arn
        self.service_account = self.chart.add(
            self,
            k8s.KubeServiceAccountProps(
                metadata=self.metadata_with({"eks.amazonaws.com/role-arn": role} if role else {}),
                automount_service_account_token=False,
            ),
        )
        self._add_secrets()
        self._add_config_maps()
        egress = {
            rule: None
            for container in self._every_container.values()
            for rule in container.program.egress
        }
        self.network_policy = self.chart.add(
            self,
            k8s.KubeNetworkPolicyProps(
                metadata=self.metadata,
                spec=network.allow(
                    self.selector,
                    dns_addresses=self.platform.target.dns_addresses,
                    egress=[rule for rule in egress if not isinstance(rule, Calls)],
                    ingress=ingress,
                ),
            ),
        )
        for rule in egress:
            if isinstance(rule, Calls):
                self.chart.calls.call(self._endpoint({}), rule)

    @property
    def supporting_objects(self) -> list[KubeObject]:
        """The objects that its pods need, including shared ExternalSecrets."""
        secrets = dict.fromkeys((*self.external_secrets.values(), *self._shared_secrets))
        return [
            self.service_account,
            self.network_policy,
            *self.config_maps.values(),
            *(secret.external_secret for secret in secrets),
        ]

    def offer(self, ports: Mapping[str, int]) -> None:
        """Allow other workloads to call these ports of the Service, by name."""
        self.chart.calls.offer(self._endpoint(ports))

    def _endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        return Endpoint(self.name, self.chart.namespace, self.network_policy, ports)

    def metadata_with(self, annotations: Mapping[str, str]) -> k8s.ObjectMeta:
        return self.chart.metadata(self.name, labels=self.labels, annotations=annotations)

    def controller_metadata(self, annotations: Mapping[str, str] | None = None) -> k8s.ObjectMeta:
        """The metadata of the Deployment, CronJob or Job, with the annotations of the options."""
        return self.metadata_with(_merged(annotations or {}, self.options.annotations))

    @property
    def _shared_secrets(self) -> list[ExternalSecret]:
        return [
            secret
            for container in self._every_container.values()
            for secret in container.program.shared_secrets
        ]

    @property
    def _every_container(self) -> dict[str, Container]:
        return {**self.containers, **self.init_containers}

    @property
    def sources(self) -> dict[str, Sources]:
        """The ConfigMaps and Secrets of each container, by container name."""
        main = next(iter(self.containers))
        found = {}
        for name, container in self._every_container.items():
            prefix = self.name if name == main else f"{self.name}-{name}"
            program = container.program
            found[name] = Sources(
                variables=f"{prefix}-secrets" if program.secrets else None,
                files=f"{prefix}-config" if program.files else None,
                secret_files=f"{prefix}-secret-files" if program.secret_files else None,
            )
        return found

    def _add_secrets(self) -> None:
        added: dict[str, ExternalSecret | SecretFiles] = {}
        for name, source in self.sources.items():
            program = self._every_container[name].program
            if source.variables:
                added[source.variables] = ExternalSecret(self, source.variables, program.secrets)
            if source.secret_files:
                keys = {file_key(path): one for path, one in program.secret_files.items()}
                added[source.secret_files] = SecretFiles(self, source.secret_files, keys)
        self.external_secrets = added

    def _add_config_maps(self) -> None:
        added = {}
        for name, source in self.sources.items():
            if source.files:
                texts = self._every_container[name].program.configuration
                data = {file_key(path): text for path, text in texts.items()}
                if len(data) < len(texts):
                    raise DeclarationError(
                        f"two of {', '.join(texts)} have the same ConfigMap key; rename one"
                    )
                added[source.files] = self.chart.add(
                    self,
                    k8s.KubeConfigMapProps(
                        metadata=self.chart.metadata(source.files, labels=self.labels), data=data
                    ),
                )
        self.config_maps = added

    def secret_names(self) -> list[str]:
        """The names of all Secrets that the containers read."""
        return [*self.external_secrets, *(secret.name for secret in self._shared_secrets)]

    def progress_deadline_seconds(self) -> int | None:
        """`progressDeadlineSeconds`, so that a rollout does not fail during a startup probe.

        None if the default of ten minutes is enough.
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
        """The hardened pod template. None omits a field."""
        pod = Pod(
            labels={**self.labels, **self.options.pod_labels},
            containers=self.containers,
            init_containers=self.init_containers,
            sources=self.sources,
            service_account=self.name,
            options=self.options,
            annotations=_merged(
                {**self._checksum(), **(annotations or {})}, self.options.pod_annotations
            ),
            grace_seconds=grace_seconds,
            restart_policy=restart_policy,
            claims=claims,
            spread_over_zones=spread_over_zones,
            pre_stop_seconds=pre_stop_seconds,
        )
        return pod.template(self.platform)

    def _checksum(self) -> dict[str, str]:
        """A hash of the configuration, so that changes restart the pods."""
        data = {name: one.to_json()["data"] for name, one in self.config_maps.items()}
        if not data:
            return {}
        return {"checksum/config": fingerprint(data)}


def _merged(ours: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, str]:
    """Both, unless the declaration contradicts the workload."""
    for key, value in theirs.items():
        if ours.get(key, value) != value:
            raise DeclarationError(
                f"annotation {key} is already {ours[key]!r} and cannot be {value!r}; remove it"
            )
    return {**ours, **theirs}
