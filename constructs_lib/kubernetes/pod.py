"""The pod template of every workload, hardened for the `restricted` profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from cdk8s_plus_27 import k8s

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes import volumes
from constructs_lib.kubernetes.external_secret import PULL_SECRET
from constructs_lib.kubernetes.manifest import int_or_string, quantity
from constructs_lib.kubernetes.options import Options, Toleration
from constructs_lib.kubernetes.program import Container, Program
from constructs_lib.kubernetes.volumes import Claim
from constructs_lib.model import Command, HttpGet, Probe, Resources, TcpSocket
from constructs_lib.model.platform import Platform

USER = 1000
"""UID and GID of `appuser` in the images."""
_LONGEST_NAME = 63
_FILES, _SECRET_FILES = "config-files", "secret-files"

_POD_SECURITY = k8s.PodSecurityContext(
    run_as_non_root=True,
    run_as_user=USER,
    run_as_group=USER,
    fs_group=USER,
    fs_group_change_policy="OnRootMismatch",
    seccomp_profile=k8s.SeccompProfile(type="RuntimeDefault"),
)
_PULL = k8s.LocalObjectReference(name=PULL_SECRET)
_CONTAINER_SECURITY = k8s.SecurityContext(
    allow_privilege_escalation=False,
    read_only_root_filesystem=True,
    capabilities=k8s.Capabilities(drop=["ALL"]),
)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The names of the objects that one container reads. None: not needed."""

    variables: str | None = None
    """The Secret with its own variables."""
    files: str | None = None
    """The ConfigMap with its configuration files."""
    secret_files: str | None = None
    """The Secret with its secret files."""


@dataclass(frozen=True, kw_only=True)
class Pod:
    """The settings of a workload's pods. All other fields are the same for all pods."""

    labels: Mapping[str, str]
    """Labels, including the selector label `app`."""
    containers: Mapping[str, Container]
    """By container name. The first is the main container."""
    init_containers: Mapping[str, Container]
    """By container name, in order of execution."""
    sources: Mapping[str, Sources]
    """By container name, including init containers."""
    service_account: str
    """Name of the ServiceAccount. Its token is not mounted."""
    options: Options
    """Placement of the pods."""
    annotations: Mapping[str, str]
    """May be empty."""
    grace_seconds: int | None = None
    """Time from SIGTERM to SIGKILL. None: 30, the default of Kubernetes."""
    restart_policy: str | None = None
    """None: `Always`, the only one that a Deployment allows."""
    claims: tuple[Claim, ...] = ()
    """Persistent volume claims, mounted into every container."""
    spread_over_zones: bool = False
    """Whether the scheduler prefers a zone with fewer of these pods."""
    pre_stop_seconds: int | None = None
    """How long each container sleeps before it gets SIGTERM. None: no preStop hook."""

    def template(self, platform: Platform) -> k8s.PodTemplateSpec:
        options = self.options
        return k8s.PodTemplateSpec(
            metadata=k8s.ObjectMeta(labels=self.labels, annotations=self.annotations or None),
            spec=k8s.PodSpec(
                service_account_name=self.service_account,
                automount_service_account_token=False,
                enable_service_links=False,
                share_process_namespace=any(
                    container.program.ignores_sigterm for container in self.containers.values()
                )
                or None,
                node_selector={"kubernetes.io/arch": "arm64", **options.node_selector},
                tolerations=[_toleration(one) for one in options.tolerations] or None,
                priority_class_name=options.priority_class_name,
                image_pull_secrets=[_PULL],
                security_context=_POD_SECURITY,
                termination_grace_period_seconds=self.grace_seconds,
                restart_policy=self.restart_policy,
                topology_spread_constraints=[_over_zones(self.labels["app"])]
                if self.spread_over_zones
                else None,
                init_containers=[
                    self._container(name, container, platform)
                    for name, container in self.init_containers.items()
                ]
                or None,
                containers=[
                    self._container(name, container, platform, self.pre_stop_seconds)
                    for name, container in self.containers.items()
                ],
                volumes=self._volumes(),
            ),
        )

    def _volumes(self) -> list[k8s.Volume]:
        every = {**self.containers, **self.init_containers}
        named = [
            (volume, volumes.scratch(volume, size))
            for name, container in every.items()
            for path, size in container.program.disks.items()
            for volume in (self._volume(name, path),)
        ]
        for name, source in self.sources.items():
            if source.files:
                volume = self._volume(name, _FILES)
                named.append((volume, volumes.configuration(volume, source.files)))
            if source.secret_files:
                volume = self._volume(name, _SECRET_FILES)
                named.append((volume, volumes.secret(volume, source.secret_files)))
        named += [(claim.name, volumes.claimed(claim)) for claim in self.claims]
        names = [name for name, _ in named]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise DeclarationError(
                f"two volumes of its pod have the name {repeated[0]}, derived from their paths; "
                "change a path"
            )
        if long := [name for name in names if len(name) > _LONGEST_NAME]:
            raise DeclarationError(
                f"the volume name {long[0]} has more than {_LONGEST_NAME} characters; use a "
                "shorter path or name"
            )
        return [volume for _, volume in named]

    def _volume(self, container: str, path: str) -> str:
        """`/app/logs` becomes `app-logs`, prefixed with the name of any but the main container."""
        volume = path.strip("/").replace("/", "-")
        return volume if container == next(iter(self.containers)) else f"{container}-{volume}"

    def _container(
        self, name: str, container: Container, platform: Platform, pre_stop: int | None = None
    ) -> k8s.Container:
        program = container.program
        source = self.sources[name]
        own = [source.variables] if source.variables else []
        return k8s.Container(
            name=name,
            image=image_reference(platform, program.image or name),
            command=list(program.command) or None,
            args=list(program.args) or None,
            ports=[
                k8s.ContainerPort(name=port, container_port=number)
                for port, number in container.all_ports.items()
            ]
            or None,
            env=[_variable(*pair) for pair in program.env.items()] or None,
            env_from=[
                _from_secret(secret) for secret in (*own, *(s.name for s in program.shared_secrets))
            ]
            or None,
            readiness_probe=_probe(container.readiness, container.port),
            liveness_probe=_probe(container.liveness, container.port),
            startup_probe=_probe(container.startup, container.port),
            lifecycle=_sleep_before_stop(pre_stop) if pre_stop else None,
            resources=_resources(program.resources),
            security_context=_CONTAINER_SECURITY,
            volume_mounts=self._mounts(name, program),
        )

    def _mounts(self, name: str, program: Program) -> list[k8s.VolumeMount]:
        disks = {path: self._volume(name, path) for path in program.disks}
        claims = {claim.path: claim.name for claim in self.claims}
        return [
            *(volumes.mount(volume, path) for path, volume in {**disks, **claims}.items()),
            *(volumes.mount_file(self._volume(name, _FILES), path) for path in program.files),
            *(
                volumes.mount_file(self._volume(name, _SECRET_FILES), path)
                for path in program.secret_files
            ),
        ]


def image_reference(platform: Platform, service: str) -> str:
    """`<registry>/<service>:<pin>`. Raises DeclarationError for a service without a pin."""
    pin = platform.images.get(service)
    if not pin:
        known = ", ".join(sorted(platform.images)) or "none"
        raise DeclarationError(
            f"image {service!r} is not pinned; add {platform.sources.pin.format(service=service)} "
            f"containing `latest` or sha-<commit>, or use one of: {known}"
        )
    return f"{platform.registry}/{service}:{pin}"


@cache
def _resources(resources: Resources) -> k8s.ResourceRequirements:
    pairs = resources.pairs().items()
    return k8s.ResourceRequirements(
        requests={name: quantity(request) for name, (request, _) in pairs},
        limits={name: quantity(limit) for name, (_, limit) in pairs},
    )


@cache
def _probe(probe: Probe | None, port: int | None) -> k8s.Probe | None:
    if probe is None:
        return None
    check = probe.check
    at = None if isinstance(check, Command) else int_or_string(_port_of(check, port))
    return k8s.Probe(
        http_get=k8s.HttpGetAction(path=check.path, port=at)
        if isinstance(check, HttpGet) and at
        else None,
        tcp_socket=k8s.TcpSocketAction(port=at) if isinstance(check, TcpSocket) and at else None,
        exec=k8s.ExecAction(command=list(check.command)) if isinstance(check, Command) else None,
        initial_delay_seconds=probe.initial_delay_seconds,
        period_seconds=probe.period_seconds,
        timeout_seconds=probe.timeout_seconds,
        failure_threshold=probe.failure_threshold,
    )


def _port_of(check: HttpGet | TcpSocket, port: int | None) -> int:
    known = check.port or port
    if known is None:
        raise DeclarationError(
            f"{check} has no port; set the port of the workload, or {type(check).__name__}(port=…)"
        )
    return known


@cache
def _sleep_before_stop(seconds: int) -> k8s.Lifecycle:
    """Uses exec, because the Kubernetes 1.27 API has no sleep action."""
    return k8s.Lifecycle(
        pre_stop=k8s.LifecycleHandler(exec=k8s.ExecAction(command=["sleep", str(seconds)]))
    )


def _toleration(one: Toleration) -> k8s.Toleration:
    return k8s.Toleration(
        key=one.key,
        operator=one.operator,
        value=one.value,
        effect=one.effect,
        toleration_seconds=one.toleration_seconds,
    )


@cache
def _variable(name: str, value: str) -> k8s.EnvVar:
    return k8s.EnvVar(name=name, value=value)


def _from_secret(name: str) -> k8s.EnvFromSource:
    return k8s.EnvFromSource(secret_ref=k8s.SecretEnvSource(name=name))


def _over_zones(app: str) -> k8s.TopologySpreadConstraint:
    return k8s.TopologySpreadConstraint(
        max_skew=1,
        topology_key="topology.kubernetes.io/zone",
        when_unsatisfiable="ScheduleAnyway",
        label_selector=k8s.LabelSelector(match_labels={"app": app}),
    )
