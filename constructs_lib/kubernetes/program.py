"""The props that all kinds of workload share: programs, containers, placement, autoscaling."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal

from constructs_lib.errors import DeclarationError, reading
from constructs_lib.kubernetes.external_secret import ExternalSecret
from constructs_lib.model import (
    Calls,
    Egress,
    NotNegative,
    Parameter,
    Port,
    Positive,
    Probe,
    Resources,
)
from constructs_lib.model.checks import props
from constructs_lib.model.names import (
    FilePath,
    LabelKey,
    LabelValue,
    MountPath,
    ObjectName,
    PortName,
    RoleArn,
    Variable,
    looks_secret,
)
from constructs_lib.model.quantity import amount, check_bytes, spell


@props
class Program:
    """An image with its configuration, secrets, resources, disks and network access.

    Raises DeclarationError for a variable declared twice, a plain value that looks like a
    secret, and disks that exceed the ephemeral storage limit.
    """

    resources: Resources
    """Requests and limits."""
    image: str | None = None
    """Service name of the image's pin. Default: the name of the workload."""
    command: tuple[str, ...] = ()
    """Replaces the image's ENTRYPOINT. Default: the image's ENTRYPOINT."""
    args: tuple[str, ...] = ()
    """Arguments of the ENTRYPOINT. Default: the image's CMD."""
    env: Mapping[Variable, str] = field(default_factory=dict)
    """Plain environment variables. Default: none."""
    files: Mapping[FilePath, str | Path] = field(default_factory=dict)
    """Read-only configuration files by container path, as text or as a file to read:
    `{"/etc/app/app.toml": Path(__file__).with_name("app.toml")}`. They are stored in a ConfigMap; a
    change restarts the pods. Default: none."""
    secrets: Mapping[str, Parameter] = field(default_factory=dict)
    """Environment variables from SSM, through the ExternalSecret `<workload>-secrets`."""
    secret_files: Mapping[FilePath, Parameter] = field(default_factory=dict)
    """Read-only files from SSM by container path, through the ExternalSecret
    `<workload>-secret-files`. Default: none."""
    shared_secrets: tuple[ExternalSecret, ...] = ()
    """ExternalSecrets of the same chart. All of their keys become variables. Default: none."""
    scratch: Mapping[MountPath, str] = field(default_factory=dict)
    """Writable paths in addition to /tmp, with their size limits: `{"/data": "1Gi"}`. They are
    emptyDir volumes, lost with the pod. The root file system is read-only."""
    tmp: str = "64Mi"
    """Size limit of /tmp."""
    egress: tuple[Egress | Calls, ...] = ()
    """Allowed outgoing connections, in addition to DNS. Default: none."""
    ignores_sigterm: bool = False
    """Whether it lacks a SIGTERM handler. As PID 1 it would then run until it is killed, so its pod
    shares one process namespace, in which it is not PID 1."""

    def __post_init__(self) -> None:
        for path, size in self.disks.items():
            check_bytes(size, path)
        for argument in (*self.command, *self.args):
            if looks_secret("", argument):
                raise DeclarationError(
                    "an argument looks like a secret and would be published in dist/; pass it as a "
                    "variable, declared under secrets"
                )
        for name, value in self.env.items():
            if looks_secret(name, value):
                raise DeclarationError(
                    f"{name} looks like a secret and would be published in dist/; "
                    "declare it under secrets with a Parameter"
                )
        self._check_duplicates()
        self._check_disks()
        self._check_files()

    @property
    def disks(self) -> dict[str, str]:
        """Every emptyDir, by mount path."""
        return {"/tmp": self.tmp, **self.scratch}  # noqa: S108 a path inside the container

    @property
    def configuration(self) -> dict[str, str]:
        """The text of every configuration file, by container path."""
        return {path: _text(source) for path, source in self.files.items()}

    def _check_duplicates(self) -> None:
        declared = set(self.env)
        for source in (self.secrets, *(secret.keys for secret in self.shared_secrets)):
            if repeated := declared & set(source):
                raise DeclarationError(
                    f"{', '.join(sorted(repeated))} is declared twice, as a plain variable and as "
                    "a secret or in two secrets; keep one"
                )
            declared |= set(source)

    def _check_disks(self) -> None:
        limit = self.resources.ephemeral_storage[1]
        total = sum(amount(size) for size in self.disks.values())
        if total > amount(limit):
            raise DeclarationError(
                f"its disks add up to {spell(total, binary=True)}, more than its ephemeral storage "
                f"limit of {limit}, so the pod would be evicted; raise the limit"
            )

    def _check_files(self) -> None:
        if repeated := sorted(set(self.files) & set(self.secret_files)):
            raise DeclarationError(f"{repeated[0]} is in files and in secret_files; keep one")
        texts = self.configuration
        for path, text in texts.items():
            if looks_secret("", text):
                raise DeclarationError(
                    f"{path} looks like a secret and would be published in dist/; declare it "
                    "under secret_files with a Parameter"
                )
        size = sum(len(text.encode(errors="surrogatepass")) for text in texts.values())
        if size > 1_000_000:  # the limit of a ConfigMap is 1 MiB, including names
            raise DeclarationError(
                f"{', '.join(texts)} exceed 1 MB, the limit of a ConfigMap; build large files into "
                "the image"
            )


def _text(source: str | Path) -> str:
    if isinstance(source, str):
        return source
    remedy = 'use a UTF-8 text next to the chart, such as Path(__file__).with_name("app.toml")'
    with reading(source, remedy):
        return source.read_text("utf-8")


@props
class Container:
    """One container of a pod, with its ports and probes."""

    program: Program
    """The program to run."""
    port: Port | None = None
    """Container port, named `http`. Default: none."""
    ports: Mapping[PortName, Port] = field(default_factory=dict)
    """Additional container ports by name: `{"metrics": 9090}`. Default: none."""
    readiness: Probe | None = None
    """Readiness probe. Default: none."""
    liveness: Probe | None = None
    """Liveness probe. Default: none."""
    startup: Probe | None = None
    """Startup probe. Default: none."""

    def __post_init__(self) -> None:
        for name in self.ports:
            if "--" in name:
                raise DeclarationError(f"port name {name!r} has two hyphens in a row; use one")
        every = list(self.all_ports.values())
        if repeated := sorted({port for port in every if every.count(port) > 1}):
            raise DeclarationError(f"port {repeated[0]} is declared twice; keep one")
        if "http" in self.ports:
            raise DeclarationError(
                "port name http is reserved for `port`; rename the additional port"
            )

    @property
    def all_ports(self) -> dict[str, int]:
        """Every port by name."""
        return {**({"http": self.port} if self.port else {}), **self.ports}


@props
class Toleration:
    """A Kubernetes toleration."""

    key: str | None = None
    """Key of the taint. None: every taint, with `operator="Exists"`."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """Whether to compare the taint's value."""
    value: str | None = None
    """Value of the taint. Must be None with `Exists`."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint. None: every effect."""
    toleration_seconds: NotNegative | None = None
    """How long a `NoExecute` taint is tolerated, in seconds. None: forever."""

    def __post_init__(self) -> None:
        if self.operator == "Exists" and self.value is not None:
            raise DeclarationError('a Toleration with operator="Exists" has a value; remove it')
        if self.operator == "Equal" and self.key is None:
            raise DeclarationError('a Toleration without key needs operator="Exists"')
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise DeclarationError('toleration_seconds needs effect="NoExecute"')


@props
class Options:
    """Labels, placement and identity of a workload. All are optional.

    Raises DeclarationError for invalid names, and for settings that the workload sets itself.
    """

    labels: Mapping[LabelKey, LabelValue] = field(default_factory=dict)
    """Labels for every object of the workload, including pods."""
    annotations: Mapping[LabelKey, str] = field(default_factory=dict)
    """Annotations for the Deployment, CronJob or Job."""
    pod_labels: Mapping[LabelKey, LabelValue] = field(default_factory=dict)
    """Labels for the pods only."""
    pod_annotations: Mapping[LabelKey, str] = field(default_factory=dict)
    """Annotations for the pods only."""
    init_containers: Mapping[ObjectName, Program] = field(default_factory=dict)
    """Init containers by name, in order. They have the same security context and volume claims as
    the containers."""
    tolerations: tuple[Toleration, ...] = ()
    """Tolerations of the pods."""
    node_selector: Mapping[LabelKey, LabelValue] = field(default_factory=dict)
    """Required node labels, in addition to `kubernetes.io/arch: arm64`."""
    priority_class_name: ObjectName | None = None
    """A PriorityClass of the cluster. None: the cluster's default."""
    role_arn: RoleArn | None = None
    """The IAM role of the ServiceAccount (IRSA). None: no role."""

    def __post_init__(self) -> None:
        for key in (*self.labels, *self.pod_labels):
            if key == "app" or key.startswith("app.kubernetes.io/"):
                raise DeclarationError(f"label {key} is set by the workload; remove it")
        if "kubernetes.io/arch" in self.node_selector:
            raise DeclarationError(
                "kubernetes.io/arch is arm64 for every pod, because the images are; remove it"
            )


@props
class Autoscaling:
    """A HorizontalPodAutoscaler, in place of a fixed number of replicas.

    The Deployment then does not set replicas, so that Argo CD does not reset them. Quotas and the
    overview count `max_replicas`.
    """

    min_replicas: Positive = 2
    """Minimum number of pods."""
    max_replicas: Positive
    """Maximum number of pods."""
    target_cpu_percent: Positive | None = 80
    """Target average CPU utilization. None: ignore CPU. The default is our estimate."""
    target_memory_percent: Positive | None = None
    """Target average memory utilization. None: ignore memory."""

    def __post_init__(self) -> None:
        if self.min_replicas > self.max_replicas:
            raise DeclarationError(
                f"min_replicas={self.min_replicas} is above max_replicas={self.max_replicas}; "
                "swap them"
            )
        if not self.targets:
            raise DeclarationError(
                "Autoscaling has no target; set target_cpu_percent or target_memory_percent"
            )

    @property
    def targets(self) -> dict[str, int]:
        """Target percentages by resource."""
        targets = {"cpu": self.target_cpu_percent, "memory": self.target_memory_percent}
        return {name: percent for name, percent in targets.items() if percent is not None}
