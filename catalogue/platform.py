"""The platform of this repository, put together from the catalogue's facts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from catalogue import images, stack_outputs
from catalogue.hosts import Hosts
from catalogue.installation import INSTALLATION, Installation
from catalogue.parameters import Parameters
from catalogue.target import TARGET
from constructs_lib.checks import checked
from constructs_lib.platform import Platform, Sources
from constructs_lib.rules import waivers

WAIVERS = Path(__file__).with_name("waivers.toml")
"""What is accepted of our rules and of the scanners, each with a reason and a date."""


@checked
@dataclass(frozen=True, kw_only=True)
class AnalyticsPlatform(Platform):
    """What charts find in the tree beside what constructs need."""

    installation: Installation
    """The settings as the operator wrote them; what constructs need of them stands above."""


def current() -> AnalyticsPlatform:
    """The platform as committed. Raises DeclarationError for unreadable or wrong facts."""
    outputs = stack_outputs.load(INSTALLATION.region)
    return AnalyticsPlatform(
        name="gnosis-analytics",
        registry="ghcr.io/gnosischain",
        parameter_prefix="/cerebro/",
        sources=Sources(
            charts="charts/registry.py",
            hosts="catalogue/hosts.py",
            parameters="catalogue/parameters.py",
            pin="catalogue/images/{service}.pin",
            quotas="charts/cluster",
        ),
        images=images.load(),
        target=TARGET,
        region=INSTALLATION.region,
        certificate_arn=outputs.CertificateArn,
        hosts=tuple(host.fqdn for host in Hosts),
        parameters=tuple(parameter.path for parameter in Parameters),
        alb_subnets=INSTALLATION.alb_subnets,
        vpc_cidrs=INSTALLATION.vpc_cidrs,
        access_logs_bucket=INSTALLATION.access_logs_bucket,
        deletion_protection=INSTALLATION.deletion_protection,
        storage_class=INSTALLATION.storage_class,
        repository=INSTALLATION.repository,
        revision=INSTALLATION.revision,
        waivers=waivers.read(WAIVERS),
        installation=INSTALLATION,
    )
