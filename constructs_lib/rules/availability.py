"""Rules for availability: rollouts, node drains, probes and job schedules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from math import ceil

from constructs_lib.manifests.image import host
from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.references import DOCKER_CONFIG, secret_of, secret_type
from constructs_lib.manifests.routes import served_pods
from constructs_lib.manifests.workload import (
    Update,
    Workload,
    remade_with_each_sync,
    selected,
    share,
)
from constructs_lib.model import Manifest
from constructs_lib.rules.model import PODS, Problem, Problems, Rendered, rule

ARCHITECTURE = "arm64"
"""The architecture of the nodes and of every image (deployment page: Graviton)."""
_ARCH = "kubernetes.io/arch"
_GRACE_SECONDS = 30
"""The Kubernetes default of `terminationGracePeriodSeconds`."""
_PROGRESS_SECONDS = 600
"""The Kubernetes default of `progressDeadlineSeconds`."""


@rule(
    PODS, risk="downtime", remedy="set terminationGracePeriodSeconds to more than the preStop sleep"
)
def short_grace_period(workload: Workload, _: Rendered) -> Problems:
    """If the grace period ends before the preStop hook, the kubelet kills a draining pod."""
    grace = workload.pod.get("terminationGracePeriodSeconds", _GRACE_SECONDS)
    for container in workload.containers:
        slept = _sleep((container.get("lifecycle") or {}).get("preStop") or {})
        if slept and slept >= grace:
            yield (
                f"pods are killed while they drain: the preStop hook of container "
                f"{container['name']} sleeps {slept:g} s, but the grace period is {grace} s"
            )


def _sleep(hook: Manifest) -> float:
    """The seconds that a hook sleeps, or 0 if its command is not recognized."""
    if seconds := (hook.get("sleep") or {}).get("seconds"):
        return float(seconds)
    words = " ".join(map(str, (hook.get("exec") or {}).get("command") or ())).split()
    for word, following in pairwise(words):
        if word.rpartition("/")[2] == "sleep":
            text = following.strip(";").removesuffix("s")
            return float(text) if text.replace(".", "", 1).isdigit() else 0
    return 0


@rule(PODS, risk="downtime", remedy="add the probe")
def missing_probe(workload: Workload, rendered: Rendered) -> Problems:
    """Without probes, Kubernetes neither restarts a hung program nor waits until it is ready."""
    if not workload.serves or not workload.containers:
        return
    served = workload.key in served_pods(rendered.objects)
    for place, container in enumerate(workload.containers):
        title = f"container {container['name']}"
        if not container.get("livenessProbe"):
            yield f"{title} has no livenessProbe, so it is not restarted if it hangs"
        if served and not place and not container.get("readinessProbe"):
            yield f"{title} has no readinessProbe, so it gets requests before it is ready"


@rule(
    PODS,
    risk="downtime",
    remedy="raise progressDeadlineSeconds, or lower failureThreshold of the startupProbe",
)
def short_progress_deadline(workload: Workload, _: Rendered) -> Problems:
    """A Deployment must not be marked as failed while its pod can still start."""
    if workload.kind != "Deployment":
        return
    deadline = workload.object.spec.get("progressDeadlineSeconds", _PROGRESS_SECONDS)
    for container in workload.containers:
        if probe := container.get("startupProbe"):
            waits = probe.get("initialDelaySeconds", 0)
            waits += probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
            if waits >= deadline:
                yield (
                    f"container {container['name']} may take {waits} s to start, but the "
                    f"Deployment fails after {deadline} s"
                )


@rule(
    PODS,
    risk="downtime",
    remedy="set maxUnavailable: 0 and a maxSurge, or Recreate with one replica",
)
def unavailable_during_update(workload: Workload, _: Rendered) -> Problems:
    """With several replicas, an update must not stop a pod before its replacement is ready."""
    if workload.kind != "Deployment" or workload.running == 0:
        return
    if workload.running > 1 and workload.may_be_missing:
        yield f"an update leaves {workload.may_be_missing} of {workload.running} pods missing"
    claims = [
        volume["persistentVolumeClaim"].get("claimName")
        for volume in workload.pod.get("volumes") or ()
        if volume.get("persistentVolumeClaim")
    ]
    if claims and (workload.update is not Update.RECREATE or workload.running > 1):
        yield Problem(
            f"two pods would claim the volume {claims[0]}", "run one replica, updated by Recreate"
        )


@rule(
    "PodDisruptionBudget",
    risk="downtime",
    remedy="set maxUnavailable: 1 for a workload with several replicas",
)
def unsafe_disruption_budget(budget: Object, rendered: Rendered) -> Problems:
    """A budget must let a node drain without stopping a service."""
    for workload in selected(rendered.objects, budget.namespace, budget.spec.get("selector")):
        pods = workload.running
        if "maxUnavailable" not in budget.spec and "minAvailable" not in budget.spec:
            yield f"sets neither maxUnavailable nor minAvailable for {workload.name}"
        if not workload.serves or not pods:
            continue
        evicted = evictable(budget, pods)
        if evicted < 1:
            yield f"no pod of {workload.name} may be evicted, so nodes cannot be drained"
        elif pods > 1 and evicted >= pods:
            yield f"all {pods} pods of {workload.name} may be evicted at once"


def evictable(budget: Object, pods: int) -> int:
    """The number of pods that a budget allows to be evicted at once."""
    if (most := budget.spec.get("maxUnavailable")) is not None:
        return share(most, pods, ceil)
    return pods - share(budget.spec.get("minAvailable", 1), pods, ceil)


@rule(PODS, risk="downtime", remedy=f"select {_ARCH}: {ARCHITECTURE}")
def wrong_architecture(workload: Workload, _: Rendered) -> Problems:
    """The images are built only for arm64; on other nodes, pods fail to start."""
    chosen = (workload.pod.get("nodeSelector") or {}).get(_ARCH)
    if chosen != ARCHITECTURE:
        yield (f"its pods run on {chosen or 'any'} nodes, but images are built for {ARCHITECTURE}")
    if workload.pod.get("nodeName"):
        yield Problem("its pods are bound to a node by name", "remove nodeName")


@rule(PODS, risk="downtime", remedy="add it to imagePullSecrets")
def missing_pull_secret(workload: Workload, rendered: Rendered) -> Problems:
    """The registry is private: without the Secret, images cannot be pulled."""
    secrets = _pull_secrets(rendered.objects)
    secret = secrets.get(workload.namespace)
    if secrets and not secret and workload.pull_secrets:
        yield Problem(
            f"namespace {workload.namespace} has no pull secret for a registry", "declare one"
        )
    registry = rendered.platform.registry.partition("/")[0] if rendered.platform else None
    private = [image for image in workload.images if registry in (None, host(image))]
    if secret and private and secret not in workload.pull_secrets:
        yield f"{private[0]} cannot be pulled without the Secret {secret}"


@lru_cache(maxsize=2)
def _pull_secrets(objects: Objects) -> Mapping[str, str]:
    """The pull secret of each namespace."""
    return {
        item.namespace: secret_of(item.manifest)
        for item in objects.of_kinds("ExternalSecret")
        if secret_type(item.manifest) == DOCKER_CONFIG
    }


@rule("HorizontalPodAutoscaler", risk="update", remedy="remove spec.replicas from the workload")
def conflicting_replicas(autoscaler: Object, rendered: Rendered) -> Problems:
    """If the workload also sets replicas, each Argo CD sync reverts the autoscaler."""
    spec = autoscaler.spec
    target = spec.get("scaleTargetRef") or {}
    group = str(target.get("apiVersion", "")).rpartition("/")[0]
    key = Key(group, str(target.get("kind")), autoscaler.namespace, str(target.get("name")))
    scaled = rendered.objects.get(key)
    if scaled and "replicas" in scaled.spec:
        yield f"{key} sets spec.replicas itself"
    if spec.get("minReplicas", 1) > spec.get("maxReplicas", 1):
        yield Problem("minReplicas is greater than maxReplicas", "correct one of them")


@rule("CronJob", "Job", risk="schedule", remedy="set concurrencyPolicy: Forbid or Replace")
def overlapping_jobs(job: Object, _: Rendered) -> Problems:
    """Overlapping runs write the same rows twice, and syncing a changed Job fails."""
    spec = job.spec
    if job.kind == "CronJob":
        if spec.get("concurrencyPolicy", "Allow") == "Allow":
            yield "a run may start while the previous one is running (concurrencyPolicy: Allow)"
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    elif not remade_with_each_sync(job):
        yield Problem(
            "the API server does not allow changes to an existing Job",
            "make it an Argo CD hook with hook-delete-policy: BeforeHookCreation",
        )
    template = ((spec.get("template") or {}).get("spec")) or {}
    if template.get("restartPolicy") not in ("Never", "OnFailure"):
        yield Problem(
            "the API server rejects restartPolicy values other than Never and OnFailure", "set one"
        )
