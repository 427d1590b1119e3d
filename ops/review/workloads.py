"""Workloads: where their pod template stands, and how a change of it reaches the pods."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from math import ceil, floor
from typing import Any

from constructs_lib.model import Manifest
from ops.review.model import Key, Object, Path
from ops.review.objects import Snapshot

TEMPLATE: dict[str, Path] = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
"""Where the pod template of each kind stands."""
HOOK = "argocd.argoproj.io/hook"
_HOOK_DELETION = "argocd.argoproj.io/hook-delete-policy"
_RELOADED = "secret.reloader.stakater.com/reload"
_RELOADED_AUTOMATICALLY = "reloader.stakater.com/auto"


class Rollout(StrEnum):
    """How a changed pod template reaches what runs."""

    ROLLING = "rolling"
    RECREATE = "recreate"
    NEXT_RUN = "next run"
    EACH_SYNC = "each sync"
    REFUSED = "refused"
    BY_HAND = "by hand"


@dataclass(frozen=True)
class SecretRead:
    """A pod that needs a Secret, or one key of it, to start."""

    name: str
    key: str | None = None


@dataclass(frozen=True, eq=False)
class Workload:
    """An object that makes pods."""

    object: Object

    @property
    def key(self) -> Key:
        """Of the object."""
        return self.object.key

    @cached_property
    def template(self) -> Manifest:
        """The pod template; empty where there is none."""
        found: Any = self.object.manifest
        for step in TEMPLATE[self.key.kind]:
            found = (found or {}).get(step)
        return found or {}

    @cached_property
    def pod(self) -> Manifest:
        """The pod's spec."""
        return self.template.get("spec") or {}

    @cached_property
    def labels(self) -> dict[str, str]:
        """Of its pods."""
        return (self.template.get("metadata") or {}).get("labels") or {}

    @cached_property
    def containers(self) -> dict[str, Manifest]:
        """By name, those that run first included."""
        return {
            container["name"]: container
            for section in ("initContainers", "containers")
            for container in self.pod.get(section) or ()
        }

    @property
    def serves(self) -> bool:
        """Whether its pods run all the time."""
        return self.key.kind in ("Deployment", "StatefulSet", "DaemonSet")

    @property
    def replicas(self) -> int:
        """How many pods it keeps running; 1 for each node of a DaemonSet."""
        replicas = self.object.spec.get("replicas")
        return int(self.serves) if replicas is None or not self.serves else int(replicas)

    @property
    def rollout(self) -> Rollout:
        """What a change of the template does."""
        kind, spec = self.key.kind, self.object.spec
        if kind == "CronJob":
            return Rollout.NEXT_RUN
        if kind == "Job":
            return Rollout.EACH_SYNC if remade_with_each_sync(self.object) else Rollout.REFUSED
        strategy = (spec.get("strategy") or spec.get("updateStrategy") or {}).get("type")
        return {"Recreate": Rollout.RECREATE, "OnDelete": Rollout.BY_HAND}.get(
            strategy or "", Rollout.ROLLING
        )

    @property
    def may_be_missing(self) -> int:
        """How many of its pods a rolling update stops before their successors are ready."""
        if self.rollout is not Rollout.ROLLING:
            return self.replicas if self.rollout is Rollout.RECREATE else 0
        if self.key.kind != "Deployment":
            return 1  # a StatefulSet and a DaemonSet stop a pod before they start the next
        rolling = (self.object.spec.get("strategy") or {}).get("rollingUpdate") or {}
        missing = share(rolling.get("maxUnavailable", "25%"), self.replicas, floor)
        surge = share(rolling.get("maxSurge", "25%"), self.replicas, ceil)
        return missing or int(not surge and self.replicas > 0)

    @cached_property
    def secrets(self) -> tuple[SecretRead, ...]:
        """What its pods cannot start without."""
        return tuple(dict.fromkeys(self._secrets()))

    def _secrets(self) -> Iterator[SecretRead]:
        for container in self.containers.values():
            for source in container.get("envFrom") or ():
                yield from _needed(source.get("secretRef"))
            for variable in container.get("env") or ():
                yield from _needed((variable.get("valueFrom") or {}).get("secretKeyRef"))
        for volume in self.pod.get("volumes") or ():
            secret = volume.get("secret")
            if secret and not secret.get("optional"):
                name = secret["secretName"]
                yield SecretRead(name)
                yield from (SecretRead(name, item["key"]) for item in secret.get("items") or ())

    def reads(self, secret: str) -> bool:
        """Whether its pods need a Secret."""
        return any(read.name == secret for read in self.secrets)

    def reloads(self, secret: str) -> bool:
        """Whether Reloader restarts it when that Secret changes."""
        annotations = self.object.annotations
        named = [name.strip() for name in annotations.get(_RELOADED, "").split(",")]
        automatically = annotations.get(_RELOADED_AUTOMATICALLY) == "true"
        return secret in named or (automatically and self.reads(secret))


@lru_cache(maxsize=2)
def workloads(snapshot: Snapshot) -> tuple[Workload, ...]:
    """Every object that makes pods, of one of the two revisions."""
    return tuple(Workload(item) for item in snapshot.of(*TEMPLATE))


def readers(snapshot: Snapshot, namespace: str, secret: str) -> list[Workload]:
    """The workloads whose pods read a Secret."""
    return [
        workload
        for workload in workloads(snapshot)
        if workload.key.namespace == namespace and workload.reads(secret)
    ]


def share(value: int | str, whole: int, rounded: Any) -> int:
    """`1`, or `25%` of `whole`."""
    text = str(value)
    if not text.endswith("%"):
        return int(text)
    return int(rounded(int(text[:-1]) * whole / 100))


def remade_with_each_sync(item: Object) -> bool:
    """Whether Argo CD deletes it before it makes it again, as a hook by default."""
    policies = item.annotations.get(_HOOK_DELETION, "BeforeHookCreation")
    return HOOK in item.annotations and "BeforeHookCreation" in policies


def selects(selector: Manifest | None, labels: dict[str, str]) -> bool:
    """Whether a label selector takes in these labels; an empty one takes in all."""
    selector = selector or {}
    if not (selector.get("matchLabels") or {}).items() <= labels.items():
        return False
    return all(_meets(rule, labels) for rule in selector.get("matchExpressions") or ())


def _meets(rule: Manifest, labels: dict[str, str]) -> bool:
    value = labels.get(rule["key"])
    among = value in (rule.get("values") or ())
    outcomes = {
        "In": among,
        "NotIn": not among,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }
    return outcomes[rule["operator"]]


def _needed(reference: Manifest | None) -> Iterator[SecretRead]:
    if reference and not reference.get("optional"):
        yield SecretRead(reference["name"], reference.get("key"))
