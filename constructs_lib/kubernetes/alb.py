"""An Ingress for the AWS Load Balancer Controller, with timeouts that match its pods."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Literal

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.kube_object import KubeObject
from constructs_lib.model import Host, HttpGet, Positive, Probe
from constructs_lib.model.checks import Between, props
from constructs_lib.model.names import ObjectName, RoutePath, check_ranges
from constructs_lib.model.platform import Platform

if TYPE_CHECKING:
    from constructs_lib.kubernetes.workload import ProgramConstruct

_PREFIX = "alb.ingress.kubernetes.io"
_TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
_DENY = "deny"
DRAIN_MARGIN_SECONDS = 15
"""Time that a pod waits in addition to the deregistration delay: the controller deregisters a
target only after it sees the pod terminate, which may take one reconcile loop."""


@props
class Alb:
    """The Application Load Balancer of a web service. All times are in seconds.

    Raises DeclarationError for contradictory settings.
    """

    host: Host
    """The host name, covered by the certificate."""
    scheme: Literal["internet-facing", "internal"]
    """Public, or reachable only from inside the VPC."""
    keep_alive_seconds: Positive | None
    """Keep-alive timeout of the server. It must be longer than the load balancer's idle timeout;
    otherwise clients get a 502 when the server closes a connection first. None: the program has no
    such setting."""
    idle_timeout_seconds: Annotated[int, Between(1, 4000)] = 60
    """Idle timeout of the load balancer, 1 to 4000. The default is that of AWS."""
    deregistration_delay_seconds: Annotated[int, Between(0, 3600)] = 30
    """Time for a terminating pod to finish requests, 0 to 3600. Must not be shorter than the
    longest request. The default is our estimate; AWS defaults to 300."""
    listeners: tuple[Literal["HTTP", "HTTPS"], ...] = ("HTTP", "HTTPS")
    """Listeners on port 80 and 443. A redirect to HTTPS needs both."""
    ssl_redirect: bool = True
    """Whether HTTP is redirected to HTTPS."""
    denied_paths: tuple[RoutePath, ...] = ("/metrics",)
    """Path prefixes for which the load balancer returns 403."""
    further_hosts: tuple[Host, ...] = ()
    """Additional host names of the service. Default: none."""
    paths: tuple[RoutePath, ...] = ("/",)
    """Path prefixes that are routed to the service."""
    group: ObjectName | None = None
    """Name of an IngressGroup, whose Ingresses share one load balancer. They must have the same
    load balancer settings (`scheme`, `idle_timeout_seconds`). None: a dedicated load balancer."""
    inbound_cidrs: tuple[str, ...] | None = None
    """CIDR ranges that the security group admits. None: the Platform's `vpc_cidrs` for an internal
    load balancer, every address for a public one."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Additional `alb.ingress.kubernetes.io/` annotations, by full name. Load balancer and target
    group attributes are merged with those of the other props."""

    def __post_init__(self) -> None:
        if self.ssl_redirect and set(self.listeners) != {"HTTP", "HTTPS"}:
            raise DeclarationError(
                "ssl_redirect needs an HTTP and an HTTPS listener; "
                'keep listeners=("HTTP", "HTTPS") or set ssl_redirect=False'
            )
        if self.keep_alive_seconds and self.keep_alive_seconds <= self.idle_timeout_seconds:
            raise DeclarationError(
                f"keep_alive_seconds={self.keep_alive_seconds} must be longer than "
                f"idle_timeout_seconds={self.idle_timeout_seconds}, or clients see 502"
            )

        if self.inbound_cidrs is not None:
            check_ranges(self.inbound_cidrs, "inbound_cidrs")
        self._check_routes()
        for key in self.annotations:
            if not key.startswith(f"{_PREFIX}/"):
                raise DeclarationError(
                    f"annotation {key} does not start with {_PREFIX}/; remove it"
                )

    @property
    def hosts(self) -> tuple[Host, ...]:
        """All host names."""
        return (self.host, *self.further_hosts)

    def _check_routes(self) -> None:
        for path in self.paths:
            for denied in self.denied_paths:
                if path != denied and path.startswith(f"{denied.rstrip('/')}/"):
                    raise DeclarationError(
                        f"path {path} is below the denied path {denied}; remove one of them"
                    )
        if not self.paths:
            raise DeclarationError('paths is empty, so nothing is served; write ("/",)')
        routes = [*self.paths, *self.denied_paths]
        names = [host.fqdn for host in self.hosts]
        for what, values in (("path", routes), ("host", names)):
            if repeated := sorted({one for one in values if values.count(one) > 1}):
                raise DeclarationError(f"{what} {repeated[0]} is listed twice; keep one")

    def check_longest_request(self, seconds: int) -> None:
        """Reject timeouts that would cut off the longest request of the service."""
        if self.deregistration_delay_seconds < seconds:
            raise DeclarationError(
                f"deregistration_delay_seconds={self.deregistration_delay_seconds} is shorter than "
                f"longest_request_seconds={seconds}, so a rollout would cut off such requests; "
                "raise it"
            )
        if self.idle_timeout_seconds <= seconds:
            raise DeclarationError(
                f"idle_timeout_seconds={self.idle_timeout_seconds} must be longer than "
                f"longest_request_seconds={seconds}, or the load balancer cuts off such requests"
            )

    @property
    def drain_seconds(self) -> int:
        """How long a terminating pod keeps serving before it gets SIGTERM."""
        return self.deregistration_delay_seconds + DRAIN_MARGIN_SECONDS

    def ingress_annotations(self, platform: Platform, health_check_path: str) -> dict[str, str]:
        """The annotations of the Ingress."""
        ports = {"HTTP": 80, "HTTPS": 443}
        admitted = self.inbound_cidrs
        if admitted is None:
            admitted = platform.vpc_cidrs if self.scheme == "internal" else ()
        options: dict[str, str | None] = {
            "scheme": self.scheme,
            "target-type": "ip",
            "certificate-arn": platform.certificate_arn,
            "listen-ports": _compact([{name: ports[name]} for name in self.listeners]),
            "ssl-redirect": "443" if self.ssl_redirect else None,
            "ssl-policy": _TLS_POLICY if "HTTPS" in self.listeners else None,
            "healthcheck-path": health_check_path,
            "inbound-cidrs": ",".join(admitted) or None,
            "load-balancer-attributes": ",".join(self._attributes(platform)),
            "target-group-attributes": (
                f"deregistration_delay.timeout_seconds={self.deregistration_delay_seconds}"
            ),
            "group.name": self.group,
            f"actions.{_DENY}": _compact(_FORBIDDEN) if self.denied_paths else None,
        }
        named = {f"{_PREFIX}/{key}": value for key, value in options.items() if value is not None}
        for key, value in self.annotations.items():
            named[key] = _merged(key, named[key], value) if key in named else value
        if platform.target.ingress_class == "annotation":
            return {"kubernetes.io/ingress.class": "alb", **named}
        return named

    def _attributes(self, platform: Platform) -> Iterator[str]:
        yield f"idle_timeout.timeout_seconds={self.idle_timeout_seconds}"
        if platform.access_logs_bucket:
            yield "access_logs.s3.enabled=true"
            yield f"access_logs.s3.bucket={platform.access_logs_bucket}"
        if platform.deletion_protection:
            yield "deletion_protection.enabled=true"

    def add_ingress(self, web: ProgramConstruct, readiness: Probe) -> KubeObject:
        """Add the Ingress, which routes `paths` to the Service, except `denied_paths`."""
        if not isinstance(readiness.check, HttpGet):
            raise DeclarationError(
                "the load balancer's health check uses the readiness probe, which must be HTTP; "
                "declare readiness=Probe(HttpGet(path))"
            )
        denied = {"name": _DENY, "port": {"name": "use-annotation"}}
        allowed = {"name": web.name, "port": {"number": web.service_ports["http"]}}
        paths = [
            {"path": path, "pathType": "Prefix", "backend": {"service": service}}
            for service, routed in ((denied, self.denied_paths), (allowed, self.paths))
            for path in routed
        ]
        by_field = web.platform.target.ingress_class == "field"
        return web.add(
            "networking.k8s.io/v1",
            "Ingress",
            {
                "ingressClassName": "alb" if by_field else None,
                "rules": [{"host": host.fqdn, "http": {"paths": paths}} for host in self.hosts],
            },
            annotations=self.ingress_annotations(web.platform, readiness.check.path),
        )


def _merged(key: str, ours: str, theirs: str) -> str:
    """The value of an annotation that is set twice. Only attribute lists can be merged."""
    if ours == theirs:
        return ours
    attributes = [pair.partition("=") for text in (ours, theirs) for pair in text.split(",")]
    names = [name.strip() for name, _, _ in attributes]
    if not key.endswith("-attributes") or len(set(names)) < len(names):
        raise DeclarationError(
            f"annotation {key} is already {ours!r} and cannot be {theirs!r}; use the prop of Alb, "
            "or remove it"
        )
    return ",".join("=".join((name.strip(), value)) for name, _, value in attributes)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


_FORBIDDEN = {
    "type": "fixed-response",
    "fixedResponseConfig": {
        "contentType": "text/plain",
        "statusCode": "403",
        "messageBody": "Forbidden",
    },
}
