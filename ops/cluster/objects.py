"""The parts of Kubernetes objects that the commands use."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime

from ops.cluster.connection import Object
from ops.terminal import SecretValue

_STUCK_REASONS = (
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
)
"""Waiting reasons that usually need a fix."""
FROM_CRON_JOB = "cronjob.kubernetes.io/instantiate"


@dataclass(frozen=True)
class Secret:
    """A Secret and its values."""

    values: dict[str, SecretValue]
    changed: datetime
    """The last write of the values, by the API server's clock."""

    @classmethod
    def of(cls, item: Object) -> Secret:
        data = item.get("data") or {}
        metadata = item["metadata"]
        written = [
            time(field["time"])
            for field in metadata.get("managedFields") or ()
            if "f:data" in (field.get("fieldsV1") or {}) and "time" in field
        ]
        return cls(
            {
                key: SecretValue(b64decode(text).decode("utf-8", "replace"))
                for key, text in data.items()
            },
            max(written, default=time(metadata["creationTimestamp"])),
        )


@dataclass(frozen=True)
class SyncState:
    """The Ready condition of an External Secrets object."""

    ready: bool
    message: str
    """Why it is not ready, or what it did."""

    @classmethod
    def of(cls, item: Object) -> SyncState:
        conditions = item.get("status", {}).get("conditions", ())
        ready: Object = next((one for one in conditions if one["type"] == "Ready"), {})
        reason, message = ready.get("reason", ""), ready.get("message", "never synced")
        return cls(ready.get("status") == "True", f"{reason}: {message}".removeprefix(": "))


@dataclass(frozen=True)
class Rollout:
    """The progress of a Deployment's newest pod template."""

    wanted: int
    done: bool
    """Whether all pods have the newest template and are available."""

    @classmethod
    def of(cls, item: Object) -> Rollout:
        wanted = item["spec"].get("replicas", 1)
        status = item.get("status", {})
        observed = status.get("observedGeneration", 0) >= item["metadata"].get("generation", 0)
        counts = [
            status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")
        ]
        return cls(wanted, observed and all(count == wanted for count in counts))


@dataclass(frozen=True)
class Pod:
    """A pod that has not ended."""

    name: str
    created: datetime
    started: datetime | None
    """The start of its first container; None unless all containers run."""
    ready: bool
    stuck: str
    """Why a container cannot start; empty if none is stuck."""

    @classmethod
    def of(cls, item: Object) -> Pod:
        status = item.get("status", {})
        states = [one.get("state", {}) for one in status.get("containerStatuses", ())]
        starts = [time(state["running"]["startedAt"]) for state in states if "running" in state]
        reasons = [state.get("waiting", {}).get("reason", "") for state in states]
        conditions = {one["type"]: one["status"] for one in status.get("conditions", ())}
        every = len(starts) == len(item["spec"]["containers"])
        return cls(
            item["metadata"]["name"],
            time(item["metadata"]["creationTimestamp"]),
            min(starts) if every else None,
            conditions.get("Ready") == "True",
            next((reason for reason in reasons if reason in _STUCK_REASONS), ""),
        )


@dataclass(frozen=True)
class Attempt:
    """One start of a Job's container."""

    pod: str
    started: datetime

    @classmethod
    def of(cls, item: Object) -> list[Attempt]:
        """Return the latest start of each container of a pod, running or ended."""
        states = [
            one.get("state", {}) for one in item.get("status", {}).get("containerStatuses", ())
        ]
        begun = [state.get("running") or state.get("terminated") or {} for state in states]
        name = item["metadata"]["name"]
        return [cls(name, time(one["startedAt"])) for one in begun if one.get("startedAt")]


@dataclass(frozen=True)
class Job:
    """A Job, scheduled or started by hand."""

    name: str
    cron_job: str
    """The CronJob that owns it; empty if none does."""
    by_hand: bool
    started: datetime | None
    ended: datetime | None
    outcome: str
    """`active`, `succeeded` or `failed`."""
    message: str
    """Why it failed."""

    @classmethod
    def of(cls, item: Object) -> Job:
        metadata, status = item["metadata"], item.get("status", {})
        owners = [
            one["name"] for one in metadata.get("ownerReferences", ()) if one["kind"] == "CronJob"
        ]
        ends = {
            one["type"]: one
            for one in status.get("conditions", ())
            if one["status"] == "True" and one["type"] in ("Complete", "Failed")
        }
        failed = ends.get("Failed", {})
        end = failed or ends.get("Complete", {})
        return cls(
            name=metadata["name"],
            cron_job=owners[0] if owners else "",
            by_hand=FROM_CRON_JOB in metadata.get("annotations", {}),
            started=time(status["startTime"]) if "startTime" in status else None,
            ended=time(end["lastTransitionTime"]) if end else None,
            outcome="failed" if failed else "succeeded" if end else "active",
            message=failed.get("message", ""),
        )


def time(text: str) -> datetime:
    """Parse a time of the API server."""
    return datetime.fromisoformat(text)
