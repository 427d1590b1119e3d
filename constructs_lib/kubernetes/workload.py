"""The base of all four kinds of workload."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from constructs import Construct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes import network
from constructs_lib.kubernetes.chart import ChartConstruct
from constructs_lib.kubernetes.external_secret import ExternalSecret, ParameterSecret
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.kubernetes.pod import (
    CONFIG,
    SECRET_FILES,
    SECRETS,
    file_key,
    merged_annotations,
)
from constructs_lib.kubernetes.program import Container, Options
from constructs_lib.model import Calls, Manifest
from constructs_lib.model.names import OBJECT_NAME

RECREATE: Manifest = {"type": "Recreate"}


class ProgramConstruct(ChartConstruct):
    """A workload and its supporting objects: ServiceAccount, ExternalSecrets, NetworkPolicy, ….

    Its construct ID is the name of the objects, the `app` label of the pods, the prefix of the
    Secret (`<id>-secrets`) and the default image.
    """

    component: str
    """The `app.kubernetes.io/component` label."""

    service_account: KubeObject
    """The ServiceAccount of its pods."""
    network_policy: KubeObject
    """The NetworkPolicy of its pods."""
    external_secrets: Mapping[str, ParameterSecret]
    """Its own ExternalSecrets, by the name of their Secret."""
    config_maps: Mapping[str, KubeObject]
    """The ConfigMaps of its configuration files, by name."""
    service_ports: Mapping[str, int] = {}
    """The ports of its Service by name; empty without one."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        container: Container,
        options: Options | None,
        sidecars: Mapping[str, Container] | None = None,
    ) -> None:
        super().__init__(scope, name)
        self.options = options or Options()
        self.main = container.program.image or name
        """The name of the main container."""
        self.containers = {self.main: container, **(sidecars or {})}
        self.programs = {
            **{container: one.program for container, one in self.containers.items()},
            **self.options.init_containers,
        }
        """The programs of its containers and init containers."""
        self.selector: Manifest = {"matchLabels": {"app": name}}
        self.labels = {
            **self.options.labels,
            "app": name,
            "app.kubernetes.io/name": name,
            "app.kubernetes.io/component": self.component,
        }
        self._check_containers(sidecars or {})

    def _check_containers(self, sidecars: Mapping[str, Container]) -> None:
        """The containers of a pod share its IP address and port names."""
        for container in self.programs:
            OBJECT_NAME.check(container)
        if self.main in sidecars:
            raise DeclarationError(
                f"sidecar {self.main!r} has the name of the main container; rename it"
            )
        if both := sorted(self.containers.keys() & self.options.init_containers.keys()):
            raise DeclarationError(f"container {both[0]!r} is also an init container; rename one")
        declared = [pair for one in self.containers.values() for pair in one.all_ports.items()]
        for what, values in (
            ("name", [name for name, _ in declared if name != "http"]),
            ("number", [str(number) for _, number in declared]),
        ):
            if repeated := sorted({one for one in values if values.count(one) > 1}):
                raise DeclarationError(
                    f"two containers of its pod have the port {what} {repeated[0]}; change one"
                )

    def own(self, container: str, suffix: str) -> str:
        """The name of an object of one container: `one-secrets`, `one-sidecar-secrets`."""
        return f"{self.name}-{self.prefixed(container, suffix)}"

    def prefixed(self, container: str, name: str) -> str:
        """The name, after that of the container unless it is the main container."""
        return name if container == self.main else f"{container}-{name}"

    def add_controller(
        self,
        api_version: str,
        kind: str,
        spec: Manifest,
        annotations: Mapping[str, str] | None = None,
    ) -> KubeObject:
        """Add the Deployment, CronJob or Job, with the annotations of the options."""
        merged = merged_annotations(annotations or {}, self.options.annotations)
        return self.add(api_version, kind, spec, annotations=merged)

    def add_supporting_objects(self, ingress: Sequence[Manifest] = ()) -> None:
        """Add the ServiceAccount, the ExternalSecrets, the ConfigMaps and the NetworkPolicy."""
        role = self.options.role_arn
        self.service_account = self.add(
            "v1",
            "ServiceAccount",
            annotations={"eks.amazonaws.com/role-arn": role} if role else {},
            automountServiceAccountToken=False,
        )
        self._add_secrets()
        self._add_config_maps()
        egress = dict.fromkeys(rule for one in self.programs.values() for rule in one.egress)
        connections = [rule for rule in egress if not isinstance(rule, Calls)]
        policy = network.allow(self, connections, ingress)
        self.network_policy = self.add("networking.k8s.io/v1", "NetworkPolicy", policy)
        for rule in egress:
            if isinstance(rule, Calls):
                self.chart.calls.call(self, rule)

    def _add_secrets(self) -> None:
        added: dict[str, ParameterSecret] = {}
        for container, program in self.programs.items():
            if program.secrets:
                name = self.own(container, SECRETS)
                added[name] = ExternalSecret(self, name, program.secrets)
            if program.secret_files:
                name = self.own(container, SECRET_FILES)
                keys = {file_key(path): one for path, one in program.secret_files.items()}
                added[name] = ParameterSecret(self, name, keys)
        self.external_secrets = added

    def _add_config_maps(self) -> None:
        added = {}
        for container, program in self.programs.items():
            if not program.files:
                continue
            texts = program.configuration
            data = {file_key(path): text for path, text in texts.items()}
            if len(data) < len(texts):
                raise DeclarationError(
                    f"two of {', '.join(texts)} have the same ConfigMap key; rename one"
                )
            name = self.own(container, CONFIG)
            added[name] = self.add("v1", "ConfigMap", name=name, data=data)
        self.config_maps = added

    @cached_property
    def shared_secrets(self) -> list[ExternalSecret]:
        """The ExternalSecrets that its containers share with other workloads."""
        return [secret for program in self.programs.values() for secret in program.shared_secrets]

    def add_deployment(
        self,
        replicas: int | None,
        strategy: Manifest,
        template: Manifest,
        annotations: Mapping[str, str] | None = None,
    ) -> KubeObject:
        """Add the Deployment; without `replicas`, an autoscaler sets them."""
        starts = [one.startup.patience_seconds for one in self.containers.values() if one.startup]
        # so that a rollout does not fail during a startup probe, which begins up to 300 seconds
        # after the pod is created: new node, disk, image pull
        deadline = max(starts, default=0) + 300
        is_longer = deadline > 600  # the default of Kubernetes
        spec = {
            "replicas": replicas,
            "strategy": strategy,
            "selector": self.selector,
            "progressDeadlineSeconds": deadline if is_longer else None,
            "template": template,
        }
        return self.add_controller("apps/v1", "Deployment", spec, annotations)
