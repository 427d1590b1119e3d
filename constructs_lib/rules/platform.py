"""Rules for files, namespaces, parameters, hosts and load balancers of the platform."""

import re
from collections import Counter, defaultdict
from difflib import get_close_matches

from constructs_lib.errors import DeclarationError
from constructs_lib.manifests.argocd import NAMESPACE as ARGO_CD
from constructs_lib.manifests.load_balancer import attributes, controller
from constructs_lib.manifests.network import ALB, SCHEME, hosts
from constructs_lib.manifests.objects import Key, Object, is_cluster_scoped
from constructs_lib.manifests.references import remote_keys, repository
from constructs_lib.manifests.routing import listeners, load_balancers
from constructs_lib.manifests.workload import workloads
from constructs_lib.model.names import check_ranges
from constructs_lib.rules.model import ALL, Problem, Problems, Rendered, rule

_OF_KUBERNETES = re.compile(r"[a-z]*|.+\.k8s\.io")
_INBOUND = f"{ALB}inbound-cidrs"
_SHARED = ("scheme", "load-balancer-attributes", "inbound-cidrs", "ip-address-type", "subnets")
"""The settings of a load balancer, which all Ingresses of a group share."""
_TLS = ("ELBSecurityPolicy-TLS13-", "ELBSecurityPolicy-FS-1-2-")


@rule(
    "PersistentVolumeClaim",
    risk="downtime",
    remedy="use the Storage construct",
    needs_platform=True,
)
def unbindable_claim(claim: Object, rendered: Rendered) -> Problems:
    """A pod stays Pending if no volume matches its claim."""
    storage_class = rendered.required_platform.storage_class
    if claim.spec.get("storageClassName") != storage_class:
        yield (
            f"uses the storage class {claim.spec.get('storageClassName')}, but the platform uses "
            f"{storage_class or 'the default'}"
        )


@rule(risk="update", remedy="rename one chart", needs_platform=True)
def duplicate_file(rendered: Rendered) -> Problems:
    """Two charts with the same directory and name would overwrite each other."""
    for path, count in sorted(Counter(rendered.files).items()):
        if count > 1:
            yield Problem(f"{path} is written by two charts", "rename one")


@rule(ALL, risk="update", remedy="declare each object separately", needs_platform=True)
def nested_objects(item: Object, _: Rendered) -> Problems:
    """The rules do not check objects inside a List."""
    if item.kind.endswith("List") and "items" in item.manifest:
        yield "contains other objects"


@rule(risk="update", remedy="rename one", needs_platform=True)
def duplicate_object(rendered: Rendered) -> Problems:
    """If two charts declare an object, their Applications revert each other's changes."""
    declared: dict[Key, list[Object]] = defaultdict(list)
    for item in rendered.objects:
        declared[item.key].append(item)
    for key, items in declared.items():
        if len(items) > 1:
            text = f"{key} is declared {len(items)} times"
            yield Problem(text, "rename one of the workloads", about=tuple(items))


@rule(
    ALL, risk="update", remedy="set the namespace of the chart or the object", needs_platform=True
)
def wrong_scope(item: Object, _: Rendered) -> Problems:
    """Argo CD puts an object without a namespace into the namespace of its Application."""
    if is_cluster_scoped(item.manifest):
        if item.namespace:
            yield Problem("is cluster-scoped", "declare it in a chart with namespace=None")
    elif not item.namespace and _OF_KUBERNETES.fullmatch(item.key.group):
        yield "has no namespace"


@rule(ALL, risk="update", remedy="correct the namespace, or declare it", needs_platform=True)
def undeclared_namespace(item: Object, rendered: Rendered) -> Problems:
    """Argo CD would create a mistyped namespace without quota, policies or pull secret."""
    declared = rendered.namespaces
    if declared and item.namespace and item.namespace not in {*declared, ARGO_CD}:
        text = f"is in namespace {item.namespace}, which is not declared"
        yield Problem(text, f"the declared namespaces are {', '.join(sorted(declared))}")


@rule(risk="exposure", remedy="correct the hosts", needs_platform=True)
def mismatching_hosts(rendered: Rendered) -> Problems:
    """Exactly one Ingress must serve each host of the platform, and no other hosts."""
    platform = rendered.required_platform
    served: dict[str, list[Object]] = defaultdict(list)
    for item in rendered.objects.of_kinds("Ingress"):
        for host in hosts(item):
            if host == "*":
                text = f"{item.key} serves every host"
                yield Problem(text, "set the host of each rule", about=(item,))
            else:
                served[host].append(item)
    unserved = [host for host in platform.hosts if host not in served]
    for host, items in served.items():
        if len(items) == 1 and host in platform.hosts:
            continue
        names = ", ".join(f"{item.namespace}/{item.name}" for item in items)
        text, remedy = f"host {host} is served by {names}", "use a separate host for each"
        if host not in platform.hosts:
            text = f"{items[0].key} serves {host}, which the certificate does not cover"
            remedy = "add it to catalogue/hosts.py"
        for meant in get_close_matches(host, unserved, 1, 0):
            unserved.remove(meant)
            remedy = f"serve {meant}, which no Ingress serves, or {remedy}"
        yield Problem(text, remedy, about=tuple(items))
    for host in unserved:
        yield Problem(f"no Ingress serves the host {host} in catalogue/hosts.py", "remove it")


@rule(
    risk="secret", remedy="remove unused parameters, and declare missing ones", needs_platform=True
)
def mismatching_parameters(rendered: Rendered) -> Problems:
    """The stack must create exactly the parameters that services read."""
    platform = rendered.required_platform
    where = "catalogue/parameters.py"
    read: dict[str, list[Object]] = {
        parameter.path: [] for job in rendered.pending for parameter in job.parameters
    }
    for item in rendered.objects.of_kinds("ExternalSecret"):
        for _, path in remote_keys(item.manifest):
            read.setdefault(path, []).append(item)
    unread = {*platform.parameters} - read.keys()
    for path in sorted(read.keys() - {*platform.parameters}):
        text = f"parameter {path} is read, but not declared, so the stack does not create it"
        alike = get_close_matches(path, sorted(unread), 1, 0.8)
        unread -= {*alike}
        other = "".join(f"read {one}, which no service reads, or " for one in alike)
        yield Problem(text, f"{other}add it to {where}", about=tuple(read[path]))
    for path in sorted(unread):
        yield Problem(f"parameter {path} is not read by any service", f"remove it from {where}")


@rule(risk="update", remedy="remove the pin", needs_platform=True)
def unused_pin(rendered: Rendered) -> Problems:
    """An unused pin means that a chart is missing or that the pin is obsolete."""
    platform = rendered.required_platform
    used = {
        repository(image).removeprefix(f"{platform.registry}/")
        for workload in workloads(rendered.objects)
        for image in workload.images
    }
    for service in sorted(set(platform.images) - used):
        text = f"catalogue/images/{service}.pin pins an image that no pod runs"
        remedy = "list its chart in charts/registry.py, or remove the pin"
        named = (item for item in workloads(rendered.objects) if item.name == service)
        yield Problem(text, remedy, about=tuple(named))


@rule("Ingress", risk="exposure", remedy="use the Alb construct")
def unencrypted_ingress(ingress: Object, rendered: Rendered) -> Problems:
    """Requests from the internet must use TLS and go directly to the pods."""
    notes = ingress.annotations
    certificate = rendered.platform.certificate_arn if rendered.platform else None
    if certificate and notes.get(f"{ALB}certificate-arn") != certificate:
        yield "does not use the platform's certificate (certificate-arn)"
    if notes.get(SCHEME) not in ("internal", "internet-facing"):
        yield f"does not set who can reach it (scheme {notes.get(SCHEME)})"
    protocols = {protocol for protocol, _ in listeners(ingress)}
    if "HTTPS" not in protocols or f"{ALB}listen-ports" not in notes:
        yield "does not say that it listens on HTTPS (listen-ports)"
    if "HTTP" in protocols and f"{ALB}ssl-redirect" not in notes:
        yield "responds without TLS (no ssl-redirect)"
    if not notes.get(f"{ALB}ssl-policy", "").startswith(_TLS):
        yield f"allows old versions of TLS (ssl-policy {notes.get(f'{ALB}ssl-policy')})"
    if notes.get(f"{ALB}target-type") != "ip":
        yield "sends to nodes, which does not work with ClusterIP Services (target-type)"
    if not controller(ingress):
        yield "has no ingress class, so no controller may serve it"


@rule(risk="exposure", remedy="set the same value", needs_platform=True)
def conflicting_load_balancer_settings(rendered: Rendered) -> Problems:
    """The controller rejects different load balancer settings within one Ingress group."""
    for balancer in load_balancers(rendered.objects):
        sharing = ", ".join(str(ingress.key) for ingress in balancer.members)
        name = balancer.members[0].annotations.get(f"{ALB}group.name")
        for what in _SHARED:
            values = {ingress.annotations.get(f"{ALB}{what}") for ingress in balancer.members}
            if what == "inbound-cidrs":
                values.discard(None)  # unset: the controller uses the value of the others
            if len(values) > 1:
                text = f"{sharing} share the load balancer {name}, but differ in {what}"
                yield Problem(text, about=balancer.members)


@rule(
    "Ingress",
    risk="update",
    remedy="set both the .enabled and the .bucket attribute, as access_logs_bucket does",
)
def incomplete_load_balancer_logs(ingress: Object, _: Rendered) -> Problems:
    """AWS rejects logs without a bucket; a bucket without enabled logs stays empty."""
    stated = attributes(ingress, "load-balancer-attributes")
    for logs in ("access_logs", "connection_logs", "health_check_logs"):
        prefix, what = f"{logs}.s3", logs.replace("_", " ")
        enabled = stated.get(f"{prefix}.enabled") == "true"
        if enabled and not stated.get(f"{prefix}.bucket"):
            yield f"enables {what}, but sets no bucket"
        if not enabled and (stated.keys() & {f"{prefix}.bucket", f"{prefix}.prefix"}):
            yield f"sets a bucket or prefix for {what}, but does not enable them"


@rule(
    "Ingress",
    risk="exposure",
    remedy="use comma-separated CIDR ranges, and remove the security-groups annotation",
)
def invalid_inbound_ranges(ingress: Object, _: Rendered) -> Problems:
    """The controller ignores inbound-cidrs if security-groups is set."""
    if _INBOUND not in ingress.annotations:
        return
    if f"{ALB}security-groups" in ingress.annotations:
        text = "the controller ignores inbound-cidrs because security-groups is set"
        yield Problem(text, "remove one of them (inbound-cidrs with Alb(inbound_cidrs=()))")
    ranges = [cidr.strip() for cidr in ingress.annotations[_INBOUND].split(",")]
    try:
        check_ranges(ranges, "inbound-cidrs")
    except DeclarationError as error:
        yield Problem(str(error), remedy="")
