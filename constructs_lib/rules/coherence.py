"""Objects fit together: every name leads to something, and every selector picks what it means."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from constructs_lib.manifests.external_secret import EVERY_KEY, keys_of, remote_keys, secret_of
from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.manifests.references import Reference, of_object, of_workload
from constructs_lib.manifests.routes import (
    ACTION,
    answers_itself,
    backends,
    is_listening,
    paths,
    port_of,
)
from constructs_lib.manifests.selectors import selects
from constructs_lib.manifests.workload import Workload, behind, selected, workloads
from constructs_lib.rules.model import PODS, Rendered, rule

_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_CONTROLLERS = ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")


def _is_known(objects: Objects, namespace: str) -> bool:
    """Whether all that a namespace holds is rendered here."""
    return objects.get(Key("", "Namespace", "", namespace)) is not None


def _unknown(references: Iterator[Reference], objects: Objects) -> Iterator[str]:
    for to, what in references:
        secret = to.kind == "Secret" and (to.namespace, to.name) in keys_of(objects)
        if not secret and objects.get(to) is None:
            yield f"{what} names {to}, which is not declared"


@rule(
    "references-lead-somewhere",
    PODS,
    risk="downtime",
    remedy="declare it, or correct the name",
    covers="kube-linter:non-existent-service-account kube-score:statefulset-has-servicename",
)
def references_exist(workload: Workload, rendered: Rendered) -> Iterator[str]:
    """A pod that names what is not there does not start."""
    if _is_known(rendered.objects, workload.namespace):
        yield from _unknown(of_workload(workload), rendered.objects)


@rule(
    "secrets-are-provided",
    PODS,
    risk="secret",
    remedy="declare it, or correct the name",
)
def secrets_are_provided(workload: Workload, rendered: Rendered) -> Iterator[str]:
    """A pod without its Secret, ConfigMap or key of one does not start."""
    if not _is_known(rendered.objects, workload.namespace):
        return
    secrets = keys_of(rendered.objects)
    for read in workload.reads:
        place = (workload.namespace, read.name)
        item = rendered.objects.get(Key("", read.kind, *place))
        keys: frozenset[str] | None = None
        if read.kind == "Secret" and place in secrets:
            keys = secrets[place]
        elif item is not None:
            parts = (item.manifest.get(field) or {} for field in ("data", "binaryData"))
            keys = frozenset(key for part in parts for key in part)
        elif not read.optional:
            yield f"reads the {read.kind} {read.name}, which is not declared"
            continue
        if read.key and keys is not None and read.key not in keys and not read.optional:
            yield f"reads the key {read.key} of the {read.kind} {read.name}, which has no such key"


@rule(
    "objects-refer-to-what-exists",
    "ExternalSecret",
    "HorizontalPodAutoscaler",
    "Ingress",
    "RoleBinding",
    "ClusterRoleBinding",
    "Application",
    risk="downtime",
    remedy="declare it, or correct the name",
    covers="kube-linter:dangling-ingress kube-linter:dangling-horizontalpodautoscaler "
    "kube-score:ingress-targets-service kube-score:horizontalpodautoscaler-has-target",
)
def objects_refer(item: Object, rendered: Rendered) -> Iterator[str]:
    """An object that names what is not there does nothing."""
    if _is_known(rendered.objects, item.namespace) or item.kind == "Application":
        yield from _unknown(of_object(item), rendered.objects)


@rule(
    "services-reach-a-container",
    "Service",
    risk="downtime",
    remedy="correct targetPort, or the selector",
    covers="kube-score:service-targets-pod kube-score:container-ports-check "
    "kube-linter:dangling-service",
)
def services_reach(service: Object, rendered: Rendered) -> Iterator[str]:
    """A Service without a container behind its port answers nothing."""
    if service.spec.get("type") == "ExternalName" or not service.spec.get("selector"):
        return
    pods = behind(rendered.objects, service)
    if not pods:
        yield "no pod has the labels that it selects"
        return
    if len({workload.key for workload in pods if workload.serves}) > 1:
        names = ", ".join(str(workload.key) for workload in pods)
        yield f"selects the pods of several workloads ({names}); give it a label that one has"
    for port in service.spec.get("ports") or ():
        target = port.get("targetPort", port.get("port"))
        if not any(is_listening(one, target, port.get("protocol", "TCP")) for one in pods):
            yield f"port {port.get('port')} leads to {target}, on which no container listens"


@rule(
    "ingresses-reach-a-service",
    "Ingress",
    risk="downtime",
    remedy="name a port of the Service",
    covers="kube-score:ingress-targets-service kube-linter:dangling-ingress",
)
def ingresses_reach(ingress: Object, rendered: Rendered) -> Iterator[str]:
    """A request that the load balancer cannot pass on fails."""
    for backend in backends(ingress):
        key = Key("", "Service", ingress.namespace, str(backend.get("name")))
        service, reference = rendered.objects.get(key), backend.get("port") or {}
        if service and port_of(service, reference) is None:
            port = reference.get("name", reference.get("number"))
            yield f"sends to port {port} of {key}, which has no such port"
    for host, path in paths(ingress):
        if answers_itself(path.get("backend") or {}):
            name = path["backend"]["service"].get("name")
            if not _is_json(ingress.annotations.get(f"{ACTION}{name}")):
                yield (
                    f"{host}{path.get('path')} is answered by the annotation {ACTION}{name}, which "
                    "is missing or not JSON; add it"
                )


def _is_json(text: str | None) -> bool:
    try:
        return isinstance(json.loads(text or ""), dict)
    except ValueError:
        return False


@rule(
    "workloads-select-their-own-pods",
    PODS,
    risk="downtime",
    remedy="give its pods a label of their own, and select by it",
    covers="kube-score:deployment-pod-selector-labels-match-template-metadata-labels "
    "kube-score:statefulset-pod-selector-labels-match-template-metadata-labels "
    "kube-linter:mismatching-selector",
)
def workloads_select(workload: Workload, _: Rendered) -> Iterator[str]:
    """The API server refuses a controller that does not select its own pods."""
    if workload.kind not in _CONTROLLERS:
        return
    selector = workload.object.spec.get("selector") or {}
    if not selects(selector, workload.labels):
        yield "its selector does not pick its own pods; correct the labels of the template"
    elif not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield "its selector picks every pod"


@rule(
    "workloads-share-no-pods",
    PODS,
    risk="downtime",
    remedy="give its pods a label of their own, and select by it",
)
def workloads_share_nothing(workload: Workload, rendered: Rendered) -> Iterator[str]:
    """Two controllers that select the same pods delete each other's."""
    if workload.kind not in _CONTROLLERS:
        return
    selector = workload.object.spec.get("selector") or {}
    for other in selected(rendered.objects, workload.namespace, selector):
        if other.key != workload.key:
            yield f"its selector picks the pods of {other.key}, too"


@rule(
    "selectors-pick-something",
    "NetworkPolicy",
    "PodDisruptionBudget",
    risk="exposure",
    remedy="correct the selector",
    needs_platform=True,
    covers="kube-score:networkpolicy-targets-pod kube-linter:dangling-networkpolicy",
)
def selectors_pick(item: Object, rendered: Rendered) -> Iterator[str]:
    """A policy or budget for no pod protects none, and one for two workloads means neither."""
    field = "podSelector" if item.kind == "NetworkPolicy" else "selector"
    selector = item.spec.get(field) or {}
    if item.kind == "NetworkPolicy" and not selector:
        return
    picked = selected(rendered.objects, item.namespace, selector)
    if not picked:
        yield f"{field} picks no pod"
    elif len(picked) > 1:
        yield f"{field} picks the pods of {', '.join(str(one.key) for one in picked)}"


@rule(
    "pods-are-spread-by-their-own-label",
    PODS,
    risk="downtime",
    remedy="use the labels of its own pods",
    needs_platform=True,
)
def spread_by_own_label(workload: Workload, _: Rendered) -> Iterator[str]:
    """A constraint on other pods spreads nothing."""
    for constraint in workload.pod.get("topologySpreadConstraints") or ():
        if not selects(constraint.get("labelSelector"), workload.labels):
            yield f"the spread over {constraint.get('topologyKey')} counts other pods"


@rule(
    "probes-ask-open-ports",
    PODS,
    risk="downtime",
    remedy="name a port that the container declares",
    covers="kube-linter:liveness-port kube-linter:readiness-port kube-linter:startup-port",
)
def probes_ask_open_ports(workload: Workload, _: Rendered) -> Iterator[str]:
    """A probe of a port on which nothing listens fails forever."""
    for container in workload.every_container:
        declared = {
            port.get(field)
            for port in container.get("ports") or ()
            for field in ("name", "containerPort")
        }
        for probe in _PROBES:
            for handler in ("httpGet", "tcpSocket", "grpc"):
                asked = ((container.get(probe) or {}).get(handler) or {}).get("port")
                if asked is not None and asked not in declared:
                    yield f"container {container['name']}: the {probe} asks port {asked}"


@rule(
    "names-are-declared-once",
    PODS,
    risk="update",
    remedy="keep one",
    covers="kube-linter:duplicate-env-vars kube-score:environment-variable-key-duplication",
)
def declared_once(workload: Workload, _: Rendered) -> Iterator[str]:
    """Of two entries with one name, one is lost silently."""
    names = [volume.get("name") for volume in workload.pod.get("volumes") or ()]
    yield from (f"declares volume {name} twice" for name in _twice(names))
    for container in workload.every_container:
        title = f"container {container['name']}"
        variables = [one.get("name") for one in container.get("env") or ()]
        mounts = [one.get("mountPath") for one in container.get("volumeMounts") or ()]
        ports = [
            f"{one.get('containerPort')} {one.get('protocol', 'TCP')}"
            for one in container.get("ports") or ()
        ]
        yield from (f"{title} declares variable {name} twice" for name in _twice(variables))
        yield from (f"{title} mounts two volumes at {path}" for path in _twice(mounts))
        yield from (f"{title} declares port {port} twice" for port in _twice(ports))
    ours = [one.get("name") for one in workload.every_container]
    yield from (f"has two containers {name}" for name in _twice(ours))


def _twice(values: Iterable[object]) -> list[object]:
    return [value for value, count in Counter(values).items() if count > 1]


@rule(
    "mounts-have-a-volume",
    PODS,
    risk="downtime",
    remedy="declare the volume, and mount each",
)
def mounts_have_a_volume(workload: Workload, _: Rendered) -> Iterator[str]:
    """The API server refuses a mount without a volume; a volume without a mount is a mistake."""
    volumes = {volume.get("name") for volume in workload.pod.get("volumes") or ()}
    mounted = {
        mount.get("name")
        for container in workload.every_container
        for field in ("volumeMounts", "volumeDevices")
        for mount in container.get(field) or ()
    }
    yield from (f"mounts the volume {name}, which is not declared" for name in mounted - volumes)
    yield from (f"declares the volume {name}, which is not mounted" for name in volumes - mounted)


@rule(
    "secrets-are-made-whole",
    "ExternalSecret",
    risk="secret",
    remedy="correct it",
)
def secrets_are_made_whole(item: Object, _: Rendered) -> Iterator[str]:
    """External Secrets must own the Secret that it makes, and make all of its keys."""
    target = item.spec.get("target") or {}
    if target.get("creationPolicy", "Owner") != "Owner":
        yield f"does not own its Secret (creationPolicy: {target['creationPolicy']})"
    if target.get("deletionPolicy", "Retain") != "Retain":
        yield f"deletes what the Secret lost in SSM (deletionPolicy: {target['deletionPolicy']})"
    if str(item.spec.get("refreshInterval", "1h")).rstrip("hms") in ("", "0"):
        yield "is never read again (refreshInterval: 0)"
    keys = [key for key, _ in remote_keys(item.manifest)]
    if not keys:
        yield "reads nothing"
    yield from (f"reads two parameters into {key}" for key in _twice(keys) if key != EVERY_KEY)
    template = (target.get("template") or {}).get("data") or {}
    for name, text in template.items():
        if not any(f".{key} " in str(text) for key in keys) and EVERY_KEY not in keys:
            yield f"makes the key {name} of no parameter that it reads"


@rule(
    "secrets-are-read",
    "ExternalSecret",
    risk="secret",
    remedy="remove it, or correct the name that its reader uses",
    needs_platform=True,
)
def secrets_are_read(item: Object, rendered: Rendered) -> Iterator[str]:
    """A Secret that no pod reads is one copy more that can leak."""
    secret = secret_of(item.manifest)
    if secret not in _read_secrets(rendered.objects).get(item.namespace, ()):
        yield f"makes the Secret {secret}, which no pod reads"


@lru_cache(maxsize=2)
def _read_secrets(objects: Objects) -> Mapping[str, set[str]]:
    """By namespace, the Secrets that something uses."""
    found: dict[str, set[str]] = defaultdict(set)
    for workload in workloads(objects):
        found[workload.namespace].update(workload.secrets, workload.pull_secrets)
    for ingress in objects.of_kinds("Ingress"):
        for to, _ in of_object(ingress):
            found[ingress.namespace].add(to.name)
    return found


RULES = (
    secrets_are_read,
    references_exist,
    secrets_are_provided,
    objects_refer,
    services_reach,
    ingresses_reach,
    workloads_select,
    workloads_share_nothing,
    selectors_pick,
    spread_by_own_label,
    probes_ask_open_ports,
    declared_once,
    mounts_have_a_volume,
    secrets_are_made_whole,
)
