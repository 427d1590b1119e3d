"""What an Ingress asks of the AWS Load Balancer Controller takes effect."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from constructs_lib.errors import DeclarationError
from constructs_lib.manifests.objects import Object
from constructs_lib.manifests.routes import ALB
from constructs_lib.names import check_ranges
from constructs_lib.rules.model import Rendered, rule

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
"""Prefixes of the attributes of each kind of log."""


@rule("load-balancers-agree", risk="exposure", remedy="give them one value", needs_platform=True)
def load_balancers_agree(rendered: Rendered) -> Iterator[str]:
    """Of what concerns a whole load balancer, the controller refuses two values in one group."""
    groups: dict[str, list[Object]] = defaultdict(list)
    for item in rendered.objects.of_kinds("Ingress"):
        if name := item.annotations.get(f"{ALB}group.name"):
            groups[name].append(item)
    for name, ingresses in groups.items():
        for what in _OF_A_LOAD_BALANCER:
            values = {one.annotations.get(f"{ALB}{what}") for one in ingresses}
            if what == "inbound-cidrs":
                values.discard(None)  # an Ingress that names none takes those of the others
            if len(values) > 1:
                yield (
                    f"{', '.join(str(one.key) for one in ingresses)} share the load balancer "
                    f"{name}, but not {what}; give them one value"
                )


@rule(
    "load-balancer-logs-have-a-bucket",
    "Ingress",
    risk="update",
    remedy="set both the .enabled and the .bucket attribute, as access_logs_bucket does",
)
def logs_have_a_bucket(ingress: Object, _: Rendered) -> Iterator[str]:
    """AWS refuses logs without a bucket, and a bucket without logs stays empty."""
    pairs = ingress.annotations.get(_ATTRIBUTES, "").split(",")
    stated = {
        name.strip(): value.strip() for name, _, value in (pair.partition("=") for pair in pairs)
    }
    for prefix, what in _LOGS.items():
        enabled = stated.get(f"{prefix}.enabled") == "true"
        if enabled and not stated.get(f"{prefix}.bucket"):
            yield f"writes {what}, but names no bucket"
        if not enabled and (stated.keys() & {f"{prefix}.bucket", f"{prefix}.prefix"}):
            yield f"names a place for {what}, but writes none"


@rule(
    "inbound-ranges-are-admitted",
    "Ingress",
    risk="exposure",
    remedy="write CIDR ranges separated by commas, and no security-groups annotation",
)
def inbound_ranges_hold(ingress: Object, _: Rendered) -> Iterator[str]:
    """The controller ignores inbound-cidrs where security groups are named."""
    if _INBOUND not in ingress.annotations:
        return
    if _SECURITY_GROUPS in ingress.annotations:
        yield (
            "names security-groups, for which the controller ignores inbound-cidrs; remove one, "
            "the latter with Alb(inbound_cidrs=())"
        )
    ranges = [one.strip() for one in ingress.annotations[_INBOUND].split(",")]
    try:
        check_ranges(ranges, "inbound-cidrs")
    except DeclarationError as error:
        yield str(error)


RULES = (load_balancers_agree, logs_have_a_bucket, inbound_ranges_hold)
