"""The Kubernetes programs, with kwok, which simulates nodes without machines, and their client."""

import os
import secrets
import subprocess
from collections.abc import Iterable
from pathlib import Path

import yaml

from catalogue.installation import INSTALLATION
from constructs_lib.model import Manifest
from local_cluster.processes import Processes, command, eventually
from ops.cluster import is_ready
from ops.cluster.client import Client, Discovery, Resource

ZONES = tuple(f"{INSTALLATION.region}{letter}" for letter in "abc")


class Cluster(Client):
    """Reads and writes objects as plain dicts, with the permissions of a cluster administrator.

    A kind is written as in a manifest ("Deployment", "ExternalSecret"). If several groups or
    versions serve it, the core group and the server's preferred version are used.
    """

    def __init__(self, kubeconfig: Path) -> None:
        super().__init__(kubeconfig=str(kubeconfig))
        self.kubeconfig = kubeconfig

    def get(self, kind: str, name: str, namespace: str | None = None) -> Manifest | None:
        """The object, or None if it does not exist."""
        resource = self._resource(kind)
        assert namespace or not resource.namespaced, f"{kind} {name} needs a namespace"
        return self.read(resource.path(name, namespace))

    def list(self, kind: str, namespace: str | None = None, selector: str = "") -> list[Manifest]:
        """The objects of a kind that match a label selector, in one namespace or all."""
        return self.items_of(self._resource(kind), namespace or "", selector)

    def _resource(self, kind: str) -> Resource:
        if not any(name == kind for _, name in self.resources.preferred):
            self.resources = Discovery(self)  # it may be served since the last time
        served = (found for found in self.resources.preferred.values() if found.kind == kind)
        resource = next(served, None)
        assert resource, f"the API server does not serve {kind}"
        return resource

    def apply(self, *objects: Manifest) -> None:
        """Server-side apply with forced conflicts."""
        options = ("--server-side", "--force-conflicts", "--field-manager=e2e", "--filename=-")
        self.kubectl("apply", *options, stdin=yaml.safe_dump_all(objects))

    def patch(self, kind: str, name: str, namespace: str | None, change: Manifest) -> None:
        """JSON merge patch; None removes a field."""
        place = f"--namespace={namespace or ''}"
        patch = ("--type=merge", f"--patch={yaml.safe_dump(change)}")
        self.kubectl("patch", kind, name, place, *patch)

    def delete(self, kind: str, name: str, namespace: str | None = None) -> None:
        """Delete in the background. A missing object is not an error."""
        place = f"--namespace={namespace or ''}"
        self.kubectl("delete", kind, name, place, "--ignore-not-found", "--wait=false")

    def kubectl(self, *arguments: str, stdin: str = "", allowed: tuple[int, ...] = (0,)) -> str:
        """The output of kubectl. Raises AssertionError with its error output."""
        own = {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.kubeconfig.parent)}
        done = subprocess.run(
            [command("kubectl"), *arguments],
            env={"PATH": os.environ["PATH"], **own},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in allowed, f"kubectl {' '.join(arguments)}: {done.stderr.strip()}"
        return done.stdout


def start_api_server(processes: Processes) -> None:
    """Start etcd, then the API server without waiting for it, and write the kubeconfig."""
    processes.start("etcd").wait_until_ready()
    token = secrets.token_hex()
    (processes.folder / "tokens").write_text(f'{token},admin,admin,"system:masters"\n')
    processes.start("kube-apiserver")
    cluster = {
        "server": f"https://127.0.0.1:{processes.ports['kube-apiserver']}",
        "certificate-authority": str(processes.certificate),
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "admin"}}],
        "current-context": "local",
    }
    processes.kubeconfig.write_text(yaml.safe_dump(content))


def define(cluster: Cluster, definitions: Iterable[Path]) -> None:
    """Apply custom resource definitions, and wait until their resources are served."""
    files = [f"--filename={file}" for file in definitions]
    applied = cluster.kubectl("apply", "--server-side", "--output=name", *files)
    kinds = ",".join(line.partition("/")[2] for line in applied.splitlines())
    get = ("get", kinds, "--all-namespaces", "--output=json")
    eventually("custom resources served", lambda: cluster.kubectl(*get))


def start_controllers(processes: Processes, cluster: Cluster) -> None:
    """Start controllers, scheduler and nodes, without waiting for them."""
    account = ("ServiceAccount", "default", "default")
    processes.start("kube-controller-manager", ready=lambda: cluster.get(*account) is not None)
    processes.start("kube-scheduler")
    # an arm64 node in each zone, and an amd64 node that pods must not run on
    arm64 = (_node(f"arm64-{zone}", "arm64", zone) for zone in ZONES)
    cluster.apply(*arm64, _node("amd64", "amd64", ZONES[0]))
    processes.start("kwok", ready=lambda: all(map(is_ready, cluster.list("Node"))))


def _node(name: str, architecture: str, zone: str) -> Manifest:
    """A node with the size of an m7g.4xlarge and the AWS network plugin's limit of 58 pods."""
    capacity = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "100Gi", "pods": "58"}
    labels = {
        "kubernetes.io/arch": architecture,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/region": INSTALLATION.region,
        "topology.kubernetes.io/zone": zone,
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": capacity, "capacity": capacity},
    }
