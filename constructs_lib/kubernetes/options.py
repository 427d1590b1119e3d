"""Optional settings of workloads: labels, placement, identity, autoscaling."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.program import Program
from constructs_lib.model import NotNegative, Positive
from constructs_lib.model.checks import checked
from constructs_lib.model.names import check_label, check_object_name

_ROLE = re.compile(r"arn:aws(-[a-z]+)*:iam::\d{12}:role/[\w+=,.@/-]+")


@checked
@dataclass(frozen=True, kw_only=True)
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


@checked
@dataclass(frozen=True, kw_only=True)
class Options:
    """Labels, placement and identity of a workload. All are optional.

    Raises DeclarationError for invalid names, and for settings that the workload sets itself.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels for every object of the workload, including pods."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations for the Deployment, CronJob or Job."""
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    """Labels for the pods only."""
    pod_annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations for the pods only."""
    init_containers: Mapping[str, Program] = field(default_factory=dict)
    """Init containers by name, in order. They have the same security context and volume claims as
    the containers."""
    tolerations: tuple[Toleration, ...] = ()
    """Tolerations of the pods."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """Required node labels, in addition to `kubernetes.io/arch: arm64`."""
    priority_class_name: str | None = None
    """A PriorityClass of the cluster. None: the cluster's default."""
    role_arn: str | None = None
    """The IAM role of the ServiceAccount (IRSA). None: no role."""

    def __post_init__(self) -> None:
        for labels in (self.labels, self.pod_labels, self.node_selector):
            for key, value in labels.items():
                check_label(key, value)
        for key in (*self.annotations, *self.pod_annotations):
            check_label(key)
        for key in (*self.labels, *self.pod_labels):
            if key == "app" or key.startswith("app.kubernetes.io/"):
                raise DeclarationError(f"label {key} is set by the workload; remove it")
        if "kubernetes.io/arch" in self.node_selector:
            raise DeclarationError(
                "kubernetes.io/arch is arm64 for every pod, because the images are; remove it"
            )
        for name in self.init_containers:
            check_object_name(name)
        if self.priority_class_name is not None:
            check_object_name(self.priority_class_name)
        if self.role_arn is not None and not _ROLE.fullmatch(self.role_arn):
            raise DeclarationError(
                f"role_arn {self.role_arn!r} is not the ARN of an IAM role; write "
                "arn:aws:iam::<account>:role/<name>"
            )


@checked
@dataclass(frozen=True, kw_only=True)
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
