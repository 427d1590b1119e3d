"""Rules for annotations of the AWS Load Balancer Controller."""

from __future__ import annotations

from collections import defaultdict

from constructs_lib.errors import DeclarationError
from constructs_lib.manifests.objects import Object
from constructs_lib.manifests.routes import ALB
from constructs_lib.model.names import check_ranges
from constructs_lib.rules.model import Problem, Problems, Rendered, rule

_ATTRIBUTES = f"{ALB}load-balancer-attributes"
_INBOUND = f"{ALB}inbound-cidrs"
_SECURITY_GROUPS = f"{ALB}security-groups"
_OF_A_LOAD_BALANCER = (
    "scheme",
    "load-balancer-attributes",
    "inbound-cidrs",
    "ip-address-type",
    "subnets",
)
_LOGS = {
    "access_logs.s3": "access logs",
    "connection_logs.s3": "connection logs",
    "health_check_logs.s3": "health check logs",
}
"""Attribute prefixes by log type."""


@rule(risk="exposure", remedy="set the same value", needs_platform=True)
def conflicting_load_balancer_settings(rendered: Rendered) -> Problems:
    """The controller rejects different load balancer settings within one Ingress group."""
    groups: dict[str, list[Object]] = defaultdict(list)
    for item in rendered.objects.of_kinds("Ingress"):
        if name := item.annotations.get(f"{ALB}group.name"):
            groups[name].append(item)
    for name, ingresses in groups.items():
        for what in _OF_A_LOAD_BALANCER:
            values = {one.annotations.get(f"{ALB}{what}") for one in ingresses}
            if what == "inbound-cidrs":
                values.discard(None)  # unset: the controller uses the value of the others
            if len(values) > 1:
                yield Problem(
                    f"{', '.join(str(one.key) for one in ingresses)} share the load balancer "
                    f"{name}, but differ in {what}",
                    "set the same value",
                )


@rule(
    "Ingress",
    risk="update",
    remedy="set both the .enabled and the .bucket attribute, as access_logs_bucket does",
)
def incomplete_load_balancer_logs(ingress: Object, _: Rendered) -> Problems:
    """AWS rejects logs without a bucket; a bucket without enabled logs stays empty."""
    pairs = ingress.annotations.get(_ATTRIBUTES, "").split(",")
    stated = {
        name.strip(): value.strip() for name, _, value in (pair.partition("=") for pair in pairs)
    }
    for prefix, what in _LOGS.items():
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
    if _SECURITY_GROUPS in ingress.annotations:
        yield Problem(
            "the controller ignores inbound-cidrs because security-groups is set",
            "remove one of them (inbound-cidrs with Alb(inbound_cidrs=()))",
        )
    ranges = [one.strip() for one in ingress.annotations[_INBOUND].split(",")]
    try:
        check_ranges(ranges, "inbound-cidrs")
    except DeclarationError as error:
        yield Problem(str(error), remedy="")
