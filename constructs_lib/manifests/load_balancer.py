"""Settings of load balancers: annotations of the AWS Load Balancer Controller, and attributes."""

import re
from math import inf

from constructs_lib.manifests.facts import Reading, Readings, fact, field_of
from constructs_lib.manifests.network import ALB
from constructs_lib.manifests.objects import Object, Objects

_INGRESS = ("networking.k8s.io", "Ingress")


def setting(item: Object, name: str) -> str:
    """An annotation, or its default."""
    row = field_of(_INGRESS, ("metadata", "annotations", f"{ALB}{name}"))
    default = str(row.default) if row and row.default else ""
    return item.annotations.get(f"{ALB}{name}", default)


def number(item: Object, name: str) -> float:
    """A setting in digits; infinite if it is not."""
    text = setting(item, name)
    return float(text) if text.isdigit() else inf


def attributes(item: Object, name: str) -> dict[str, str]:
    """The attributes in an annotation: `a=b,c=d`."""
    pairs = (pair.partition("=") for pair in setting(item, name).split(",") if pair.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


@fact("Ingress", "Service", risk="downtime")
def time_to_notice(item: Object, _: Objects) -> Readings:
    """A load balancer notices a failing pod, or a new one, after several health checks."""
    names = ("healthcheck-interval-seconds", "unhealthy-threshold-count", "healthy-threshold-count")
    interval, failures, successes = (number(item, name) for name in names)
    for part, says, checks in (
        ("failing pods", "get requests for up to {}", failures),
        ("new pods", "get no requests for {}", successes),
    ):
        seconds = interval * checks
        level = "medium" if seconds < inf else "high"
        yield Reading(says, f"{seconds:g} s", seconds, level, part)


@fact("Ingress", "Service", risk="downtime")
def healthy_statuses(item: Object, _: Objects) -> Readings:
    """Pods are healthy if they answer health checks with one of these statuses."""
    codes = setting(item, "success-codes")
    ranges = re.findall(r"(?:^|,) *(\d{1,3})(?:-(\d{1,3}))?(?= *,| *$)", codes)
    accepted = frozenset(n for a, b in ranges for n in range(int(a), int(b or a) + 1))
    refused = frozenset(range(1000)) - accepted
    says = "fail for other statuses than {}; if all pods answer so, none is healthy"
    yield Reading(says, codes, refused, "high", "health checks")
    yield Reading("are healthy if they answer {}, also with errors", codes, accepted, part="pods")


def controller(ingress: Object) -> str:
    """The name of its ingress class; empty if it states none."""
    name = ingress.spec.get("ingressClassName") or ""
    return ingress.annotations.get("kubernetes.io/ingress.class") or name


@fact("Ingress", risk="exposure")
def controller_changed(ingress: Object, _: Objects) -> Readings:
    """Another ingress controller serves the hosts, with another load balancer."""
    name = controller(ingress) or "the default"
    yield Reading("is served by another ingress controller: {}", name, badness=None, level="high")


@fact("Ingress", risk="downtime")
def backends_open(item: Object, _: Objects) -> Readings:
    """Requests time out if nothing opens the security groups of pods to the load balancer."""
    own = str(f"{ALB}security-groups" not in item.annotations).lower()
    if item.annotations.get(f"{ALB}manage-backend-security-group-rules", own) == "true":
        yield Reading("the controller opens the security groups of its pods to it")
    else:
        says = "if you do not open the security groups of its pods to it, all requests time out"
        yield Reading(says, badness=1, level="high")
