"""Rules for availability and capacity: rollouts, node drains, probes, jobs, resources, quotas."""

import re
from collections.abc import Iterator
from typing import Any

from constructs_lib.manifests import capacity, references
from constructs_lib.manifests.network import served_pods
from constructs_lib.manifests.objects import Object, Objects, at, once_per_objects, stated
from constructs_lib.manifests.placement import Requirements
from constructs_lib.manifests.replicas import pods_evicted_together
from constructs_lib.manifests.workload import (
    DO_NOT_EVICT,
    HOOK,
    WORKLOADS,
    Update,
    Workload,
    remade_with_each_sync,
)
from constructs_lib.model.quantity import amount, misread_bytes, spell
from constructs_lib.rules.model import PODS, Problem, Problems, Rendered, rule

ARCHITECTURE = "arm64"
"""The architecture of the nodes and of every image (deployment page: Graviton)."""
_ARCH = "kubernetes.io/arch"
_IN_BYTES = re.compile(r"(^|\.)(memory|storage|ephemeral-storage|sizeLimit)$|(^|\.)hugepages-")


@rule(
    PODS, risk="downtime", remedy="set terminationGracePeriodSeconds to more than the preStop sleep"
)
def short_grace_period(workload: Workload, _: Rendered) -> Problems:
    """If the grace period ends before the preStop hook, the kubelet kills a draining pod."""
    for container in workload.containers:
        slept = container.sleeps_before_stop
        if slept and slept >= workload.grace_period:
            text = (
                f"pods are killed while they drain: the preStop hook of {container} sleeps "
                f"{slept:g} s, but the grace period is {workload.grace_period} s"
            )
            yield text, container


@rule(PODS, risk="downtime", remedy="add the probe")
def missing_probe(workload: Workload, rendered: Rendered) -> Problems:
    """Without probes, Kubernetes neither restarts a hung program nor waits until it is ready."""
    if not workload.serves or not workload.containers:
        return
    served = workload.key in served_pods(rendered.objects)
    for place, container in enumerate(workload.containers):
        if "livenessProbe" not in container.probes:
            text = f"{container} has no livenessProbe, so it is not restarted if it hangs"
            yield text, container, "livenessProbe"
        if served and not place and "readinessProbe" not in container.probes:
            text = f"{container} has no readinessProbe, so it gets requests before it is ready"
            yield text, container, "readinessProbe"


@rule(
    PODS,
    risk="downtime",
    remedy="raise progressDeadlineSeconds, or lower failureThreshold of the startupProbe",
)
def short_progress_deadline(workload: Workload, _: Rendered) -> Problems:
    """A Deployment must not be marked as failed while its pod can still start."""
    if workload.kind != "Deployment":
        return
    deadline = stated(workload.spec, "progressDeadlineSeconds", 600)
    if stated(workload.spec, "minReadySeconds", 0) >= deadline:
        yield "the API server refuses minReadySeconds that are not below progressDeadlineSeconds"
    for container in workload.containers:
        if "startupProbe" in container.probes and (waits := container.may_start_for) >= deadline:
            text = f"{container} may take {waits} s to start, but the Deployment fails after"
            yield f"{text} {deadline} s", container, "progressDeadlineSeconds"


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
    claims = filter(None, (at(volume, "persistentVolumeClaim") for volume in workload.volumes))
    claim = next(claims, None)
    if claim and (workload.update is not Update.RECREATE or workload.running > 1):
        text = f"two pods would claim the volume {claim.get('claimName')}"
        yield Problem(text, "run one replica, updated by Recreate")


@rule(
    PODS,
    risk="downtime",
    remedy="set maxUnavailable: 1, in one budget, for a workload with several replicas",
    reviewed_by_field=True,
)
def unsafe_disruption_budget(workload: Workload, rendered: Rendered) -> Problems:
    """A budget must let a node drain without stopping a service."""
    for reading in pods_evicted_together.read(workload, rendered.objects):
        if reading.about and reading.level == "high":
            yield Problem(str(reading), about=reading.about)


@rule(PODS, risk="downtime", remedy=f"select {_ARCH}: {ARCHITECTURE}")
def wrong_architecture(workload: Workload, _: Rendered) -> Problems:
    """The images are built only for arm64; on other nodes, pods fail to start."""
    chosen = " or ".join(sorted(Requirements.of(workload.pod).get(_ARCH, {"any"})))
    if chosen != ARCHITECTURE:
        yield f"its pods run on {chosen or 'no'} nodes, but images are built for {ARCHITECTURE}"
    if workload.pod.get("nodeName"):
        yield Problem("its pods are bound to a node by name", "remove nodeName")


@rule(PODS, risk="downtime", remedy="add it to imagePullSecrets")
def missing_pull_secret(workload: Workload, rendered: Rendered) -> Problems:
    """The registry is private: without the Secret, images cannot be pulled."""
    namespace = workload.namespace
    secrets = _pull_secrets(rendered.objects)
    secret = secrets.get(namespace)
    if secrets and namespace and not secret and workload.pull_secrets:
        yield Problem(f"namespace {namespace} has no pull secret for a registry", "declare one")
    hosts = {image: references.ImageReference.of(image).host for image in workload.images}
    registry = rendered.platform.registry.partition("/")[0] if rendered.platform else None
    private = [image for image, host in hosts.items() if registry in (None, host)]
    if secret and private and secret not in workload.pull_secrets:
        yield f"{private[0]} cannot be pulled without the Secret {secret}"


@once_per_objects
def _pull_secrets(objects: Objects) -> dict[str, str]:
    """The Secret for image pulls of each namespace."""
    return {
        item.namespace: references.secret_of(item.manifest)
        for item in objects.of_kinds("ExternalSecret")
        if references.secret_type(item.manifest) == references.DOCKER_CONFIG
    }


@rule("HorizontalPodAutoscaler", risk="update", remedy="remove spec.replicas from the workload")
def conflicting_replicas(autoscaler: Object, rendered: Rendered) -> Problems:
    """If the workload also sets replicas, each Argo CD sync reverts the autoscaler."""
    spec, key = autoscaler.spec, references.scaled_by(autoscaler)
    scaled = rendered.objects.get(key)
    if scaled and scaled.spec.get("replicas") is not None:
        yield f"{key} sets spec.replicas itself"
    if stated(spec, "minReplicas", 1) > stated(spec, "maxReplicas", 1):
        yield Problem("minReplicas is greater than maxReplicas", "correct one of them")


@rule("CronJob", "Job", risk="schedule", remedy="set concurrencyPolicy: Forbid or Replace")
def overlapping_jobs(job: Object, _: Rendered) -> Problems:
    """Overlapping runs write the same rows twice, and syncing a changed Job fails."""
    if job.kind == "CronJob":
        if stated(job.spec, "concurrencyPolicy", "Allow") == "Allow":
            yield "a run may start while the previous one is running (concurrencyPolicy: Allow)"
    elif not remade_with_each_sync(job):
        text = "the API server does not allow changes to an existing Job"
        yield Problem(text, "make it an Argo CD hook with hook-delete-policy: BeforeHookCreation")


@rule("Job", risk="update", remedy="remove ttlSecondsAfterFinished")
def vanishing_hook(job: Object, _: Rendered) -> Problems:
    """If a hook is deleted before Argo CD has seen its end, the sync waits for it forever."""
    seconds = job.spec.get("ttlSecondsAfterFinished")
    if HOOK in job.annotations and seconds is not None:
        yield f"is deleted {seconds} s after its end: if Argo CD misses it, the release hangs"


@rule(PODS, risk="capacity", remedy="run one replica, updated by Recreate, without an autoscaler")
def second_writer(workload: Workload, _: Rendered) -> Problems:
    """A worker that must not be moved, as every SingleWriter, must run alone: two write twice."""
    kept = DO_NOT_EVICT.items() & at(workload.template, "metadata", "annotations").items()
    if not kept or workload.pod_labels.get("app.kubernetes.io/component") != "worker":
        return
    if workload.autoscaler:
        yield f"{workload.autoscaler.key} may start a second pod"
    elif workload.running > 1:
        yield f"{workload.running} pods do the same work at the same time"
    if workload.running and workload.update is Update.ROLLING:
        yield "an update may start a pod while the previous one runs (RollingUpdate)"


@rule(PODS, risk="capacity", remedy="set requests and limits for cpu, memory and ephemeral-storage")
def unbounded_resources(workload: Workload, _: Rendered) -> Problems:
    """Limits protect other containers on the node; the scheduler needs the requests."""
    for container in workload.every_container:
        requests, limits = container.requests, container.limits
        for name in ("cpu", "memory", "ephemeral-storage"):
            if name not in requests or name not in limits:
                missing = "request" if name not in requests else "limit"
                yield f"{container} has no {missing} for {name}", container, name
            elif amount(requests[name]) > amount(limits[name]):
                text = f"{container} requests more {name} than its limit allows"
                yield f"the API server rejects it: {text}", container, name
        for name, value in [*requests.items(), *limits.items()]:
            if not amount(value):
                yield f"{container} sets {name} to {value}", container, name
    for volume in workload.volumes:
        if "emptyDir" in volume and not at(volume, "emptyDir").get("sizeLimit"):
            text = f"the emptyDir {volume.get('name')} has no sizeLimit"
            yield Problem(text, "set one", fields=("sizeLimit",))


@rule(
    *sorted(WORKLOADS),
    *("LimitRange", "PersistentVolume", "PersistentVolumeClaim", "ResourceQuota"),
    risk="downtime",
    remedy="write it like 512Mi or 1Gi",
)
def too_few_bytes(item: Object, _: Rendered) -> Problems:
    """Without a suffix, or with m, it is bytes or less: a container with 512m cannot start."""
    for path, size in _bytes(item.spec, "spec"):
        if problem := misread_bytes(size):
            yield Problem(f"{path} is {size}, {problem}", "", fields=(path.rpartition(".")[2],))


def _bytes(content: Any, path: str) -> Iterator[tuple[str, str]]:
    """The amounts of memory and storage at a path, or below it."""
    if isinstance(content, list):
        for place, item in enumerate(content):
            yield from _bytes(item, f"{path}[{place}]")
    for name, value in content.items() if isinstance(content, dict) else ():
        if isinstance(value, dict | list):
            yield from _bytes(value, f"{path}.{name}")
        elif _IN_BYTES.search(name):
            yield f"{path}.{name}", str(value)


@rule("Namespace", risk="capacity", remedy="use the Namespace construct")
def unbounded_namespace(namespace: Object, rendered: Rendered) -> Problems:
    """A namespace must not use up the capacity of the others."""
    for kind in ("ResourceQuota", "LimitRange"):
        if not any(item.namespace == namespace.name for item in rendered.objects.of_kinds(kind)):
            yield f"has no {kind}"


@rule(PODS, risk="capacity", remedy="change the container, or the LimitRange")
def outside_limit_range(workload: Workload, rendered: Rendered) -> Problems:
    """The API server rejects pods outside the LimitRange of their namespace."""
    for namespace, limit in capacity.container_limits(rendered.objects):
        if namespace != workload.namespace:
            continue
        for container in workload.every_container:
            for name, most in at(limit, "max").items():
                stated = container.limits.get(name)
                if stated is not None and amount(stated) > amount(most):
                    yield f"{container}: {name} {stated} is above {most}"
            for name, least in at(limit, "min").items():
                stated = container.requests.get(name)
                if stated is not None and amount(stated) < amount(least):
                    yield f"{container}: {name} {stated} is below {least}"


@rule(
    risk="capacity",
    remedy="raise the quota, or lower the requests and limits of its workloads",
    needs_platform=True,
)
def exceeded_quota(rendered: Rendered) -> Problems:
    """The quota must admit all pods at peak, during rollouts and with all jobs running."""
    allowed = capacity.quotas(rendered.objects)
    for namespace, sums in capacity.peak(rendered.objects).items():
        for name, value in sums.items():
            limit = allowed.get(namespace, {}).get(name)
            if limit is not None and value > limit:
                binary = capacity.is_bytes(name)
                largest = capacity.largest(rendered.objects, namespace, name)
                yield Problem(
                    f"namespace {namespace}: {name} adds up to {spell(value, binary=binary)} at "
                    f"peak, above its quota of {spell(limit, binary=binary)} (the largest part is "
                    f"for {largest.key})",
                    "raise the quota in charts/cluster, or lower the requests and limits",
                    about=(largest,),
                )
