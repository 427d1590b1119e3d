"""A worker of which there is never more than one: two writers would corrupt its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib.checks import checked
from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.kubernetes.manifest import quantity
from constructs_lib.kubernetes.options import Options
from constructs_lib.kubernetes.program import Container, Program
from constructs_lib.kubernetes.volumes import Claim
from constructs_lib.kubernetes.workload import DO_NOT_EVICT, RECREATE, ProgramConstruct
from constructs_lib.model import NotNegative, Port, Probe
from constructs_lib.names import check_mount_path
from constructs_lib.quantity import check_canonical


@checked
@dataclass(frozen=True, kw_only=True)
class Storage:
    """A disk that outlives the pod: one ReadWriteOnce PersistentVolumeClaim."""

    path: str
    """Where it is mounted."""
    size: str
    """How much it holds, `1Gi`. It can grow later, but not shrink."""

    def __post_init__(self) -> None:
        check_mount_path(self.path)
        check_canonical(self.size, self.path)


@checked
class SingleWriter(ProgramConstruct):
    """A Deployment of one pod, replaced by `Recreate`, and what every workload gets.

    `Recreate` orders rollouts only: a pod that a node lost contact with may run on beside its
    successor. It is left alone by autoscalers that would move it, and has no disruption budget,
    which would block the draining of a node.
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
            name: The one name, of the objects and, by default, of the image.
            program: What runs in its container.
            port: Where its probes ask; nothing else connects to it. Default: none.
            liveness: Whether its container is left running. Default: as long as its process runs.
            startup: What the liveness probe waits for. Default: nothing.
            ports: Further ports of the container by name. Default: none.
            grace_seconds: What it takes to end after SIGTERM.
            storage: A disk that it keeps. Default: none.
            options: Labels, placement, identity, init containers. Default: nothing of it.
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
