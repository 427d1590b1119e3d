"""A client for the API server that reads and writes plain dicts."""

import os
import subprocess
from pathlib import Path
from typing import Any

from kubernetes import config
from kubernetes.client import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ResourceNotFoundError
from kubernetes.dynamic.resource import ResourceList

from constructs_lib.model import Manifest
from local_cluster.processes import command
from ops.cluster import MERGE_PATCH


class Cluster:
    """Reads and writes objects by kind and name, with the permissions of a cluster administrator.

    A kind is written as in a manifest ("Deployment", "ExternalSecret"). If several groups or
    versions serve it, the core group and the server's preferred version are used.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self._cache = kubeconfig.with_name("discovery")
        self._client: Any = None

    def get(self, kind: str, name: str, namespace: str | None = None) -> Manifest | None:
        """The object, or None if it does not exist."""
        resource = self._resource(kind)
        assert namespace or not resource.namespaced, f"{kind} {name} needs a namespace"
        try:
            stored: Manifest = resource.get(name=name, namespace=namespace).to_dict()
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return stored

    def list(self, kind: str, namespace: str | None = None, selector: str = "") -> list[Manifest]:
        """The objects of a kind that match a label selector, in one namespace or all."""
        resource = self._resource(kind)
        stored = resource.get(namespace=namespace, label_selector=selector).to_dict()
        # items of a list have no apiVersion and kind
        named = {"apiVersion": resource.group_version, "kind": kind}
        return [{**named, **item} for item in stored["items"]]

    def apply(self, *objects: Manifest, subresource: str = "") -> None:
        """Server-side apply with forced conflicts."""
        for obj in objects:
            resource = self._resource(obj["kind"], obj["apiVersion"])
            target = resource.subresources[subresource] if subresource else resource
            target.server_side_apply(
                obj,
                name=obj["metadata"]["name"],
                namespace=obj["metadata"].get("namespace"),
                field_manager="e2e",
                force_conflicts=True,
            )

    def patch(self, kind: str, name: str, namespace: str | None, change: Manifest) -> None:
        """JSON merge patch; None removes a field."""
        self._resource(kind).patch(change, name, namespace, content_type=MERGE_PATCH)

    def delete(self, kind: str, name: str, namespace: str | None = None) -> None:
        """Delete in the background, as kubectl does. A missing object is not an error."""
        options = {"propagationPolicy": "Background"}
        try:
            self._resource(kind).delete(name=name, namespace=namespace, body=options)
        except ApiException as error:
            if error.status != 404:
                raise

    def kubectl(self, *arguments: str, stdin: str = "", allowed: tuple[int, ...] = (0,)) -> str:
        """The output of kubectl. Raises AssertionError with its error output."""
        done = subprocess.run(
            [command("kubectl"), f"--cache-dir={self._cache}.kubectl", *arguments],
            input=stdin,
            env={
                "KUBECONFIG": str(self.kubeconfig),
                "PATH": os.environ["PATH"],
                "HOME": str(self.kubeconfig.parent),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in allowed, f"kubectl {' '.join(arguments)}: {done.stderr.strip()}"
        return done.stdout

    def _resource(self, kind: str, api_version: str | None = None) -> Any:
        if self._client is None:
            connect: Any = config.new_client_from_config
            discover: Any = DynamicClient
            self._client = discover(connect(str(self.kubeconfig)), f"{self._cache}.json")
        try:
            served = self._client.resources.search(kind=kind, api_version=api_version)
        except ResourceNotFoundError:  # its custom resource definitions are not served yet
            served = []
        kinds = [resource for resource in served if not isinstance(resource, ResourceList)]
        assert kinds, f"the API server does not serve {kind} {api_version or ''}"
        return min(kinds, key=lambda resource: (not resource.preferred, resource.group != ""))
