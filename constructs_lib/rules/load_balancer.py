"""Rules for load balancers and the pods that they send to."""

from constructs_lib.manifests import network
from constructs_lib.manifests.load_balancer import attributes
from constructs_lib.manifests.objects import Object
from constructs_lib.manifests.routing import is_of_alb, load_balancers
from constructs_lib.rules.model import Problem, Problems, Rendered, rule

_DELAY = "deregistration_delay.timeout_seconds"
_IDLE = "idle_timeout.timeout_seconds"
_KEEP_ALIVE = "UVICORN_TIMEOUT_KEEP_ALIVE"
"""The variable with the keep-alive timeout of uvicorn; those of other servers are in no object."""


@rule(risk="downtime", remedy="correct it")
def rejected_ingress(rendered: Rendered) -> Problems:
    """If the controller rejects an Ingress, it updates nothing of its load balancer any more."""
    for balancer in load_balancers(rendered.objects):
        for ingress, reason in balancer.rejections():
            others = [str(one.key) for one in balancer.members if one is not ingress]
            also = f", also for {', '.join(others)}" if others else ""
            text = f"{reason}: the controller rejects it and no longer updates its load balancer"
            yield Problem(f"{text}{also}", object=ingress)


@rule(risk="exposure", remedy="change the order, or the path", reviewed_by_field=True)
def shadowed_path(rendered: Rendered) -> Problems:
    """No request reaches a path if its load balancer sends them all elsewhere first."""
    for balancer in load_balancers(rendered.objects):
        for path, first in balancer.shadowed():
            taken = f"{first} of {first.route.ingress} comes first, and is {first.route}"
            ingress = rendered.objects.get(path.route.ingress)
            yield Problem(f"no request reaches {path}: {taken}", object=ingress)


@rule("Ingress", risk="downtime", remedy="open the port to the addresses of the load balancer")
def closed_backend(ingress: Object, rendered: Rendered) -> Problems:
    """Requests time out if no policy of the pods admits the load balancer, by its addresses."""
    subnets = rendered.platform.alb_subnets if rendered.platform else ()
    for workload, port in network.targets(rendered.objects, ingress) if is_of_alb(ingress) else ():
        rules = network.rules_of(rendered.objects, workload, "Ingress")
        if rules is None:
            continue
        names = (port["containerPort"], port.get("name"))
        opened = [rule for rule in rules if any(map(rule.has_port, names))]
        if not network.admits_addresses(opened, subnets):
            yield (
                f"sends to port {port['containerPort']} of {workload.key}, which no NetworkPolicy "
                "opens to the load balancer, so all requests fail"
            )


@rule(
    "Ingress", risk="downtime", remedy="change the attribute, or the program and its preStop hook"
)
def mismatching_timeouts(ingress: Object, rendered: Rendered) -> Problems:
    """Requests fail if pods close connections earlier than their load balancer expects."""
    for workload, port in network.targets(rendered.objects, ingress):
        container = next(one for one in workload.every_container if port in one.ports)
        delay = attributes(ingress, "target-group-attributes").get(_DELAY, "0")
        slept = container.sleeps_before_stop
        if slept is not None and slept < float(delay):
            text = f"waits {delay} s for the requests of a stopping pod ({_DELAY})"
            yield f"{text}, but {container} is stopped after {slept:g} s (preStop)", "", _DELAY
        idle = attributes(ingress, "load-balancer-attributes").get(_IDLE, "60")
        variables = {one["name"]: one.get("value") for one in container.get("env") or ()}
        kept = variables.get(_KEEP_ALIVE)
        if kept and float(kept) <= float(idle):
            why = f"{container} closes them after {kept} s ({_KEEP_ALIVE}), so clients see 502"
            yield f"keeps idle connections for {idle} s ({_IDLE}), but {why}", "", _IDLE
