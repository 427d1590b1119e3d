"""Client for the cluster that the manifests run in.

Reads Secrets to compare them with SSM; never prints or logs their values.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from catalogue.target import TARGET
from ops.cluster.connection import (
    Answer,
    ClusterError,
    ConflictError,
    Connection,
    Object,
    UnreachableError,
)
from ops.cluster.objects import FROM_CRON_JOB, Attempt, Job, Pod, Rollout, Secret, SyncState

__all__ = [
    "Answer",
    "Attempt",
    "Cluster",
    "ClusterError",
    "ConflictError",
    "Connection",
    "Job",
    "Object",
    "Pod",
    "Rollout",
    "Secret",
    "SyncState",
    "UnreachableError",
]

_EXTERNAL_SECRETS = f"/apis/external-secrets.io/{TARGET.external_secrets}"
_APPS, _BATCH = "/apis/apps/v1", "/apis/batch/v1"
_RESTARTED = "kubectl.kubernetes.io/restartedAt"


class Cluster:
    """One cluster, in one context of the kubeconfig. Every method raises ClusterError."""

    def __init__(self, context: str | None = None) -> None:
        """Connect.

        Args:
            context: A context of the kubeconfig. Default: its current context.
        """
        self.connection = Connection(context)
        self.context = self.connection.context

    def require(self, *namespaces: str) -> None:
        """Raise ClusterError if a namespace is missing: it is probably the wrong cluster."""
        for namespace in namespaces:
            if not self.connection.get(f"/api/v1/namespaces/{namespace}"):
                raise ClusterError(
                    f"the cluster of context {self.context} has no namespace {namespace}; choose "
                    "another context with --context, or let Argo CD sync first"
                )

    def may(self, verb: str, group: str, resource: str, namespace: str) -> bool:
        """Return whether the API server would allow a request, from an access review."""
        resource, _, subresource = resource.partition("/")
        review = self.connection.create(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {
                    "resourceAttributes": {
                        "verb": verb,
                        "group": group,
                        "resource": resource,
                        "subresource": subresource,
                        "namespace": namespace,
                    }
                },
            },
        )
        return bool(review["status"]["allowed"])

    def secret(self, namespace: str, name: str) -> Secret | None:
        found = self.connection.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        return Secret.of(found) if found else None

    def sync(self, namespace: str, name: str) -> SyncState | None:
        found = self.connection.get(_external_secret(namespace, name))
        return SyncState.of(found) if found else None

    def sync_now(self, namespace: str, name: str) -> None:
        """Make External Secrets read the parameters of an ExternalSecret now."""
        note = {"force-sync": datetime.now(UTC).isoformat(timespec="microseconds")}
        self.connection.merge(
            _external_secret(namespace, name), {"metadata": {"annotations": note}}
        )

    def rollout(self, namespace: str, name: str) -> Rollout | None:
        found = self.connection.get(_deployment(namespace, name))
        return Rollout.of(found) if found else None

    def restart(self, namespace: str, name: str) -> None:
        """Replace the pods of a Deployment, following its update strategy."""
        note = {_RESTARTED: datetime.now(UTC).isoformat(timespec="seconds")}
        change = {"spec": {"template": {"metadata": {"annotations": note}}}}
        self.connection.merge(_deployment(namespace, name), change)

    def pods(self, namespace: str, selector: str, *, ending: bool = False) -> list[Pod]:
        """Return pods of a selector that have not ended; terminating ones only with `ending`."""
        found = self.connection.items(
            f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector
        )
        return [
            Pod.of(item)
            for item in found
            if (ending or "deletionTimestamp" not in item["metadata"])
            and item.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        ]

    def cron_job(self, namespace: str, name: str) -> Object | None:
        return self.connection.get(f"{_BATCH}/namespaces/{namespace}/cronjobs/{name}")

    def cron_jobs(self, namespace: str) -> dict[str, Object]:
        found = self.connection.items(f"{_BATCH}/namespaces/{namespace}/cronjobs")
        return {item["metadata"]["name"]: item for item in found}

    def job(self, namespace: str, name: str) -> Job | None:
        found = self.connection.get(f"{_BATCH}/namespaces/{namespace}/jobs/{name}")
        return Job.of(found) if found else None

    def jobs(self, namespace: str) -> list[Job]:
        """Return every Job, running or finished, that the cluster still has."""
        return list(map(Job.of, self.connection.items(f"{_BATCH}/namespaces/{namespace}/jobs")))

    def run(self, cron_job: Object, name: str) -> None:
        """Create a Job from a CronJob, like `kubectl create job --from`."""
        metadata, template = cron_job["metadata"], cron_job["spec"]["jobTemplate"]
        owner = {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "name": metadata["name"],
            "uid": metadata["uid"],
            "controller": True,
        }
        self.connection.create(
            f"{_BATCH}/namespaces/{metadata['namespace']}/jobs",
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {
                    "name": name,
                    "namespace": metadata["namespace"],
                    "labels": template.get("metadata", {}).get("labels", {}),
                    "annotations": {
                        **template.get("metadata", {}).get("annotations", {}),
                        FROM_CRON_JOB: "manual",
                    },
                    "ownerReferences": [owner],
                },
                "spec": template["spec"],
            },
        )

    def attempts(self, namespace: str, job: str) -> list[Attempt]:
        """Return every start of the Job's containers that its pods still show."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        pods = self.connection.items(path, labelSelector=f"job-name={job}")
        return [attempt for pod in pods for attempt in Attempt.of(pod)]

    def log(self, namespace: str, pod: str) -> Iterator[str]:
        """Stream the log of a single-container pod until the container ends."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        return self.connection.lines(path, follow="true")

    @contextmanager
    def forwarded(self, namespace: str, pod: str, port: int) -> Iterator[socket.socket]:
        """Open a connection to a pod, bypassing Services, load balancers and NetworkPolicies."""
        from kubernetes.client import CoreV1Api
        from kubernetes.stream import portforward

        api: Any = CoreV1Api(self.connection.client)
        open_port: Any = partial(portforward, api.connect_get_namespaced_pod_portforward)
        with self.connection.translate_errors():
            forward = open_port(pod, namespace, ports=str(port))
        try:
            yield forward.socket(port)
        finally:
            forward.close()


def _external_secret(namespace: str, name: str) -> str:
    return f"{_EXTERNAL_SECRETS}/namespaces/{namespace}/externalsecrets/{name}"


def _deployment(namespace: str, name: str) -> str:
    return f"{_APPS}/namespaces/{namespace}/deployments/{name}"
