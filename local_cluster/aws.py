"""AWS on this machine: the emulator ministack, and fakes of two controllers that need AWS itself.

The fakes only write what Argo CD and the scheduler wait for: an Ingress's address, a volume for a
claim. Load balancers and disks do not exist, so tests cannot cover traffic and storage.
"""

import sys
from pathlib import Path
from typing import Any

import boto3

from catalogue.installation import INSTALLATION
from constructs_lib.model import Manifest
from local_cluster.cluster import Cluster
from local_cluster.processes import Processes, answers, free_port

REGION = INSTALLATION.region
CONTROLLERS = Path(__file__).with_name("aws.yaml")


class Aws:
    """The emulator and its client settings. Its state survives a restart."""

    def __init__(self, processes: Processes) -> None:
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        self.process = processes.start(
            "ministack",
            Path(sys.executable),
            "-m",
            "ministack",
            environment={
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
                "IOT_MTLS_ENABLED": "0",  # it would listen on another port
                "MINISTACK_HOST": "127.0.0.1",
                "MINISTACK_REGION": REGION,
                "PERSIST_STATE": "1",
                "STATE_DIR": str(processes.folder / "ministack"),
            },
            ready=lambda: answers(f"{self.endpoint}/_ministack/health"),
        )

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that point AWS clients, including `cdk`, to the emulator."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        """A client of boto3."""
        session: Any = boto3.Session("test", "test", region_name=REGION)
        return session.client(service, endpoint_url=self.endpoint)


def reconcile(cluster: Cluster) -> None:
    """Set missing addresses of Ingresses, create missing volumes, and delete released ones."""
    for ingress in cluster.list("Ingress"):
        legacy = ingress["metadata"].get("annotations", {}).get("kubernetes.io/ingress.class")
        waiting = not ingress["status"].get("loadBalancer", {}).get("ingress")
        if waiting and "alb" in (legacy, ingress["spec"].get("ingressClassName")):
            cluster.apply(_with_address(ingress), subresource="status")
    for claim in cluster.list("PersistentVolumeClaim"):
        annotations = claim["metadata"].get("annotations", {})
        scheduled = "volume.kubernetes.io/selected-node" in annotations
        if claim["status"]["phase"] == "Pending" and scheduled:
            cluster.apply(_volume(claim))
    for volume in cluster.list("PersistentVolume"):
        if volume["status"]["phase"] == "Released":
            cluster.delete("PersistentVolume", volume["metadata"]["name"])


def _with_address(ingress: Manifest) -> Manifest:
    place = {key: ingress["metadata"][key] for key in ("namespace", "name")}
    address = f"k8s-{place['namespace']}-{place['name']}.{REGION}.elb.amazonaws.com"
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": place,
        "status": {"loadBalancer": {"ingress": [{"hostname": address}]}},
    }


def _volume(claim: Manifest) -> Manifest:
    metadata, spec = claim["metadata"], claim["spec"]
    place = {key: metadata[key] for key in ("namespace", "name", "uid")}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{metadata['uid']}"},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": spec["resources"]["requests"],
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **place},
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": f"vol-{metadata['uid']}"},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": spec["storageClassName"],
            "volumeMode": spec["volumeMode"],
        },
    }
