"""AWS on this machine: the emulator ministack, and a fake of the EBS CSI driver.

The fake only writes what the scheduler waits for: a volume for a claim. kwok writes what Argo CD
waits for: the address of an Ingress. Load balancers and disks do not exist, so tests cannot cover
traffic and storage.
"""

from contextlib import suppress
from typing import Any

import boto3

from catalogue.installation import INSTALLATION
from constructs_lib.model import Manifest
from local_cluster.kubernetes import Cluster
from local_cluster.processes import Processes


class Aws:
    """The emulator and its client settings. Its state survives a restart."""

    def __init__(self, processes: Processes) -> None:
        region = INSTALLATION.region
        self.process = processes.start("ministack", environment={"MINISTACK_REGION": region})
        self.endpoint = f"http://127.0.0.1:{processes.ports['ministack']}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        """Environment variables that point AWS clients, including `cdk`, to the emulator."""

    def client(self, service: str) -> Any:
        """A client of boto3."""
        session: Any = boto3.Session("test", "test", region_name=INSTALLATION.region)
        return session.client(service, endpoint_url=self.endpoint)


def provision(cluster: Cluster) -> None:
    """Create the volumes of scheduled claims, and delete released ones.

    It is called repeatedly, so a change that the API server does not accept is made later.
    """
    for claim in cluster.list("PersistentVolumeClaim"):
        scheduled = "volume.kubernetes.io/selected-node" in claim["metadata"].get("annotations", {})
        if claim["status"]["phase"] == "Pending" and scheduled:
            with suppress(AssertionError):
                cluster.apply(_volume(claim))
    for volume in cluster.list("PersistentVolume"):
        if volume["status"]["phase"] == "Released":
            with suppress(AssertionError):
                cluster.delete("PersistentVolume", volume["metadata"]["name"])


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
