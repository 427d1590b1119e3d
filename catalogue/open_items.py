"""What nobody but the operator knows, listed until it is real."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from catalogue.hosts import Hosts
from catalogue.installation import Installation
from catalogue.platform import AnalyticsPlatform
from catalogue.stack_outputs import EXAMPLE_ACCOUNT
from constructs_lib.errors import DeclarationError
from constructs_lib.model import Host, Pending

EXAMPLE_HOSTS = frozenset({"mcp.analytics.gnosis.io", "dashboard.analytics.gnosis.io"})
"""The names that `catalogue/hosts.py` is shipped with and that no source gives."""

_SETTINGS = Path(__file__).with_name("installation.py")


@dataclass(frozen=True)
class OpenItem:
    """Something that is not known yet."""

    name: str
    """What `Installation.settled` calls it."""
    consequence: str
    """What holds until it is known."""
    remedy: str
    """What to do, in Markdown."""


def open_items(
    platform: AnalyticsPlatform, pending: Iterable[Pending] = (), hosts: Iterable[Host] = Hosts
) -> list[OpenItem]:
    """Every open item of `platform` that is not settled, in the order in which they are met.

    `pending` are the workloads that are declared but not rendered. Raises DeclarationError for a
    settled name that is no open item (any more).
    """
    found = [
        *_settings(platform),
        *_certificate(platform.certificate_arn),
        *_hosts(hosts),
        *_images(platform),
        *_jobs(pending),
    ]
    settled = platform.installation.settled
    if unknown := settled.keys() - {item.name for item in found}:
        raise DeclarationError(
            f"settled names {', '.join(sorted(unknown))}, which is no open item (any more); "
            "remove it",
            where=_SETTINGS,
        )
    return [item for item in found if item.name not in settled]


def image_item(service: str) -> str:
    """What the open item of a service's image is called."""
    return f"image {service}"


def _settings(platform: AnalyticsPlatform) -> Iterator[OpenItem]:
    known, examples = platform.installation, Installation()
    deployed = not any(_certificate(platform.certificate_arn))
    open_settings = {
        "region": (
            known.region == examples.region and not deployed,
            f"is the example, {known.region}",
        ),
        "account": (
            known.account is None and not deployed,
            "is not known: `cdk deploy` takes whichever its credentials belong to",
        ),
        "repository": (
            known.repository == examples.repository,
            "is the example, so Argo CD reads nothing",
        ),
        "cluster_name": (
            known.cluster_name is None and known.oidc_provider_arn is None,
            "is not known: External Secrets' role is associated with no cluster",
        ),
        "hosted_zone_id": (
            known.hosted_zone_id is None,
            "is not known: a person makes the certificate's DNS records",
        ),
        "alb_subnets": (
            not known.alb_subnets,
            "are not known: the web services' ports are open to any source in the VPC",
        ),
        "vpc_cidrs": (
            not known.vpc_cidrs,
            "are not known: the internal load balancer's security group admits every address",
        ),
        "ember_data_url": (known.ember_data_url is None, "is not known: click-runner-ember fails"),
    }
    for name, (is_open, consequence) in open_settings.items():
        if is_open:
            yield OpenItem(name, consequence, f"`{name}` in `catalogue/installation.py`")


def _certificate(arn: str | None) -> Iterator[OpenItem]:
    remedy = "`make deploy-secrets`, then `make synth`"
    if arn is None:
        consequence = "the load balancer controller looks for one by host, and finds none"
        yield OpenItem("certificate", f"there is none yet: {consequence}", remedy)
    elif f":{EXAMPLE_ACCOUNT}:" in arn:
        consequence = f"of AWS's example account {EXAMPLE_ACCOUNT}: no load balancer takes it"
        yield OpenItem("certificate", consequence, remedy)


def _hosts(hosts: Iterable[Host]) -> Iterator[OpenItem]:
    for host in hosts:
        if host.fqdn in EXAMPLE_HOSTS:
            yield OpenItem(
                f"host {host.fqdn}",
                "is an example: the certificate and an Ingress bear it",
                "the real name in `catalogue/hosts.py`",
            )


def _images(platform: AnalyticsPlatform) -> Iterator[OpenItem]:
    for service, pin in platform.images.items():
        if pin.floats:
            yield OpenItem(
                image_item(service),
                f"runs {pin.tag}: a new build is never rolled out, and none can be rolled back",
                f"`make pin SERVICE={service} SHA=<commit>`",
            )
        elif pin.digest is None:
            yield OpenItem(
                image_item(service),
                f"runs {pin.tag} without its digest: a tag can be moved to another build",
                f"`make pin SERVICE={service} SHA={pin.tag.removeprefix('sha-')}`",
            )


def _jobs(pending: Iterable[Pending]) -> Iterator[OpenItem]:
    for job in pending:
        yield OpenItem(
            job.name,
            f"is not rendered: {', '.join(job.settings)} is not known",
            "its setting in `catalogue/installation.py`",
        )
