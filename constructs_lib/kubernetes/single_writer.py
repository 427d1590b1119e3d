"""A worker with exactly one pod, because two writers would corrupt its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.kubernetes.manifest import quantity
from constructs_lib.kubernetes.options import Options
from constructs_lib.kubernetes.program import Container, Program
from constructs_lib.kubernetes.volumes import Claim
from constructs_lib.kubernetes.workload import DO_NOT_EVICT, RECREATE, ProgramConstruct
from constructs_lib.model import NotNegative, Port, Probe
from constructs_lib.model.checks import checked
from constructs_lib.model.names import check_mount_path
from constructs_lib.model.quantity import check_bytes


@checked
@dataclass(frozen=True, kw_only=True)
class Storage:
    """A persistent disk: one ReadWriteOnce PersistentVolumeClaim."""

    path: str
    """Mount path."""
    size: str
    """Size, such as `1Gi`. It can be increased later, but not reduced."""

    def __post_init__(self) -> None:
        check_mount_path(self.path)
        check_bytes(self.size, self.path)


@checked
class SingleWriter(ProgramConstruct):
    """A Deployment with one pod and the strategy `Recreate`, and its supporting objects.

    `Recreate` applies only to rollouts: if a node loses contact, its pod may still run next to the
    replacement. Cluster autoscalers do not move the pod. It has no PodDisruptionBudget, which would
    block node drains.
    """

    component = "worker"

    deployment: KubeObject
    """The Deployment."""
    claim: KubeObject | None = None
    """The PersistentVolumeClaim; None without storage."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        program: Program,
        port: Port | None = None,
        liveness: Probe | None = None,
        startup: Probe | None = None,
        ports: Mapping[str, Port] | None = None,
        grace_seconds: NotNegative = 30,
        storage: Storage | None = None,
        options: Options | None = None,
    ) -> None:
        """Declare the worker and all its objects.

        Args:
            scope: The chart.
            name: Name of the objects and, by default, of the image.
            program: The program to run.
            port: Port for the probes; no other traffic is allowed. Default: none.
            liveness: Liveness probe. Default: none.
            startup: Startup probe. Default: none.
            ports: Additional container ports by name. Default: none.
            grace_seconds: Time to terminate after SIGTERM. Default: 30.
            storage: A persistent disk. Default: none.
            options: Labels, placement, identity, init containers. Default: none.
        """
        own = Container(
            program=program, port=port, ports=ports or {}, liveness=liveness, startup=startup
        )
        super().__init__(scope, name, own, options)
        with self.declaration_errors():
            if storage and storage.path in program.disks:
                raise DeclarationError(f"{storage.path} is mounted twice; keep one")
            self.add_supporting_objects()
            claims = (self._claim(storage),) if storage else ()
            self.deployment = self.chart.add(
                self,
                k8s.KubeDeploymentProps(
                    metadata=self.controller_metadata(),
                    spec=k8s.DeploymentSpec(
                        replicas=1,
                        strategy=RECREATE,
                        selector=self.selector,
                        progress_deadline_seconds=self.progress_deadline_seconds(),
                        template=self.pod_template(
                            annotations=DO_NOT_EVICT, grace_seconds=grace_seconds, claims=claims
                        ),
                    ),
                ),
            )

    def _claim(self, storage: Storage) -> Claim:
        self.claim = self.chart.add(
            self,
            k8s.KubePersistentVolumeClaimProps(
                metadata=self.metadata,
                spec=k8s.PersistentVolumeClaimSpec(
                    access_modes=["ReadWriteOnce"],
                    storage_class_name=self.platform.storage_class,
                    resources=k8s.ResourceRequirements(
                        requests={"storage": quantity(storage.size)}
                    ),
                ),
            ),
        )
        return Claim(name=self.name, path=storage.path)
