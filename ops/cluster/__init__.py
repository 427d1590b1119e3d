"""The cluster that the manifests run in, by its objects.

Reads Secrets to compare them with SSM; never prints or logs their values.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime

from catalogue.target import TARGET
from constructs_lib.model import Manifest
from ops.cluster.client import Client
from ops.errors import ClusterError
from ops.terminal import SecretValue

FIELD_MANAGER = "gnosis-analytics-ops"
APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
_DEPLOYMENT = ("apps/v1", "Deployment")
_EXTERNAL_SECRET = (f"external-secrets.io/{TARGET.external_secrets}", "ExternalSecret")
_STUCK_REASONS = (
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
)
"""Waiting reasons that usually need a fix."""


class Cluster(Client):
    """One cluster, in one context of the kubeconfig. Every method raises ClusterError."""

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Manifest | None:
        """Return an object; None if it does not exist, or the cluster does not serve its kind."""
        resource = self.resources.get(api_version, kind)
        return self.read(resource.path(name, namespace)) if resource else None

    def items(
        self, api_version: str, kind: str, namespace: str = "", selector: str = ""
    ) -> list[Manifest]:
        """Return the objects of a kind, by default of all namespaces and with any labels."""
        resource = self.resources.get(api_version, kind)
        return self.items_of(resource, namespace, selector) if resource else []

    def require(self, *namespaces: str) -> None:
        """Raise ClusterError if a namespace is missing: it is probably the wrong cluster."""
        for namespace in namespaces:
            if not self.get("v1", "Namespace", namespace):
                raise ClusterError(
                    f"the cluster of context {self.context} has no namespace {namespace}; choose "
                    "another context with --context, or let Argo CD sync first"
                )

    def may(self, verb: str, group: str, resource: str, namespace: str) -> bool:
        """Return whether the API server would allow a request, from an access review."""
        asked = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
        version, kind = "authorization.k8s.io/v1", "SelfSubjectAccessReview"
        review = {"apiVersion": version, "kind": kind, "spec": {"resourceAttributes": asked}}
        path = self.resource(version, kind).path()
        return bool(self.request("POST", path, body=review)["status"]["allowed"])

    def secret(self, namespace: str, name: str) -> Secret | None:
        found = self.get("v1", "Secret", name, namespace)
        return Secret.of(found) if found else None

    def sync(self, namespace: str, name: str) -> SyncState | None:
        found = self.get(*_EXTERNAL_SECRET, name, namespace)
        return SyncState.of(found) if found else None

    def sync_now(self, namespace: str, name: str) -> None:
        """Make External Secrets read the parameters of an ExternalSecret now."""
        note = {"force-sync": datetime.now(UTC).isoformat(timespec="microseconds")}
        self._merge(_EXTERNAL_SECRET, namespace, name, {"metadata": {"annotations": note}})

    def is_rolled_out(self, namespace: str, name: str) -> bool | None:
        """Return whether all pods of a Deployment have its newest template and are available.

        None if it does not exist.
        """
        found = self.get(*_DEPLOYMENT, name, namespace)
        if not found:
            return None
        status, wanted = found.get("status", {}), found["spec"].get("replicas", 1)
        observed = status.get("observedGeneration", 0) >= found["metadata"].get("generation", 0)
        counts = ("replicas", "updatedReplicas", "availableReplicas")
        return observed and all(status.get(count, 0) == wanted for count in counts)

    def restart(self, namespace: str, name: str) -> None:
        """Replace the pods of a Deployment, following its update strategy."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": now}}}
        self._merge(_DEPLOYMENT, namespace, name, {"spec": {"template": template}})

    def pods(self, namespace: str, selector: str, *, ending: bool = False) -> list[PodState]:
        """Return pods of a selector that have not ended; terminating ones only with `ending`."""
        return [
            PodState.of(pod)
            for pod in self.items("v1", "Pod", namespace, selector)
            if (ending or "deletionTimestamp" not in pod["metadata"])
            and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        ]

    def _merge(self, kind: tuple[str, str], namespace: str, name: str, change: Manifest) -> None:
        """Apply a JSON merge patch."""
        options = {"query": {"fieldManager": FIELD_MANAGER}, "content_type": MERGE_PATCH}
        self.request("PATCH", self.resource(*kind).path(name, namespace), body=change, **options)


@dataclass(frozen=True)
class Secret:
    """A Secret and its values."""

    values: dict[str, SecretValue]
    changed: datetime
    """The last write of the values, by the API server's clock."""

    @classmethod
    def of(cls, manifest: Manifest) -> Secret:
        metadata = manifest["metadata"]
        written = [
            datetime.fromisoformat(field["time"])
            for field in metadata.get("managedFields") or ()
            if "f:data" in (field.get("fieldsV1") or {}) and "time" in field
        ]
        values = {
            key: SecretValue(b64decode(text).decode("utf-8", "replace"))
            for key, text in (manifest.get("data") or {}).items()
        }
        created = datetime.fromisoformat(metadata["creationTimestamp"])
        return cls(values, max(written, default=created))


@dataclass(frozen=True)
class SyncState:
    """The Ready condition of an External Secrets object."""

    ready: bool
    message: str
    """Why it is not ready, or what it did."""

    @classmethod
    def of(cls, manifest: Manifest) -> SyncState:
        ready = conditions(manifest).get("Ready", {})
        reason, message = ready.get("reason", ""), ready.get("message", "never synced")
        return cls(is_ready(manifest), f"{reason}: {message}".removeprefix(": "))


@dataclass(frozen=True)
class PodState:
    """The state of a pod that has not ended."""

    name: str
    created: datetime
    started: datetime | None
    """The start of its first container; None unless all containers run."""
    ready: bool
    stuck: str
    """Why a container cannot start; empty if none is stuck."""

    @classmethod
    def of(cls, pod: Manifest) -> PodState:
        containers = pod.get("status", {}).get("containerStatuses", ())
        states = [container.get("state", {}) for container in containers]
        starts = [
            datetime.fromisoformat(state["running"]["startedAt"])
            for state in states
            if "running" in state
        ]
        reasons = [state.get("waiting", {}).get("reason", "") for state in states]
        every = len(starts) == len(pod["spec"]["containers"])
        return cls(
            pod["metadata"]["name"],
            datetime.fromisoformat(pod["metadata"]["creationTimestamp"]),
            min(starts) if every else None,
            is_ready(pod),
            next((reason for reason in reasons if reason in _STUCK_REASONS), ""),
        )


def conditions(manifest: Manifest) -> dict[str, Manifest]:
    """Return the conditions of an object, by type."""
    listed = manifest.get("status", {}).get("conditions", ())
    return {condition["type"]: condition for condition in listed}


def is_ready(manifest: Manifest) -> bool:
    """Whether the condition Ready of an object is true."""
    return bool(conditions(manifest).get("Ready", {}).get("status") == "True")
