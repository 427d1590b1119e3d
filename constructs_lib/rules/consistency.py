"""Rules for consistency between objects: references, selectors, ports, probes and volumes."""

from math import inf

from constructs_lib.manifests import network, secrets
from constructs_lib.manifests.objects import Key, Object, Objects, at, once_per_objects, selects
from constructs_lib.manifests.references import (
    DOCKER_CONFIG,
    EVERY_KEY,
    keys_of,
    of_object,
    remote_keys,
    secret_of,
    secret_type,
)
from constructs_lib.manifests.workload import Workload, behind, selected, workloads
from constructs_lib.rules.model import PODS, Problem, Problems, Rendered, repeated, rule

_CONTROLLERS = ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")


@rule(
    "ExternalSecret",
    risk="secret",
    remedy="remove it, or correct the name in the workload",
    needs_platform=True,
)
def unread_secret(item: Object, rendered: Rendered) -> Problems:
    """A Secret that no pod reads is an unnecessary copy; a pull secret is for pods to come."""
    secret = secret_of(item.manifest)
    has_pods = any(pod.namespace == item.namespace for pod in workloads(rendered.objects))
    read = (item.namespace, secret) in _read_secrets(rendered.objects)
    if not read and (has_pods or secret_type(item.manifest) != DOCKER_CONFIG):
        yield f"creates the Secret {secret}, but no pod reads it"


@once_per_objects
def _read_secrets(objects: Objects) -> set[tuple[str, str]]:
    """The namespace and name of every Secret that pods or Ingresses read."""
    of_pods = {
        (workload.namespace, secret)
        for workload in workloads(objects)
        for secret in (*workload.secrets, *workload.pull_secrets)
    }
    ingresses = objects.of_kinds("Ingress")
    return of_pods | {(to.namespace, to.name) for item in ingresses for to, _ in of_object(item)}


def _dangling(item: Object, rendered: Rendered) -> Problems:
    """The references of an object in a declared namespace to missing objects."""
    if item.namespace in rendered.namespaces or item.kind == "Application":
        for to, what in of_object(item):
            if to not in keys_of(rendered.objects) and rendered.objects.get(to) is None:
                others = rendered.objects.of_kinds(to.kind)
                moved = next((one.key for one in others if one.name == to.name), None)
                remedy = f"use the namespace of {moved} for both" if moved else None
                text = f"{what} refers to {to}, which is not declared"
                yield Problem(text, remedy, fields=(what,))


@rule(PODS, risk="downtime", remedy="declare it, or correct the name")
def dangling_pod_reference(workload: Workload, rendered: Rendered) -> Problems:
    """A pod that refers to a missing object does not start."""
    return _dangling(workload, rendered)


@rule(PODS, risk="secret", remedy="declare it, or correct the name")
def missing_secret(workload: Workload, rendered: Rendered) -> Problems:
    """A pod does not start if its Secret or ConfigMap, or a key of it, is missing."""
    if workload.namespace not in rendered.namespaces:
        return
    known = keys_of(rendered.objects)
    for read in dict.fromkeys(read._replace(live=False) for read in workload.reads):
        source = Key("", read.kind, workload.namespace, read.name)
        keys = known.get(source)
        if read.optional:
            continue
        if source not in known:
            yield f"reads the {read.kind} {read.name}, which is not declared"
        elif read.key and keys is not None and read.key not in keys:
            yield f"reads the key {read.key}, which does not exist in {read.kind} {read.name}"


@rule(
    *("ExternalSecret", "HorizontalPodAutoscaler", "Ingress"),
    *("RoleBinding", "ClusterRoleBinding", "Application"),
    risk="downtime",
    remedy="declare it, or correct the name",
)
def dangling_reference(item: Object, rendered: Rendered) -> Problems:
    """An object that refers to a missing object has no effect."""
    return _dangling(item, rendered)


@rule("ExternalSecret", risk="secret", remedy="correct the ExternalSecret")
def incomplete_external_secret(item: Object, rendered: Rendered) -> Problems:
    """External Secrets must own the Secret that it creates, and fill all of its keys."""
    target = at(item.spec, "target")
    if target.get("creationPolicy", "Owner") != "Owner":
        text = f"does not own its Secret (creationPolicy: {target['creationPolicy']})"
        yield text, "", "creationPolicy"
    if target.get("deletionPolicy", "Retain") != "Retain":
        text = f"deletes keys that are missing in SSM (deletionPolicy: {target['deletionPolicy']})"
        yield text, "", "deletionPolicy"
    if target.get("immutable"):
        yield "its Secret gets no new values until it is deleted", "", "immutable"
    for reading in secrets.time_to_refresh.read(item, rendered.objects):
        if reading.badness == inf:
            yield f"{reading.part} {reading}"
    pins = {one["secretKey"]: at(one, "remoteRef") for one in item.spec.get("data") or ()}
    yield from (
        f"reads version {remote['version']} of {key}, so that it gets no new values"
        for key, remote in pins.items()
        if remote.get("version")
    )
    keys = [key for key, _ in remote_keys(item.manifest)]
    if not keys:
        yield "reads no parameters"
    yield from (f"reads two parameters into {key}" for key in repeated(keys) if key != EVERY_KEY)
    for name, text in at(target, "template", "data").items():
        if not any(f".{key} " in str(text) for key in keys) and EVERY_KEY not in keys:
            yield f"creates the key {name} without a parameter that it reads"


@rule("Service", risk="downtime", remedy="correct targetPort, or the selector")
def dangling_service(service: Object, rendered: Rendered) -> Problems:
    """A Service without a container behind its port does not respond."""
    if service.spec.get("type") == "ExternalName" or not service.spec.get("selector"):
        return
    pods = behind(rendered.objects, service)
    if not pods:
        yield "its selector matches no pods", "", "selector"
        return
    if len({workload.key for workload in pods if workload.serves}) > 1:
        names = ", ".join(str(workload.key) for workload in pods)
        text = f"its selector matches pods of several workloads ({names})"
        yield Problem(text, "use a unique label", fields=("selector",))
    for port in service.spec.get("ports") or ():
        target, protocol = port.get("targetPort", port.get("port")), port.get("protocol", "TCP")
        if not any(network.listening(workload, target, protocol) for workload in pods):
            text = f"port {port.get('port')} targets {target}, but no container listens on it"
            yield text, "", "targetPort"


@rule("Ingress", risk="downtime", remedy="use a port of the Service")
def dangling_ingress(ingress: Object, rendered: Rendered) -> Problems:
    """Requests fail if the load balancer cannot forward them."""
    for key, reference in network.backends(ingress):
        service = rendered.objects.get(key)
        if service and network.port_of(service, reference) is None:
            port = reference.get("name", reference.get("number"))
            yield f"sends to port {port} of {key}, but that port does not exist"


@rule(PODS, risk="replace", remedy="correct the labels of the template")
def mismatching_selector(workload: Workload, _: Rendered) -> Problems:
    """The API server rejects a controller that does not select its own pods."""
    selector = at(workload.spec, "selector")
    if workload.kind in _CONTROLLERS and not selects(selector, workload.pod_labels):
        yield "the API server rejects it: its selector does not match its own pods"


@rule(PODS, risk="downtime", remedy="give its pods a unique label, and select by it")
def overlapping_selector(workload: Workload, rendered: Rendered) -> Problems:
    """Two controllers that select the same pods delete each other's."""
    if workload.kind not in _CONTROLLERS:
        return
    selector = at(workload.spec, "selector")
    for other in selected(rendered.objects, workload.namespace, selector):
        if other.key != workload.key:
            yield f"its selector also matches pods of {other.key}"


@rule(
    *("NetworkPolicy", "PodDisruptionBudget"),
    risk="exposure",
    remedy="correct the selector",
    needs_platform=True,
)
def imprecise_selector(item: Object, rendered: Rendered) -> Problems:
    """A policy or budget must select the pods of exactly one workload."""
    field = "podSelector" if item.kind == "NetworkPolicy" else "selector"
    selector = at(item.spec, field)
    if item.kind == "NetworkPolicy" and not selector:
        return
    picked = selected(rendered.objects, item.namespace, selector)
    if not picked:
        yield f"{field} matches no pods"
    elif len(picked) > 1:
        yield f"{field} matches pods of {', '.join(str(workload.key) for workload in picked)}"


@rule(PODS, risk="downtime", remedy="select the pods of the workload")
def ineffective_spread(workload: Workload, _: Rendered) -> Problems:
    """A topology spread constraint that selects other pods has no effect."""
    for constraint in workload.pod.get("topologySpreadConstraints") or ():
        if not selects(constraint.get("labelSelector"), workload.pod_labels):
            yield f"the spread constraint on {constraint.get('topologyKey')} counts other pods"


@rule(PODS, risk="downtime", remedy="use a port that the container declares")
def undeclared_probe_port(workload: Workload, _: Rendered) -> Problems:
    """A probe of a port that no program listens on always fails."""
    for container in workload.every_container:
        names = ("name", "containerPort")
        declared = {port.get(field) for port in container.ports for field in names}
        for field, probe in container.probes.items():
            for handler in ("httpGet", "tcpSocket", "grpc"):
                port = at(probe, handler).get("port")
                if port is not None and port not in declared:
                    yield f"{container}: {field} uses undeclared port {port}", container, field


@rule(PODS, risk="update", remedy="keep one of them")
def duplicate_name(workload: Workload, _: Rendered) -> Problems:
    """If two entries have the same name, one is silently dropped."""
    names = (volume.get("name") for volume in workload.volumes)
    yield from (f"declares volume {name} twice" for name in repeated(names))
    for container in workload.every_container:
        variables = (variable["name"] for variable in container.get("env") or ())
        mounts = (mount["mountPath"] for mount in container.get("volumeMounts") or ())
        ports = (
            f"{port.get('containerPort')} {port.get('protocol', 'TCP')}" for port in container.ports
        )
        named = (port["name"] for port in container.ports if "name" in port)
        yield from (f"{container} declares port {name} twice" for name in repeated(named))
        yield from (f"{container} declares variable {name} twice" for name in repeated(variables))
        yield from (f"{container} mounts two volumes at {path}" for path in repeated(mounts))
        yield from (f"{container} declares port {port} twice" for port in repeated(ports))
    names = (container.get("name") for container in workload.every_container)
    yield from (f"has two containers {name}" for name in repeated(names))


@rule(PODS, risk="downtime", remedy="declare and mount each volume")
def unmatched_volume(workload: Workload, _: Rendered) -> Problems:
    """The API server rejects a mount without a volume; a volume without a mount is unused."""
    volumes = {volume.get("name") for volume in workload.volumes}
    mounted = {
        mount["name"]
        for container in workload.every_container
        for field in ("volumeMounts", "volumeDevices")
        for mount in container.get(field) or ()
    }
    yield from (f"mounts the volume {name}, which is not declared" for name in mounted - volumes)
    yield from (f"declares the volume {name}, which is not mounted" for name in volumes - mounted)
