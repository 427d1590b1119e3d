"""What a workload may say of its pods and objects beside what it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from constructs_lib.checks import checked
from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.program import Program
from constructs_lib.model import NotNegative, Positive
from constructs_lib.names import check_label, check_object_name

_ROLE = re.compile(r"arn:aws(-[a-z]+)*:iam::\d{12}:role/[\w+=,.@/-]+")


@checked
@dataclass(frozen=True, kw_only=True)
class Toleration:
    """A taint of nodes that the pods tolerate, as Kubernetes' `Toleration`."""

    key: str | None = None
    """The taint. None: every taint, with `operator="Exists"`."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """Whether the taint's value counts."""
    value: str | None = None
    """The taint's value; None with `Exists`."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """None: every effect."""
    toleration_seconds: NotNegative | None = None
    """How long a `NoExecute` taint is tolerated, seconds. None: for ever."""

    def __post_init__(self) -> None:
        if self.operator == "Exists" and self.value is not None:
            raise DeclarationError('a Toleration with operator="Exists" takes no value; remove it')
        if self.operator == "Equal" and self.key is None:
            raise DeclarationError('a Toleration without key needs operator="Exists"')
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise DeclarationError('toleration_seconds needs effect="NoExecute"')


@checked
@dataclass(frozen=True, kw_only=True)
class Options:
    """Labels, placement and identity of a workload. Default: nothing of it.

    Raises DeclarationError for names that Kubernetes refuses and for what is set already.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    """On every object of the workload, pods included."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """On the Deployment, CronJob or Job itself."""
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    """On the pods alone."""
    pod_annotations: Mapping[str, str] = field(default_factory=dict)
    """On the pods alone."""
    init_containers: Mapping[str, Program] = field(default_factory=dict)
    """Programs that run to their end before the containers start, one after another, by name. They
    are hardened like containers and see the same volume claims."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints of nodes that the pods tolerate."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """Labels that a node must have, beside `kubernetes.io/arch: arm64`."""
    priority_class_name: str | None = None
    """A PriorityClass of the cluster. None: the cluster's default."""
    role_arn: str | None = None
    """The IAM role that the ServiceAccount assumes (IRSA). None: none."""

    def __post_init__(self) -> None:
        for labels in (self.labels, self.pod_labels, self.node_selector):
            for key, value in labels.items():
                check_label(key, value)
        for key in (*self.annotations, *self.pod_annotations):
            check_label(key)
        for key in (*self.labels, *self.pod_labels):
            if key == "app" or key.startswith("app.kubernetes.io/"):
                raise DeclarationError(f"label {key} is set by the workload itself; remove it")
        if "kubernetes.io/arch" in self.node_selector:
            raise DeclarationError(
                "kubernetes.io/arch is arm64 for every pod, as the images are; remove it"
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
    """A HorizontalPodAutoscaler in place of a number of replicas.

    The Deployment then states no replicas, so that Argo CD leaves them alone. Quotas and the map
    count `max_replicas`.
    """

    min_replicas: Positive = 2
    """The fewest pods."""
    max_replicas: Positive
    """The most pods."""
    target_cpu_percent: Positive | None = 80
    """Mean use of the requested CPU to aim at. None: CPU does not count. Our estimate."""
    target_memory_percent: Positive | None = None
    """Mean use of the requested memory to aim at. None: memory does not count."""

    def __post_init__(self) -> None:
        if self.min_replicas > self.max_replicas:
            raise DeclarationError(
                f"min_replicas={self.min_replicas} is above max_replicas={self.max_replicas}; "
                "swap them"
            )
        if not self.targets:
            raise DeclarationError(
                "Autoscaling has no target; give target_cpu_percent or target_memory_percent"
            )

    @property
    def targets(self) -> dict[str, int]:
        """The percentages by resource."""
        targets = {"cpu": self.target_cpu_percent, "memory": self.target_memory_percent}
        return {name: percent for name, percent in targets.items() if percent is not None}
