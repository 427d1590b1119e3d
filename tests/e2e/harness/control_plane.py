"""One control plane: everything a cluster of this platform runs, ready for a test to use."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e.harness.argocd import ArgoCd
from tests.e2e.harness.aws import Aws
from tests.e2e.harness.cluster import Cluster
from tests.e2e.harness.external_secrets import ExternalSecrets
from tests.e2e.harness.git import GitRepository
from tests.e2e.harness.installing import Say, provide
from tests.e2e.harness.kubernetes import Kubernetes
from tests.e2e.harness.nodes import NORMAL_PACE, Pace
from tests.e2e.harness.processes import Processes
from tests.e2e.harness.programs import ARGOCD, CONTROL_PLANE, EXTERNAL_SECRETS
from tests.e2e.harness.stand_ins import AwsLoadBalancerControllerStandIn, EbsCsiDriverStandIn
from tests.e2e.harness.waiting import repeating

RECONCILE_SECONDS = 0.5
LOG_LINES = 15
"""Of each process, shown when the control plane does not start."""


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane and the AWS and git that it reads."""

    cluster: Cluster
    processes: Processes
    """By name: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok, ministack,
    redis, argocd-repo-server, argocd-application-controller, external-secrets."""
    aws: Aws
    argocd: ArgoCd
    external_secrets: ExternalSecrets
    repository: GitRepository


@contextmanager
def running_control_plane(
    external_secrets: str, say: Say, pace: Pace = NORMAL_PACE
) -> Iterator[ControlPlane]:
    """Start a control plane; end it and remove its folder afterwards.

    external_secrets: the version of its API that External Secrets serves, `v1beta1` or `v1`.
    say: gets a line of progress now and then.
    """
    secrets = EXTERNAL_SECRETS[external_secrets]
    programs = {one: provide(one, say) for one in (*CONTROL_PLANE, secrets)}
    with TemporaryDirectory(prefix="e2e-") as folder, ExitStack() as running:
        started = time.monotonic()
        processes = Processes(Path(folder).resolve())
        running.callback(processes.stop)
        running.push(partial(_explain, processes))
        kubernetes = Kubernetes(processes, programs)
        kubernetes.start_api_server()
        aws = Aws(processes)
        cluster = kubernetes.cluster(crds=(programs[ARGOCD].crds, programs[secrets].crds))
        kubernetes.start_controllers(cluster, pace)
        control_plane = ControlPlane(
            cluster,
            processes,
            aws,
            ArgoCd(processes, cluster, programs[ARGOCD]),
            ExternalSecrets(processes, cluster, aws, external_secrets, programs[secrets]),
            GitRepository(processes.folder / "repository"),
        )
        for stand_in in (AwsLoadBalancerControllerStandIn(cluster), EbsCsiDriverStandIn(cluster)):
            running.enter_context(repeating(stand_in.reconcile, RECONCILE_SECONDS))
        processes.wait_until_ready()
        say(f"control plane ({external_secrets}) ready in {time.monotonic() - started:.0f} s")
        yield control_plane


def _explain(processes: Processes, _: object, error: BaseException | None, __: object) -> None:
    """Add to an error what each process wrote last."""
    if error is not None:
        for name, tail in processes.tails(LOG_LINES).items():
            error.add_note(f"log of {name}:\n{tail}")
