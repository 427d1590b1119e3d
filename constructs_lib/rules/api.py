"""Rules for what the API server refuses or reads as another value, beyond the published schemas.

https://kubernetes.io/docs/reference/kubernetes-api/ describes the fields. `manifests/values.json`
is the table of the limits of single fields, and of the fields that an object needs or excludes.
"""

import os
import zoneinfo

from constructs_lib.manifests import schema
from constructs_lib.manifests.network import PEERS, is_within, policy_rules
from constructs_lib.manifests.objects import Object
from constructs_lib.rules.model import ALL, Problem, Problems, Rendered, repeated, rule


@rule(ALL, risk="downtime", remedy="correct it")
def invalid_field(item: Object, rendered: Rendered) -> Problems:
    """The API server refuses the object, so its sync fails, or reads another value than written."""
    version = rendered.platform.target.kubernetes if rendered.platform else None
    for text, path in schema.refused(item.manifest, version):
        fields = tuple(step for step in path if isinstance(step, str))
        yield Problem(text, "" if "; " in text else None, fields=fields)


@rule("CronJob", risk="schedule", remedy="write it like Etc/UTC or Europe/Zurich")
def unknown_time_zone(job: Object, _: Rendered) -> Problems:
    """The API server refuses a time zone that is not in its database."""
    zone = job.spec.get("timeZone")
    try:
        zoneinfo.ZoneInfo(zone or "Etc/UTC")
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        if any(map(os.path.isdir, zoneinfo.TZPATH)):  # else this machine knows no time zones
            yield f"the time zone {zone} does not exist"


@rule("NetworkPolicy", risk="exposure", remedy="correct the range")
def contradicting_range(policy: Object, _: Rendered) -> Problems:
    """The API server refuses a range that ends before it starts, or excepts other addresses."""
    for opened in (one for direction in PEERS for one in policy_rules(policy, direction)):
        for port in opened.ports:
            first, last = port.get("port"), port.get("endPort")
            if isinstance(first, int) and last is not None and last < first:
                yield f"endPort {last} is below port {first}"
        for cidr, exceptions in opened.blocks:
            if cidr in exceptions or not all(is_within(one, cidr) for one in (cidr, *exceptions)):
                yield f"not every exception ({', '.join(exceptions)}) is a part of {cidr}"


@rule("Service", risk="downtime", remedy="remove one, or correct it")
def duplicate_port(service: Object, _: Rendered) -> Problems:
    """The API server refuses two ports of the same name, or of the same number and protocol."""
    ports = service.spec.get("ports") or ()
    numbers = (f"{port.get('port')} {port.get('protocol', 'TCP')}" for port in ports)
    names = (port["name"] for port in ports if "name" in port)
    yield from (f"has two ports {port}" for port in (*repeated(numbers), *repeated(names)))
