"""What makes pods: its containers, what they read, how many there are, and how they are updated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from constructs_lib.capacity import pod_template
from constructs_lib.model import Manifest
from constructs_lib.wording import plural


class Update(Enum):
    """How new pods take the place of old ones."""

    ROLLING = "rolling"
    """One after another; no pod ends before the next is ready, or few."""
    RECREATE = "recreate"
    """All old pods end before a new one starts."""
    BY_HAND = "by hand"
    """Kubernetes replaces no pod by itself."""
    NEXT_RUN = "next run"
    """A CronJob: from its next run on."""
    NEXT_SYNC = "next sync"
    """A Job: when it is made again."""


@dataclass(frozen=True, eq=False)
class Workload:
    """An object with a pod template, or a Pod."""

    manifest: Manifest
    template: Manifest
    """The pod template; of a Pod, the Pod itself."""
    autoscaler: Manifest | None = None
    """The HorizontalPodAutoscaler that scales it."""

    @property
    def kind(self) -> str:
        """As `Deployment`."""
        return str(self.manifest["kind"])

    @property
    def name(self) -> str:
        """Of the object."""
        return str(self.manifest["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Of the object."""
        return str(self.manifest["metadata"].get("namespace", ""))

    @property
    def pod(self) -> Manifest:
        """The spec of its pods."""
        spec: Manifest = self.template["spec"]
        return spec

    @property
    def labels(self) -> dict[str, str]:
        """Of its pods."""
        return dict((self.template.get("metadata") or {}).get("labels") or {})

    @property
    def selector(self) -> str:
        """A label selector for its pods, `app=one`: the labels by which it finds them itself."""
        spec = self.manifest.get("spec") or {}
        matched = (spec.get("selector") or {}).get("matchLabels") or self.labels
        return ",".join(f"{key}={value}" for key, value in sorted(matched.items()))

    @property
    def containers(self) -> list[Manifest]:
        """What runs for as long as a pod lives."""
        return list(self.pod.get("containers") or ())

    @property
    def every_container(self) -> list[Manifest]:
        """The init containers as well."""
        return [*(self.pod.get("initContainers") or ()), *self.containers]

    @property
    def images(self) -> list[str]:
        """What its containers run, each once."""
        found = (container.get("image", "") for container in self.every_container)
        return list(dict.fromkeys(filter(None, found)))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The Secrets that its containers read, as variables or files."""
        return tuple(dict.fromkeys([*self._variables(), *self._files()]))

    @property
    def pull_secrets(self) -> list[str]:
        """The Secrets that pull its images."""
        return [one["name"] for one in self.pod.get("imagePullSecrets") or ()]

    @property
    def update(self) -> Update:
        """How an update replaces its pods."""
        spec = self.manifest.get("spec") or {}
        match self.kind:
            case "CronJob":
                return Update.NEXT_RUN
            case "Job":
                return Update.NEXT_SYNC
            case "Deployment":
                recreated = (spec.get("strategy") or {}).get("type") == "Recreate"
                return Update.RECREATE if recreated else Update.ROLLING
            case "StatefulSet" | "DaemonSet":
                by_hand = (spec.get("updateStrategy") or {}).get("type") == "OnDelete"
                return Update.BY_HAND if by_hand else Update.ROLLING
        return Update.BY_HAND

    @property
    def replicas(self) -> tuple[int, int] | None:
        """The fewest and the most pods that run all the time; None for one on each node."""
        spec = self.manifest.get("spec") or {}
        match self.kind:
            case "CronJob" | "Job":
                return 0, 0
            case "DaemonSet":
                return None
            case "Pod":
                return 1, 1
        stated = spec.get("replicas", 1)
        if self.autoscaler and stated != 0:
            bounds = self.autoscaler["spec"]
            return int(bounds.get("minReplicas", 1)), int(bounds["maxReplicas"])
        return int(stated), int(stated)

    def _variables(self) -> Iterator[str]:
        for container in self.every_container:
            for source in container.get("envFrom") or ():
                yield from _named(source.get("secretRef"), "name")
            for variable in container.get("env") or ():
                yield from _named((variable.get("valueFrom") or {}).get("secretKeyRef"), "name")

    def _files(self) -> Iterator[str]:
        for volume in self.pod.get("volumes") or ():
            yield from _named(volume.get("secret"), "secretName")
            for source in (volume.get("projected") or {}).get("sources") or ():
                yield from _named(source.get("secret"), "name")


def workloads(objects: Iterable[Manifest]) -> list[Workload]:
    """Everything among these objects that makes pods, each with its autoscaler."""
    every = list(objects)
    autoscalers = {
        (one["metadata"].get("namespace", ""), target.get("kind"), target.get("name")): one
        for one in every
        if one["kind"] == "HorizontalPodAutoscaler"
        for target in (one["spec"].get("scaleTargetRef") or {},)
    }
    return [
        Workload(one, template, autoscalers.get(_key(one)))
        for one in every
        if (template := pod_template(one))
    ]


def pods_in_words(replicas: tuple[int, int] | None) -> str:
    """`2 pods`, `2 to 6 pods`, `a pod on each node`."""
    if replicas is None:
        return "a pod on each node"
    fewest, most = replicas
    return plural(most, "pod") if fewest == most else f"{fewest} to {plural(most, 'pod')}"


def _key(item: Manifest) -> tuple[str, Any, Any]:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), item["kind"], metadata["name"]


def _named(reference: Manifest | None, field: str) -> Iterator[str]:
    if reference and reference.get(field):
        yield str(reference[field])
