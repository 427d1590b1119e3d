"""Workloads: their containers, Secrets and ConfigMaps, replicas and update strategy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import chain
from math import ceil, floor
from typing import Any

from constructs_lib.manifests.objects import (
    POD_TEMPLATES,
    ConfigSource,
    Container,
    Key,
    Object,
    Objects,
    at,
    once_per_objects,
    pod_template,
    selects,
    stated,
)
from constructs_lib.model import Manifest
from constructs_lib.model.text import plural

HOOK = "argocd.argoproj.io/hook"
_HOOK_DELETION = "argocd.argoproj.io/hook-delete-policy"
DO_NOT_EVICT = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}
"""For pods that a cluster autoscaler must not move, because their work would be lost."""
_RELOADER = "reloader.stakater.com"
WORKLOADS = tuple(dict.fromkeys(kind for _, kind in POD_TEMPLATES))
"""The kinds with a pod template, and Pod."""


class Update(Enum):
    """How a change of the pod template is applied.

    In words: how it is updated, when a change applies, and how its pods get a new Secret value.
    """

    ROLLING = "rolling update", "applies when it runs again", "rolling restart"
    """Pods are replaced one after another."""
    RECREATE = (
        "stopped during updates", "applies when it runs again", "restart with brief downtime"
    )  # fmt: skip
    """All old pods stop before a new one starts."""
    BY_HAND = "updated by hand", "applies only to new pods", "restart by hand"
    """Kubernetes does not replace pods automatically."""
    NEXT_RUN = "updated by the next run", "applies to the next run", "next run"
    """A CronJob: applies to the next run."""
    NEXT_SYNC = "updated by the next sync", "applies to the next sync", "next sync of Argo CD"
    """A Job that Argo CD deletes and creates again with each sync."""
    REFUSED = "not updated", "applies when it is recreated", "restart by hand"
    """Any other Job: the API server rejects the change."""

    def __init__(self, manner: str, timing: str, restart: str) -> None:
        self.manner = manner
        self.timing = timing
        self.restart = restart


@dataclass(frozen=True, eq=False)
class Workload(Object):
    """An object with a pod template, or a Pod."""

    autoscaler: Object | None = None
    """The HorizontalPodAutoscaler that scales it."""

    @classmethod
    def read(cls, item: Object, autoscaler: Object | None = None) -> Workload:
        """The workload that an object declares."""
        return cls(item.key, item.manifest, item.file, item.line, autoscaler)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @cached_property
    def template(self) -> Manifest:
        """The pod template, or the Pod itself; empty if there is neither."""
        return pod_template(self.manifest) or {}

    @cached_property
    def pod(self) -> Manifest:
        """The pod spec."""
        return self.template.get("spec") or {}

    @cached_property
    def pod_labels(self) -> dict[str, str]:
        """The labels of its pods."""
        return at(self.template, "metadata").get("labels") or {}

    @property
    def selector(self) -> str:
        """The label selector of its pods, `app=one`."""
        matched = at(self.spec, "selector").get("matchLabels") or self.pod_labels
        return ",".join(f"{key}={value}" for key, value in sorted(matched.items()))

    @property
    def security(self) -> Manifest:
        """The `securityContext` of its pods."""
        return at(self.pod, "securityContext")

    @property
    def grace_period(self) -> int:
        """The seconds between the request to stop and the end."""
        return int(self.pod.get("terminationGracePeriodSeconds", 30))

    @property
    def volumes(self) -> list[Manifest]:
        return self.pod.get("volumes") or []

    @cached_property
    def containers(self) -> list[Container]:
        """The containers, without init containers."""
        return list(map(Container, self.pod.get("containers") or ()))

    @cached_property
    def every_container(self) -> list[Container]:
        """The init containers, then the containers."""
        return [*map(Container, self.pod.get("initContainers") or ()), *self.containers]

    @property
    def ephemeral_containers(self) -> list[Container]:
        """The containers that someone added to a running Pod, to debug it."""
        return list(map(Container, self.pod.get("ephemeralContainers") or ()))

    @property
    def named_containers(self) -> dict[str, Manifest]:
        """All containers by name."""
        return {container["name"]: container for container in self.every_container}

    @property
    def images(self) -> list[str]:
        """The images of all containers, without duplicates."""
        found = (container.get("image", "") for container in self.every_container)
        return list(dict.fromkeys(filter(None, found)))

    @cached_property
    def ports(self) -> list[Manifest]:
        """The declared ports of all containers."""
        return [port for container in self.every_container for port in container.ports]

    @property
    def serves(self) -> bool:
        """Whether its pods run continuously."""
        return self.kind not in ("CronJob", "Job", "Pod")

    @cached_property
    def reads(self) -> tuple[ConfigSource, ...]:
        """The Secrets and ConfigMaps that its containers read, as variables or files."""
        places: list[Manifest] = []
        mounts: dict[str, list[Manifest]] = defaultdict(list)
        for container in self.every_container:
            places += container.get("envFrom") or ()
            places += [at(variable, "valueFrom") for variable in container.get("env") or ()]
            for mount in container.get("volumeMounts") or ():
                mounts[mount["name"]].append(mount)
        read = [*map(ConfigSource.of, places)]
        for volume in self.volumes:
            read += [ConfigSource.of(volume, it) for it in mounts[volume.get("name", "")] or [{}]]
        return tuple(dict.fromkeys(chain.from_iterable(read)))

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """The names of the Secrets that its containers read."""
        return tuple(dict.fromkeys(read.name for read in self.reads if read.kind == "Secret"))

    @property
    def pull_secrets(self) -> list[str]:
        """The names of its image pull Secrets."""
        return [reference["name"] for reference in self.pod.get("imagePullSecrets") or ()]

    @property
    def account(self) -> str:
        """The name of the ServiceAccount of its pods."""
        pod = self.pod
        return pod.get("serviceAccountName") or pod.get("serviceAccount") or "default"

    def reloads(self, kind: str, name: str, objects: Objects | None = None) -> bool:
        """Whether Reloader restarts it when a Secret or ConfigMap changes.

        https://github.com/stakater/Reloader#-usage
        """
        own, of_kind = self.annotations, f"{kind.lower()}.{_RELOADER}"
        source = objects and objects.get(Key("", kind, self.namespace, name))
        marks = source.annotations if source else {}
        follows = "true" in (own.get(f"{_RELOADER}/auto"), own.get(f"{of_kind}/auto")) or (
            own.get(f"{_RELOADER}/search") == marks.get(f"{_RELOADER}/match") == "true"
        )
        reads = ((read.kind, read.name) for read in self.reads if not read.optional)
        named = own.get(f"{of_kind}/reload", "").replace(" ", "").split(",")
        is_followed = name in named or (follows and (kind, name) in reads)
        return is_followed and marks.get(f"{_RELOADER}/ignore") != "true"

    @cached_property
    def update(self) -> Update:
        match self.kind:
            case "CronJob":
                return Update.NEXT_RUN
            case "Job":
                return Update.NEXT_SYNC if remade_with_each_sync(self) else Update.REFUSED
            case "Deployment":
                recreate = at(self.spec, "strategy").get("type") == "Recreate"
                return Update.RECREATE if recreate else Update.ROLLING
            case "StatefulSet" | "DaemonSet":
                by_hand = at(self.spec, "updateStrategy").get("type") == "OnDelete"
                return Update.BY_HAND if by_hand else Update.ROLLING
        return Update.BY_HAND

    @property
    def replicas(self) -> tuple[int, int] | None:
        """Minimum and maximum number of running pods. None: one pod on each node."""
        if self.kind == "DaemonSet":
            return None
        if self.autoscaler and self.spec.get("replicas") != 0:
            return self.running, int(stated(self.autoscaler.spec, "maxReplicas", self.running))
        return self.running, self.running

    @property
    def running(self) -> int:
        """Minimum number of running pods; 1 for a Pod, and per node for a DaemonSet."""
        if not self.serves:
            return int(self.kind == "Pod")
        replicas = int(stated(self.spec, "replicas", 1))
        if self.autoscaler and replicas:
            return int(stated(self.autoscaler.spec, "minReplicas", 1))
        return replicas

    @property
    def may_be_missing(self) -> int:
        """Maximum number of pods that an update stops before their replacements are ready."""
        if self.update is not Update.ROLLING:
            return self.running if self.update is Update.RECREATE else 0
        if self.kind != "Deployment":
            return 1  # StatefulSets and DaemonSets stop a pod before they start its replacement
        rolling = at(self.spec, "strategy", "rollingUpdate")
        missing = share(rolling.get("maxUnavailable"), self.running, floor)
        return missing or int(not self.surge and self.running > 0)

    @property
    def surge(self) -> int:
        """Number of pods that an update of a Deployment starts before it stops others."""
        rolling = at(self.spec, "strategy", "rollingUpdate")
        return share(rolling.get("maxSurge"), self.running, ceil)


@once_per_objects
def workloads(objects: Objects) -> tuple[Workload, ...]:
    """The workloads among the objects, with their autoscalers."""
    autoscalers = {
        (autoscaler.namespace, target.get("kind"), target.get("name")): autoscaler
        for autoscaler in objects.of_kinds("HorizontalPodAutoscaler")
        for target in (at(autoscaler.spec, "scaleTargetRef"),)
    }
    return tuple(
        Workload.read(item, autoscalers.get((item.namespace, item.kind, item.name)))
        for item in objects
        if (item.key.group, item.kind) in POD_TEMPLATES and pod_template(item.manifest)
    )


@once_per_objects
def _by_label(objects: Objects) -> Mapping[tuple[str, str, str], list[Workload]]:
    found: dict[tuple[str, str, str], list[Workload]] = defaultdict(list)
    for workload in workloads(objects):
        for label in [("", ""), *workload.pod_labels.items()]:
            found[workload.namespace, *label].append(workload)
    return found


def selected(
    objects: Objects, namespace: str, selector: Mapping[str, Any] | None
) -> list[Workload]:
    """The workloads of a namespace that a label selector matches. An empty one matches all."""
    labels = (selector or {}).get("matchLabels") or {"": ""}
    index = _by_label(objects)
    fewest = min((index.get((namespace, *label), []) for label in labels.items()), key=len)
    return [workload for workload in fewest if selects(selector, workload.pod_labels)]


def behind(objects: Objects, service: Object) -> list[Workload]:
    """The workloads behind a Service; empty if the Service has no selector."""
    selector = service.spec.get("selector")
    return selected(objects, service.namespace, {"matchLabels": selector}) if selector else []


def pods_in_words(replicas: tuple[int, int] | None) -> str:
    """`2 pods`, `2 to 6 pods`, `a pod on each node`."""
    if replicas is None:
        return "a pod on each node"
    fewest, most = replicas
    return plural(most, "pod") if fewest == most else f"{fewest} to {plural(most, 'pod')}"


def share(value: int | str | None, whole: int, rounded: Any, default: int | str = "25%") -> int:
    """Resolve a number such as `1`, or a percentage of `whole` such as `25%`.

    The default of a missing value is the one of a rolling update.
    """
    text = str(default if value is None else value)
    return int(rounded(int(text[:-1]) * whole / 100) if text.endswith("%") else text)


def remade_with_each_sync(item: Object) -> bool:
    """Whether Argo CD deletes and creates it in each sync, the default for hooks."""
    policies = item.annotations.get(_HOOK_DELETION, "BeforeHookCreation")
    return HOOK in item.annotations and "BeforeHookCreation" in policies
