"""A control plane with all programs that a cluster of this platform runs."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from catalogue.platform import current
from charts.output import defer_signals
from local_cluster.argocd import ArgoCd
from local_cluster.aws import CONTROLLERS, Aws, reconcile
from local_cluster.cluster import Cluster
from local_cluster.external_secrets import ExternalSecrets
from local_cluster.git import GitRepository, serving
from local_cluster.installing import Say, crds, provide
from local_cluster.kubernetes import define, start_api_server, start_controllers
from local_cluster.processes import Processes, repeating
from local_cluster.programs import ARGOCD, CONTROL_PLANE, EXTERNAL_SECRETS


@dataclass
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
def running_control_plane(external_secrets: str, say: Say) -> Iterator[ControlPlane]:
    """Start a control plane; afterwards, stop it and remove its directory.

    Args:
        external_secrets: The API version that External Secrets serves, `v1beta1` or `v1`.
        say: Called with each line of progress.
    """
    operator = EXTERNAL_SECRETS[external_secrets]
    programs = {program: provide(program, say) for program in (*CONTROL_PLANE, operator)}
    with ExitStack() as running:
        started = time.monotonic()
        with defer_signals():
            folder = running.enter_context(TemporaryDirectory(prefix="cluster-"))
            processes = Processes(Path(folder).resolve())
            running.callback(processes.stop)
        running.push(partial(_explain, processes))
        cluster = start_api_server(processes, programs)
        aws = Aws(processes)
        processes["kube-apiserver"].wait_until_ready()
        define(cluster, (*crds(ARGOCD), *crds(operator)))
        start_controllers(processes, programs, cluster)
        repository = GitRepository(processes.folder / "repository")
        certificates = processes.folder / "tls-certs"
        with defer_signals():
            git = running.enter_context(
                serving(repository.path, current().repository, certificates)
            )
        argocd = ArgoCd(processes, cluster, programs[ARGOCD], git)
        secrets = ExternalSecrets(processes, cluster, aws, external_secrets, programs[operator])
        cluster.apply(*yaml.safe_load_all(CONTROLLERS.read_text()))
        with defer_signals():
            running.enter_context(repeating(partial(reconcile, cluster), every=0.5))
        processes.wait_until_ready()
        say(f"control plane ({external_secrets}) ready in {time.monotonic() - started:.0f} s")
        yield ControlPlane(cluster, processes, aws, argocd, secrets, repository)


def _explain(processes: Processes, _: object, error: BaseException | None, __: object) -> None:
    """Add the last log lines of each process to an error."""
    if error is not None:
        for name, tail in processes.tails().items():
            error.add_note(f"log of {name}:\n{tail}")
