"""Starts etcd, the Kubernetes programs and kwok, which simulates the nodes."""

import secrets
from collections.abc import Iterable
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local_cluster.cluster import Cluster, Object
from local_cluster.installing import Installed
from local_cluster.nodes import Pace, add_nodes
from local_cluster.processes import Processes, answers, free_port
from local_cluster.programs import (
    API_SERVER,
    CONTROLLER_MANAGER,
    ETCD,
    KWOK,
    SCHEDULER,
    Program,
)
from local_cluster.waiting import eventually


class Kubernetes:
    """The control plane of a cluster; call the methods in order."""

    def __init__(self, processes: Processes, programs: dict[Program, Installed]) -> None:
        self._processes = processes
        self._programs = programs
        self._folder = processes.folder
        self._port = free_port()
        self.kubeconfig = self._folder / "kubeconfig"

    def start_api_server(self) -> None:
        """Start etcd and the API server, without waiting for the API server."""
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self._processes.start(
            "etcd",
            self._path(ETCD),
            f"--data-dir={self._folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            ready=lambda: answers(f"{client}/health"),
        ).wait_until_ready()
        self._write_credentials()
        self._processes.start(
            "kube-apiserver",
            self._path(API_SERVER),
            f"--etcd-servers={client}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--cert-dir={self._folder / 'tls'}",
            "--authorization-mode=RBAC,Node",
            f"--token-auth-file={self._folder / 'tokens'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._folder / 'sa.pub'}",
            f"--service-account-signing-key-file={self._folder / 'sa.key'}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",
            ready=self._api_server_ready,
        )

    def cluster(self, crds: Iterable[Path]) -> Cluster:
        """Wait for the API server, and apply the custom resource definitions."""
        self._processes["kube-apiserver"].wait_until_ready()
        cluster = Cluster(self.kubeconfig)
        files = [f"--filename={folder}" for folder in crds]
        applied = cluster.kubectl("apply", "--server-side", "--output=name", *files)
        kinds = ",".join(line.partition("/")[2] for line in applied.splitlines())

        def served() -> bool:
            cluster.kubectl("get", kinds, "--all-namespaces")
            return True

        eventually("custom resources served", served)
        return cluster

    def start_controllers(self, cluster: Cluster, pace: Pace) -> None:
        """Start controllers, scheduler and nodes, without waiting for them."""
        common = (f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0")
        self._processes.start(
            "kube-controller-manager",
            self._path(CONTROLLER_MANAGER),
            *common,
            f"--service-account-private-key-file={self._folder / 'sa.key'}",
            f"--root-ca-file={self._certificate}",
            ready=lambda: cluster.get("ServiceAccount", "default", "default") is not None,
        )
        self._processes.start("kube-scheduler", self._path(SCHEDULER), *common, ready=lambda: True)
        add_nodes(cluster)
        stages = self._folder / "kwok.yaml"
        stages.write_text(pace.stages())
        self._processes.start(
            "kwok",
            self._path(KWOK),
            f"--kubeconfig={self.kubeconfig}",
            f"--config={stages}",
            "--manage-all-nodes=true",
            "--node-lease-duration-seconds=40",
            ready=lambda: all(map(_is_ready, cluster.list("Node"))),
        )

    @property
    def _certificate(self) -> Path:
        """The API server creates this self-signed certificate at its first start."""
        return self._folder / "tls" / "apiserver.crt"

    def _path(self, program: Program) -> Path:
        return self._programs[program].path

    def _api_server_ready(self) -> bool:
        if not self._certificate.exists():
            return False
        return answers(f"https://127.0.0.1:{self._port}/readyz", authority=self._certificate)

    def _write_credentials(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (self._folder / "sa.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        (self._folder / "sa.pub").write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        token = secrets.token_hex()
        (self._folder / "tokens").write_text(f'{token},admin,admin,"system:masters"\n')
        self.kubeconfig.write_text(yaml.safe_dump(self._kubeconfig(token)))

    def _kubeconfig(self, token: str) -> Object:
        server = {
            "server": f"https://127.0.0.1:{self._port}",
            "certificate-authority": str(self._certificate),
        }
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": server}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": "admin"}}],
            "current-context": "local",
        }


def _is_ready(node: Object) -> bool:
    conditions = node["status"].get("conditions", ())
    return any((one["type"], one["status"]) == ("Ready", "True") for one in conditions)
