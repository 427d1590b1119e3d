"""The base of all four kinds of workload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property

from constructs import Construct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes import network
from constructs_lib.kubernetes.chart import Chart
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
from constructs_lib.model.names import check_object_name

DO_NOT_EVICT = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}
"""For pods that a cluster autoscaler must not move, because their work would be lost."""
RECREATE: Manifest = {"type": "Recreate"}

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
    external_secrets: Mapping[str, ParameterSecret]
    """Its own ExternalSecrets, by the name of their Secret."""
    config_maps: Mapping[str, KubeObject]
    """The ConfigMaps of its configuration files, by name."""
    service_ports: Mapping[str, int]
    """The ports of its Service by name; empty without one."""

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
        self.service_ports = {}
        self.options = options or Options()
        self.main = container.program.image or name
        """The name of the main container."""
        self.containers = {self.main: container, **(sidecars or {})}
        self.init_containers = {
            init: Container(program=program)
            for init, program in self.options.init_containers.items()
        }
        self.every_container = {**self.containers, **self.init_containers}
        self.selector: Manifest = {"matchLabels": {"app": name}}
        own = {
            "app": name,
            "app.kubernetes.io/name": name,
            "app.kubernetes.io/component": self.component,
        }
        self.labels = {**self.options.labels, **own}
        with self.declaration_errors():
            self._check_names(sidecars or {})
            self._check_ports()

    def _check_names(self, sidecars: Mapping[str, Container]) -> None:
        for container in self.every_container:
            check_object_name(container)
        if self.main in sidecars:
            raise DeclarationError(
                f"sidecar {self.main!r} has the name of the main container; rename it"
            )
        if both := sorted(self.containers.keys() & self.init_containers.keys()):
            raise DeclarationError(f"container {both[0]!r} is also an init container; rename one")

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

    @contextmanager
    def declaration_errors(self) -> Iterator[None]:
        """Add this construct's path to the errors raised inside."""
        try:
            yield
        except DeclarationError as error:
            raise error.at(self.node.path) from error

    def own(self, container: str, suffix: str) -> str:
        """The name of an object of one container: `one-secrets`, `one-sidecar-secrets`."""
        prefix = self.name if container == self.main else f"{self.name}-{container}"
        return f"{prefix}-{suffix}"

    def metadata(self, annotations: Mapping[str, str] | None = None) -> Manifest:
        """The metadata of an object with the workload's name."""
        return self.chart.metadata(self.name, labels=self.labels, annotations=annotations)

    def controller_metadata(self, annotations: Mapping[str, str] | None = None) -> Manifest:
        """The metadata of the Deployment, CronJob or Job, with the annotations of the options."""
        return self.metadata(merged_annotations(annotations or {}, self.options.annotations))

    def add_supporting_objects(self, ingress: Sequence[Manifest] = ()) -> None:
        """Add the ServiceAccount, the ExternalSecrets, the ConfigMaps and the NetworkPolicy."""
        role = self.options.role_arn
        self.service_account = self.chart.add(
            self,
            "v1",
            "ServiceAccount",
            self.metadata({"eks.amazonaws.com/role-arn": role} if role else {}),
            automountServiceAccountToken=False,
        )
        self._add_secrets()
        self._add_config_maps()
        egress = dict.fromkeys(
            rule for one in self.every_container.values() for rule in one.program.egress
        )
        self.network_policy = self.chart.add(
            self,
            "networking.k8s.io/v1",
            "NetworkPolicy",
            self.metadata(),
            network.allow(
                self.selector,
                dns_addresses=self.platform.target.dns_addresses,
                egress=[rule for rule in egress if not isinstance(rule, Calls)],
                ingress=ingress,
            ),
        )
        for rule in egress:
            if isinstance(rule, Calls):
                self.chart.calls.call(self, rule)

    def _add_secrets(self) -> None:
        added: dict[str, ParameterSecret] = {}
        for container, declared in self.every_container.items():
            program = declared.program
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
        for container, declared in self.every_container.items():
            if not declared.program.files:
                continue
            texts = declared.program.configuration
            data = {file_key(path): text for path, text in texts.items()}
            if len(data) < len(texts):
                raise DeclarationError(
                    f"two of {', '.join(texts)} have the same ConfigMap key; rename one"
                )
            name = self.own(container, CONFIG)
            metadata = self.chart.metadata(name, labels=self.labels)
            added[name] = self.chart.add(self, "v1", "ConfigMap", metadata, data=data)
        self.config_maps = added

    @cached_property
    def shared_secrets(self) -> list[ExternalSecret]:
        """The ExternalSecrets that its containers share with other workloads."""
        programs = (container.program for container in self.every_container.values())
        return [secret for program in programs for secret in program.shared_secrets]

    def add_deployment(
        self,
        replicas: int | None,
        strategy: Manifest,
        template: Manifest,
        annotations: Mapping[str, str] | None = None,
    ) -> KubeObject:
        """Add the Deployment; without `replicas`, an autoscaler sets them."""
        return self.chart.add(
            self,
            "apps/v1",
            "Deployment",
            self.controller_metadata(annotations),
            {
                "replicas": replicas,
                "strategy": strategy,
                "selector": self.selector,
                "progressDeadlineSeconds": self._progress_deadline_seconds(),
                "template": template,
            },
        )

    def _progress_deadline_seconds(self) -> int | None:
        """`progressDeadlineSeconds`, so that a rollout does not fail during a startup probe.

        None if the default of ten minutes is enough.
        """
        starts = [one.startup for one in self.containers.values() if one.startup]
        longest = max((probe.patience_seconds for probe in starts), default=0)
        deadline = longest + _PLACING_SECONDS
        return deadline if deadline > _KUBERNETES_DEADLINE_SECONDS else None
