"""What the commands look at in Kubernetes objects."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime

from ops.asking import SecretValue
from ops.cluster.connection import Object

_HOPELESS = (
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
)
"""Why a container waits, where waiting alone changes nothing."""
FROM_CRON_JOB = "cronjob.kubernetes.io/instantiate"


@dataclass(frozen=True)
class Secret:
    """A Secret, with what it holds."""

    values: dict[str, SecretValue]
    changed: datetime
    """When what it holds was last written, by the API server's clock."""

    @classmethod
    def of(cls, item: Object) -> Secret:
        """Read it from the object."""
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
    """What External Secrets says of one of its ExternalSecrets."""

    ready: bool
    message: str
    """Why it is not ready; or what it did."""

    @classmethod
    def of(cls, item: Object) -> SyncState:
        """Read it from the object."""
        conditions = item.get("status", {}).get("conditions", ())
        ready: Object = next((one for one in conditions if one["type"] == "Ready"), {})
        reason, message = ready.get("reason", ""), ready.get("message", "never synced")
        return cls(ready.get("status") == "True", f"{reason}: {message}".removeprefix(": "))


@dataclass(frozen=True)
class Rollout:
    """How far a Deployment is with its newest pod template."""

    wanted: int
    done: bool
    """Whether all its pods are of the newest template, and available."""

    @classmethod
    def of(cls, item: Object) -> Rollout:
        """Read it from the object."""
        wanted = item["spec"].get("replicas", 1)
        status = item.get("status", {})
        observed = status.get("observedGeneration", 0) >= item["metadata"].get("generation", 0)
        counts = [
            status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")
        ]
        return cls(wanted, observed and all(count == wanted for count in counts))


@dataclass(frozen=True)
class Pod:
    """A pod that is not about to go."""

    name: str
    created: datetime
    started: datetime | None
    """When the first of its containers started; None while one of them does not run."""
    ready: bool
    stuck: str
    """Why a container of it will not run; empty if nothing speaks against it."""

    @classmethod
    def of(cls, item: Object) -> Pod:
        """Read it from the object."""
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
            next((reason for reason in reasons if reason in _HOPELESS), ""),
        )


@dataclass(frozen=True)
class Attempt:
    """One start of a Job's container."""

    pod: str
    started: datetime

    @classmethod
    def of(cls, item: Object) -> list[Attempt]:
        """The newest start of each container of a pod, running or ended."""
        states = [
            one.get("state", {}) for one in item.get("status", {}).get("containerStatuses", ())
        ]
        begun = [state.get("running") or state.get("terminated") or {} for state in states]
        name = item["metadata"]["name"]
        return [cls(name, time(one["startedAt"])) for one in begun if one.get("startedAt")]


@dataclass(frozen=True)
class Job:
    """One run, on schedule or by hand."""

    name: str
    cron_job: str
    """The CronJob that it is of; empty if it is of none."""
    by_hand: bool
    started: datetime | None
    ended: datetime | None
    outcome: str
    """`active`, `succeeded` or `failed`."""
    message: str
    """Why it failed."""

    @classmethod
    def of(cls, item: Object) -> Job:
        """Read it from the object."""
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
    """A time as the API server writes it."""
    return datetime.fromisoformat(text)
