"""A control plane with all programs that a cluster of this platform runs."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from charts.output import defer_signals
from local_cluster.argocd import ArgoCd
from local_cluster.aws import Aws
from local_cluster.cluster import Cluster
from local_cluster.external_secrets import ExternalSecrets
from local_cluster.git import GitRepository
from local_cluster.git_server import serving
from local_cluster.installing import Say, provide
from local_cluster.kubernetes import Kubernetes
from local_cluster.nodes import NORMAL_PACE, Pace
from local_cluster.processes import Processes
from local_cluster.programs import ARGOCD, CONTROL_PLANE, EXTERNAL_SECRETS
from local_cluster.stand_ins import AwsLoadBalancerControllerStandIn, EbsCsiDriverStandIn
from local_cluster.waiting import repeating

RECONCILE_SECONDS = 0.5
LOG_LINES = 15
"""Log lines per process that are shown if the control plane does not start."""


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane with its AWS emulator and git repository."""

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
    """Start a control plane; afterwards, stop it and remove its directory.

    Args:
        external_secrets: The API version that External Secrets serves, `v1beta1` or `v1`.
        say: Called with each line of progress.
        pace: How long pods take to become ready, to complete and to terminate.
    """
    secrets = EXTERNAL_SECRETS[external_secrets]
    programs = {one: provide(one, say) for one in (*CONTROL_PLANE, secrets)}
    with ExitStack() as running:
        started = time.monotonic()
        with defer_signals():
            folder = running.enter_context(TemporaryDirectory(prefix="cluster-"))
            processes = Processes(Path(folder).resolve())
            running.callback(processes.stop)
        running.push(partial(_explain, processes))
        kubernetes = Kubernetes(processes, programs)
        kubernetes.start_api_server()
        aws = Aws(processes)
        cluster = kubernetes.cluster(crds=(programs[ARGOCD].crds, programs[secrets].crds))
        kubernetes.start_controllers(cluster, pace)
        repository = GitRepository(processes.folder / "repository")
        with defer_signals():
            git = running.enter_context(
                serving(repository.path, repository.url, processes.folder / "tls-certs")
            )
        control_plane = ControlPlane(
            cluster,
            processes,
            aws,
            ArgoCd(processes, cluster, programs[ARGOCD], git),
            ExternalSecrets(processes, cluster, aws, external_secrets, programs[secrets]),
            repository,
        )
        for stand_in in (AwsLoadBalancerControllerStandIn(cluster), EbsCsiDriverStandIn(cluster)):
            with defer_signals():
                running.enter_context(repeating(stand_in.reconcile, RECONCILE_SECONDS))
        processes.wait_until_ready()
        say(f"control plane ({external_secrets}) ready in {time.monotonic() - started:.0f} s")
        yield control_plane


def _explain(processes: Processes, _: object, error: BaseException | None, __: object) -> None:
    """Add the last log lines of each process to an error."""
    if error is not None:
        for name, tail in processes.tails(LOG_LINES).items():
            error.add_note(f"log of {name}:\n{tail}")
