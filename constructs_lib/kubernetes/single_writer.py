"""A worker of which there is never more than one: two writers would corrupt its data."""

from __future__ import annotations

from dataclasses import dataclass

from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.manifest import quantity
from constructs_lib.kubernetes.pod import Claim
from constructs_lib.kubernetes.program import Container, Program
from constructs_lib.kubernetes.web_service import RECREATE
from constructs_lib.kubernetes.workload import STAY, Workload
from constructs_lib.model import Probe
from constructs_lib.names import check_mount_path
from constructs_lib.quantity import check_canonical


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


class SingleWriter(Workload):
    """A Deployment of one pod, replaced by `Recreate`, and what every workload gets.

    `Recreate` orders rollouts only: a pod that a node lost contact with may run on beside its
    successor. It is left alone by autoscalers that would move it, and has no disruption budget,
    which would block the draining of a node.
    """

    component = "worker"

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        program: Program,
        port: int | None = None,
        liveness: Probe | None = None,
        startup: Probe | None = None,
        grace_seconds: int = 30,
        storage: Storage | None = None,
    ) -> None:
        """Declare it.

        `port` (default: none) is where its probes ask; nothing connects to it. `grace_seconds`
        is what it takes to end after SIGTERM. `storage` (default: none) is a disk that it keeps.
        """
        super().__init__(
            scope, name, Container(program=program, port=port, liveness=liveness, startup=startup)
        )
        with self.refusals():
            if storage and storage.path in program.disks:
                raise DeclarationError(f"{storage.path} is mounted twice; keep one")
            self.surround()
            claims = (self._claim(storage),) if storage else ()
            self.chart.add(
                k8s.KubeDeploymentProps(
                    metadata=self.metadata,
                    spec=k8s.DeploymentSpec(
                        replicas=1,
                        strategy=RECREATE,
                        selector=self.selector,
                        progress_deadline_seconds=self.progress_deadline_seconds(),
                        template=self.pod_template(
                            annotations=STAY, grace_seconds=grace_seconds, claims=claims
                        ),
                    ),
                )
            )

    def _claim(self, storage: Storage) -> Claim:
        self.chart.add(
            k8s.KubePersistentVolumeClaimProps(
                metadata=self.metadata,
                spec=k8s.PersistentVolumeClaimSpec(
                    access_modes=["ReadWriteOnce"],
                    storage_class_name=self.platform.storage_class,
                    resources=k8s.ResourceRequirements(
                        requests={"storage": quantity(storage.size)}
                    ),
                ),
            )
        )
        return Claim(name=self.name, path=storage.path)
