"""What runs keeps running: through a rollout, a drain, a hang, and a job that never ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from math import ceil

from constructs_lib.manifests.external_secret import secret_of
from constructs_lib.manifests.image import host
from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.routes import served_pods
from constructs_lib.manifests.workload import (
    Update,
    Workload,
    remade_with_each_sync,
    selected,
    share,
)
from constructs_lib.model import Manifest
from constructs_lib.rules.model import PODS, Rendered, rule

ARCHITECTURE = "arm64"
"""Of our nodes, and of every image that we build (the deployment page: Graviton)."""
_ARCH = "kubernetes.io/arch"
_GRACE_SECONDS = 30
"""`terminationGracePeriodSeconds` where it is not stated."""
_PROGRESS_SECONDS = 600
"""`progressDeadlineSeconds` where it is not stated."""
_DOCKER_CONFIG = "kubernetes.io/dockerconfigjson"


@rule(
    "pods-drain-in-time",
    PODS,
    risk="downtime",
    remedy="raise terminationGracePeriodSeconds above the sleep of preStop",
)
def pods_drain_in_time(workload: Workload, _: Rendered) -> Iterator[str]:
    """A pod whose grace period ends before its preStop hook is killed while it drains."""
    grace = workload.pod.get("terminationGracePeriodSeconds", _GRACE_SECONDS)
    for container in workload.containers:
        slept = _sleep((container.get("lifecycle") or {}).get("preStop") or {})
        if slept and slept >= grace:
            yield (
                f"pods are killed while they drain: preStop of container {container['name']} "
                f"sleeps {slept:g} s, the grace period is {grace} s"
            )


def _sleep(hook: Manifest) -> float:
    """How long a hook sleeps, as far as its form tells."""
    if seconds := (hook.get("sleep") or {}).get("seconds"):
        return float(seconds)
    words = " ".join(map(str, (hook.get("exec") or {}).get("command") or ())).split()
    for word, following in pairwise(words):
        if word.rpartition("/")[2] == "sleep":
            text = following.strip(";").removesuffix("s")
            return float(text) if text.replace(".", "", 1).isdigit() else 0
    return 0


@rule(
    "programs-are-probed",
    PODS,
    risk="downtime",
    remedy="add it",
    covers="kube-score:pod-probes checkov:CKV_K8S_8 checkov:CKV_K8S_9 "
    "kube-linter:no-liveness-probe kube-linter:no-readiness-probe "
    "polaris:livenessProbeMissing polaris:readinessProbeMissing",
)
def programs_are_probed(workload: Workload, rendered: Rendered) -> Iterator[str]:
    """Kubernetes restarts what hangs, and sends requests to what answers, only if it can ask."""
    if not workload.serves or not workload.containers:
        return
    served = workload.key in served_pods(rendered.objects)
    for place, container in enumerate(workload.containers):
        title = f"container {container['name']}"
        if not container.get("livenessProbe"):
            yield f"{title} has no livenessProbe, so a program that hangs is left hanging"
        if served and not place and not container.get("readinessProbe"):
            yield f"{title} has no readinessProbe, so it is sent requests before it can answer"


@rule(
    "rollouts-wait-for-a-start",
    PODS,
    risk="downtime",
    remedy="raise progressDeadlineSeconds, or lower the patience of the startupProbe",
)
def rollouts_wait(workload: Workload, _: Rendered) -> Iterator[str]:
    """A Deployment must not be called failed while its pod may still start."""
    if workload.kind != "Deployment":
        return
    deadline = workload.object.spec.get("progressDeadlineSeconds", _PROGRESS_SECONDS)
    for container in workload.containers:
        if probe := container.get("startupProbe"):
            waits = probe.get("initialDelaySeconds", 0)
            waits += probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
            if waits >= deadline:
                yield (
                    f"container {container['name']} may take {waits} s to start, the Deployment "
                    f"fails after {deadline} s"
                )


@rule(
    "updates-leave-no-gap",
    PODS,
    risk="downtime",
    remedy="set maxUnavailable: 0 and a maxSurge, or Recreate with one replica",
)
def updates_leave_no_gap(workload: Workload, _: Rendered) -> Iterator[str]:
    """Where several pods serve, an update must not take one away before the next is ready."""
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
        yield (
            f"two pods would wait for the volume {claims[0]}; run one replica, updated by Recreate"
        )


@rule(
    "budgets-allow-drains-and-prevent-outages",
    "PodDisruptionBudget",
    risk="downtime",
    remedy="set maxUnavailable: 1 for a workload of several replicas",
    covers="kube-score:poddisruptionbudget-has-policy kube-linter:pdb-max-unavailable "
    "kube-linter:pdb-min-available polaris:pdbDisruptionsIsZero "
    "polaris:pdbMinAvailableEqualToHPAMinReplicas "
    "polaris:pdbMinAvailableGreaterThanHPAMinReplicas "
    "polaris:pdbMinAvailableGreaterThanHPAMaxReplicas",
)
def budgets_hold(budget: Object, rendered: Rendered) -> Iterator[str]:
    """A node must be drainable, and a drain must not stop a service."""
    for workload in selected(rendered.objects, budget.namespace, budget.spec.get("selector")):
        pods = workload.running
        if "maxUnavailable" not in budget.spec and "minAvailable" not in budget.spec:
            yield f"bounds nothing for {workload.name}"
        if not workload.serves or not pods:
            continue
        evicted = evictable(budget, pods)
        if evicted < 1:
            yield f"no pod of {workload.name} may be evicted, so that a node cannot be drained"
        elif pods > 1 and evicted >= pods:
            yield f"all {pods} pods of {workload.name} may be evicted at once"


def evictable(budget: Object, pods: int) -> int:
    """How many of some pods a budget lets go at once."""
    if (most := budget.spec.get("maxUnavailable")) is not None:
        return share(most, pods, ceil)
    return pods - share(budget.spec.get("minAvailable", 1), pods, ceil)


@rule(
    "images-fit-their-nodes",
    PODS,
    risk="downtime",
    remedy=f"select {_ARCH}: {ARCHITECTURE}",
)
def images_fit_nodes(workload: Workload, _: Rendered) -> Iterator[str]:
    """Our images are built for arm64 alone: on any other node a pod fails to start."""
    chosen = (workload.pod.get("nodeSelector") or {}).get(_ARCH)
    if chosen != ARCHITECTURE:
        yield (
            f"its pods go to {chosen or 'any'} nodes, and the images are built for {ARCHITECTURE}"
        )
    if workload.pod.get("nodeName"):
        yield "its pods are bound to a node by name; leave nodeName out"


@rule(
    "private-images-have-a-pull-secret",
    PODS,
    risk="downtime",
    remedy="name it in imagePullSecrets",
)
def pull_secrets_are_named(workload: Workload, rendered: Rendered) -> Iterator[str]:
    """The registry is private: without the Secret the next pod cannot be pulled."""
    secrets = _pull_secrets(rendered.objects)
    secret = secrets.get(workload.namespace)
    if secrets and not secret and workload.pull_secrets:
        yield f"no Secret of {workload.namespace} holds credentials of a registry; declare one"
    registry = rendered.platform.registry.partition("/")[0] if rendered.platform else None
    private = [image for image in workload.images if registry in (None, host(image))]
    if secret and private and secret not in workload.pull_secrets:
        yield f"{private[0]} cannot be pulled without the Secret {secret}"


@lru_cache(maxsize=2)
def _pull_secrets(objects: Objects) -> Mapping[str, str]:
    """By namespace, the Secret that holds credentials of a registry."""
    return {
        item.namespace: secret_of(item.manifest)
        for item in objects.of_kinds("ExternalSecret")
        if ((item.spec.get("target") or {}).get("template") or {}).get("type") == _DOCKER_CONFIG
    }


@rule(
    "autoscalers-own-the-replicas",
    "HorizontalPodAutoscaler",
    risk="update",
    remedy="leave spec.replicas of the workload out",
    covers="kube-score:deployment-targeted-by-hpa-does-not-have-replicas-configured",
)
def autoscalers_own_replicas(autoscaler: Object, rendered: Rendered) -> Iterator[str]:
    """With both, each sync of Argo CD undoes what the autoscaler did."""
    spec = autoscaler.spec
    target = spec.get("scaleTargetRef") or {}
    group = str(target.get("apiVersion", "")).rpartition("/")[0]
    key = Key(group, str(target.get("kind")), autoscaler.namespace, str(target.get("name")))
    scaled = rendered.objects.get(key)
    if scaled and "replicas" in scaled.spec:
        yield f"{key} states replicas itself"
    if spec.get("minReplicas", 1) > spec.get("maxReplicas", 1):
        yield "minReplicas is above maxReplicas; correct one"


@rule(
    "jobs-do-not-overlap",
    "CronJob",
    "Job",
    risk="schedule",
    remedy="set concurrencyPolicy: Forbid or Replace",
    covers="kube-score:cronjob-restartpolicy",
)
def jobs_do_not_overlap(job: Object, _: Rendered) -> Iterator[str]:
    """Two runs of one job would write the same rows, and a job that cannot change fails to sync."""
    spec = job.spec
    if job.kind == "CronJob":
        if spec.get("concurrencyPolicy", "Allow") == "Allow":
            yield "a run may start while another is under way (concurrencyPolicy: Allow)"
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    elif not remade_with_each_sync(job):
        yield (
            "the API server refuses to change a Job that exists; make it a hook of Argo CD, with "
            "hook-delete-policy: BeforeHookCreation"
        )
    template = ((spec.get("template") or {}).get("spec")) or {}
    if template.get("restartPolicy") not in ("Never", "OnFailure"):
        yield "restartPolicy is neither Never nor OnFailure, so the API server refuses it; set one"


RULES = (
    pods_drain_in_time,
    programs_are_probed,
    rollouts_wait,
    updates_leave_no_gap,
    budgets_hold,
    images_fit_nodes,
    pull_secrets_are_named,
    autoscalers_own_replicas,
    jobs_do_not_overlap,
)
