"""A control plane with all programs that a cluster of this platform runs, and the platform on it.

The platform is installed with SecretsStack and the root Application, or by hand: the five objects
of the deployment page, and their Secrets.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from catalogue.parameters import Parameters
from catalogue.platform import current
from catalogue.stack_outputs import STACK
from charts.output import defer_signals, replace_dir
from charts.registry import render
from constructs_lib.manifests.objects import Objects
from constructs_lib.manifests.references import secret_type
from constructs_lib.manifests.workload import workloads
from constructs_lib.model import ClusterTarget, Manifest
from local_cluster.argocd import CONTROLLER, ArgoCd, GitRepository, serving
from local_cluster.installing import SETS, Say, crds, provide, redis_server
from local_cluster.kubernetes import Cluster, define, start_api_server, start_controllers
from local_cluster.processes import Processes, eventually, free_port
from ops.cluster import SyncState
from ops.secrets.parameters import SyncedSecret

PAGE = Path(__file__).with_name("deployment_page")
"""The five objects of the page, one file each."""
_INSTALLED = tuple(Path(__file__).with_name(name) for name in ("argocd.yaml", "aws.yaml"))
"""The objects that controllers are installed with, besides programs and definitions."""
_TARGETS = {
    "v1beta1": ClusterTarget(),
    "v1": ClusterTarget(external_secrets="v1", ingress_class="field"),
}
"""Cluster targets by API version of External Secrets; v1beta1 as on the deployment page."""
_VALUES: dict[str, str] = {
    Parameters.API_KEYS.path: '{"by-hand": {"user": "by-hand", "tier": "tier3", "org": "none"}}',
    Parameters.CLICKHOUSE_HOST.path: "by-hand.example",
    Parameters.GHCR_DOCKERCONFIGJSON.path: (
        '{"auths": {"ghcr.io": {"username": "by-hand", "password": "by-hand"}}}'
    ),
}
"""Values with a format that their readers require; all others are plain text."""

Dist = Callable[[], Mapping[str, str]]
"""Returns the files of dist/, text by path."""


@dataclass
class ControlPlane:
    """A running control plane with its AWS emulator, and a git repository with dist/."""

    cluster: Cluster
    processes: Processes
    """By name: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok, ministack,
    redis, argocd-repo-server, argocd-application-controller, external-secrets."""
    argocd: ArgoCd
    repository: GitRepository
    dist: Dist

    def write_dist(self) -> list[tuple[str, str]]:
        """Replace dist/ of the repository, and return the changes like `replace_dir`."""
        return replace_dir(self.dist(), self.repository.path / "dist")

    def objects(self, path: str = "dist") -> list[Manifest]:
        """The objects in a YAML file of the repository, or in all YAML files of a directory."""
        target = self.repository.path / path
        files = sorted(target.rglob("*.yaml")) if target.is_dir() else [target]
        return [obj for file in files for obj in yaml.safe_load_all(file.read_text()) if obj]

    def install(self, say: Say, *, by_hand: bool = False) -> None:
        """Deploy SecretsStack and sync dist/, or apply the objects of the deployment page."""
        say("bootstrapping AWS for the CDK")
        self._cdk("bootstrap")
        if by_hand:
            say("applying the objects of the deployment page")
            self._apply_page()
        else:
            say("deploying SecretsStack")
            self._cdk("deploy", STACK)
            say("waiting for Argo CD to sync dist/")
            self.cluster.apply(*self.objects("dist/argocd/root.k8s.yaml"))
            self.wait()
            self.wait_for_secrets()

    def _cdk(self, command: str, *arguments: str) -> None:
        environment = {**os.environ, **self.processes.aws_variables}
        process = self.processes.start(f"cdk-{command}", *arguments, environment=environment)
        if process.wait():
            raise process.failed("failed")

    def _apply_page(self) -> None:
        """Apply the page's objects, with Secrets that have the same keys as those of dist/."""
        page = [yaml.safe_load(file.read_text()) for file in sorted(PAGE.glob("*.yaml"))]
        for namespace in dict.fromkeys(obj["metadata"]["namespace"] for obj in page):
            self.cluster.kubectl("create", "namespace", namespace)
        secrets = yaml.safe_dump_all(_secrets(page, self.objects()))
        self.cluster.kubectl("create", "--filename=-", stdin=secrets)
        self.cluster.kubectl("apply", f"--filename={PAGE}")

    def wait(self, *names: str, within: float = 300) -> None:
        """Wait until the named Applications, or all, are synced to the latest commit."""
        head = self.repository.head
        declared = {o["metadata"]["name"] for o in self.objects() if o["kind"] == "Application"}

        def synced() -> bool:
            existing = self.argocd.applications()
            wanted = names or declared | existing.keys()
            missing = set(wanted) - existing.keys()
            assert not missing, f"no Application {', '.join(sorted(missing))}"
            others = [existing[name] for name in wanted if not existing[name].has_synced(head)]
            assert not others, "; ".join(map(str, others))
            return True

        eventually("Applications Synced and Healthy", synced, within)

    def wait_for_secrets(self) -> None:
        """Wait until every ExternalSecret is SecretSynced."""

        def synced() -> bool:
            stored = Objects.of(self.cluster.list("ExternalSecret")).every
            states = [(item, SyncState.of(item.manifest)) for item in stored]
            others = [f"{item.key}: {state.message}" for item, state in states if not state.ready]
            assert not others, "; ".join(others)
            return bool(stored)

        eventually("every ExternalSecret SecretSynced", synced)


def _secrets(page: list[Manifest], declared: list[Manifest]) -> Iterator[Manifest]:
    """The Secrets that the page's pods read, with a value for each key in dist/."""
    synced = {
        (source.namespace, source.secret): (source.paths, secret_type(external.manifest))
        for external in Objects.of(declared).of_kinds("ExternalSecret")
        for source in [SyncedSecret.of(external)]
    }
    read = {
        (workload.namespace, name)
        for workload in workloads(Objects.of(page))
        for name in (*workload.secrets, *workload.pull_secrets)
    }
    for namespace, name in sorted(read):
        paths, kind = synced[namespace, name]
        yield {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "type": kind,
            "stringData": {key: _VALUES.get(path, f"by-hand{path}") for key, path in paths.items()},
        }


@contextmanager
def running_control_plane(
    external_secrets: str, say: Say, dist: Dist | None = None
) -> Iterator[ControlPlane]:
    """Start a control plane; afterwards, stop it and remove its directory.

    Args:
        external_secrets: The API version that External Secrets serves, `v1beta1` or `v1`.
        say: Called with each line of progress.
        dist: The files to commit as dist/. Default: rendered for this version of the API.
    """
    programs = {program.name: provide(program, say) for program in SETS[external_secrets]}
    if server := redis_server():
        programs["redis-server"] = server
    with ExitStack() as running:
        started = time.monotonic()
        with defer_signals():
            folder = running.enter_context(TemporaryDirectory(prefix="cluster-"))
            processes = Processes(Path(folder).resolve(), programs)
            running.callback(processes.stop)
        running.push(partial(_explain, processes))
        start_api_server(processes)
        processes.start("ministack")
        processes["kube-apiserver"].wait_until_ready()
        cluster = Cluster(processes.kubeconfig)
        defined = (program for program in SETS[external_secrets] if program.crds)
        define(cluster, [file for program in defined for file in crds(program)])
        start_controllers(processes, cluster)
        repository = GitRepository(processes.folder / "repository")
        with defer_signals():
            served = serving(repository.path, current().repository, processes.certificate)
            proxy = running.enter_context(served)
        for file in _INSTALLED:
            cluster.apply(*yaml.safe_load_all(file.read_text()))
        cluster.apply(proxy)
        for name in ("redis", "argocd-repo-server", CONTROLLER):
            processes.start(name)
        live = (f"--live-addr=127.0.0.1:{free_port()}",) if external_secrets == "v1" else ()
        processes.start("external-secrets", *live, environment=processes.aws_variables)
        processes.wait_until_ready()
        say(f"control plane ({external_secrets}) ready in {time.monotonic() - started:.0f} s")
        platform = replace(current(), target=_TARGETS[external_secrets])
        dist = dist or (lambda: render(platform))
        control_plane = ControlPlane(cluster, processes, ArgoCd(cluster), repository, dist)
        control_plane.write_dist()
        repository.commit("Render the platform")
        yield control_plane


def _explain(processes: Processes, _: object, error: BaseException | None, __: object) -> None:
    """Add the last log lines of each process to an error."""
    if error is not None:
        for name, process in processes.items():
            error.add_note(f"log of {name}:\n{process.tail()}")
