"""Fakes of the AWS Load Balancer Controller and the EBS CSI driver, which need AWS itself.

They only write what Argo CD and the scheduler wait for: an Ingress's address, a volume for a
claim. Load balancers and disks do not exist, so tests cannot cover traffic and storage.
"""

from local_cluster.aws import REGION
from local_cluster.cluster import Cluster, Object

STORAGE_CLASSES = ("gp3", "gp2")
"""The first is the default class."""
EBS = "ebs.csi.aws.com"


class AwsLoadBalancerControllerStandIn:
    """Sets the address of each Ingress of class `alb`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        cluster.apply(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "IngressClass",
                "metadata": {"name": "alb"},
                "spec": {"controller": "ingress.k8s.aws/alb"},
            }
        )

    def reconcile(self) -> None:
        """Set the address of each Ingress without one."""
        for ingress in self._cluster.list("Ingress"):
            waiting = not ingress["status"].get("loadBalancer", {}).get("ingress")
            if waiting and self._is_mine(ingress):
                self._publish_address(ingress["metadata"])

    def _is_mine(self, ingress: Object) -> bool:
        annotations = ingress["metadata"].get("annotations", {})
        legacy = annotations.get("kubernetes.io/ingress.class")
        return "alb" in (legacy, ingress["spec"].get("ingressClassName"))

    def _publish_address(self, metadata: Object) -> None:
        name = f"k8s-{metadata['namespace']}-{metadata['name']}"
        address = {"hostname": f"{name}.{REGION}.elb.amazonaws.com"}
        self._cluster.apply(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "Ingress",
                "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
                "status": {"loadBalancer": {"ingress": [address]}},
            },
            subresource="status",
        )


class EbsCsiDriverStandIn:
    """Creates a volume for each claim of a scheduled pod, and deletes it with the claim."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        cluster.apply(
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "CSIDriver",
                "metadata": {"name": EBS},
                "spec": {"attachRequired": False},
            },
            *map(_storage_class, STORAGE_CLASSES),
        )

    def reconcile(self) -> None:
        """Create missing volumes, and delete released ones."""
        for claim in self._cluster.list("PersistentVolumeClaim"):
            annotations = claim["metadata"].get("annotations", {})
            scheduled = "volume.kubernetes.io/selected-node" in annotations
            if claim["status"]["phase"] == "Pending" and scheduled:
                self._cluster.apply(_volume(claim))
        for volume in self._cluster.list("PersistentVolume"):
            if volume["status"]["phase"] == "Released":
                self._cluster.delete("PersistentVolume", volume["metadata"]["name"])


def _storage_class(name: str) -> Object:
    default = str(name == STORAGE_CLASSES[0]).lower()
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": name,
            "annotations": {"storageclass.kubernetes.io/is-default-class": default},
        },
        "provisioner": EBS,
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _volume(claim: Object) -> Object:
    metadata, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{metadata['uid']}"},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": spec["resources"]["requests"],
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
            "csi": {"driver": EBS, "volumeHandle": f"vol-{metadata['uid']}"},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": spec["storageClassName"],
            "volumeMode": spec["volumeMode"],
        },
    }
