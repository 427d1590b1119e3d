"""Starts etcd, the Kubernetes programs, and kwok, which simulates nodes without machines."""

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from constructs_lib.model import Manifest
from local_cluster.aws import REGION
from local_cluster.cluster import Cluster
from local_cluster.processes import Processes, answers, eventually, free_port
from local_cluster.programs import API_SERVER, CONTROLLER_MANAGER, ETCD, KWOK, SCHEDULER, Program

ZONES = tuple(f"{REGION}{letter}" for letter in "abc")
_POD_LIFECYCLE = Path(__file__).with_name("kwok.yaml")


def start_api_server(processes: Processes, programs: Mapping[Program, Path]) -> Cluster:
    """Start etcd, then the API server without waiting for it; returns a client."""
    folder = processes.folder
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    processes.start(
        "etcd",
        programs[ETCD],
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        ready=lambda: answers(f"{client}/health"),
    ).wait_until_ready()
    port, key, token = free_port(), folder / "sa.key", secrets.token_hex()
    write_private_key(key)
    (folder / "tokens").write_text(f'{token},admin,admin,"system:masters"\n')
    certificate = _certificate(processes)
    processes.start(
        "kube-apiserver",
        programs[API_SERVER],
        f"--etcd-servers={client}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={certificate.parent}",
        "--authorization-mode=RBAC,Node",
        f"--token-auth-file={folder / 'tokens'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
        ready=lambda: (
            certificate.exists() and answers(f"https://127.0.0.1:{port}/readyz", certificate)
        ),
    )
    kubeconfig = folder / "kubeconfig"
    server = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(certificate)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": server}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "admin"}}],
        "current-context": "local",
    }
    kubeconfig.write_text(yaml.safe_dump(content))
    return Cluster(kubeconfig)


def _certificate(processes: Processes) -> Path:
    """The API server creates this self-signed certificate at its first start."""
    return processes.folder / "tls" / "apiserver.crt"


def write_private_key(file: Path) -> rsa.RSAPrivateKey:
    """Generate a private key, and write it to a file."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return key


def define(cluster: Cluster, definitions: Iterable[Path]) -> None:
    """Apply custom resource definitions, and wait until their resources are served."""
    files = [f"--filename={file}" for file in definitions]
    applied = cluster.kubectl("apply", "--server-side", "--output=name", *files)
    kinds = ",".join(line.partition("/")[2] for line in applied.splitlines())
    get = ("get", kinds, "--all-namespaces", "--output=json")
    eventually("custom resources served", lambda: cluster.kubectl(*get))


def start_controllers(
    processes: Processes, programs: Mapping[Program, Path], cluster: Cluster
) -> None:
    """Start controllers, scheduler and nodes, without waiting for them."""
    kubeconfig = f"--kubeconfig={cluster.kubeconfig}"
    common = (kubeconfig, "--leader-elect=false", "--secure-port=0")
    processes.start(
        "kube-controller-manager",
        programs[CONTROLLER_MANAGER],
        *common,
        f"--service-account-private-key-file={processes.folder / 'sa.key'}",
        f"--root-ca-file={_certificate(processes)}",
        ready=lambda: cluster.get("ServiceAccount", "default", "default") is not None,
    )
    processes.start("kube-scheduler", programs[SCHEDULER], *common, ready=lambda: True)
    # an arm64 node in each zone, and an amd64 node that pods must not run on
    for name, architecture, zone in (
        *((f"arm64-{zone}", "arm64", zone) for zone in ZONES),
        ("amd64", "amd64", ZONES[0]),
    ):
        node = _node(name, architecture, zone)
        cluster.apply({key: node[key] for key in ("apiVersion", "kind", "metadata")})
        cluster.apply(node, subresource="status")
    processes.start(
        "kwok",
        programs[KWOK],
        kubeconfig,
        f"--config={_POD_LIFECYCLE}",
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=40",
        ready=lambda: all(map(_is_ready, cluster.list("Node"))),
    )


def _node(name: str, architecture: str, zone: str) -> Manifest:
    """A node with the size of an m7g.4xlarge and the AWS network plugin's limit of 58 pods."""
    capacity = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "100Gi", "pods": "58"}
    labels = {
        "kubernetes.io/arch": architecture,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/region": REGION,
        "topology.kubernetes.io/zone": zone,
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": capacity, "capacity": capacity},
    }


def _is_ready(node: Manifest) -> bool:
    conditions = node["status"].get("conditions", ())
    return ("Ready", "True") in [(state["type"], state["status"]) for state in conditions]
