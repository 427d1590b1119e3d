"""The platform of this repository, built from the catalogue."""

from pathlib import Path

from catalogue import images, stack_outputs
from catalogue.hosts import Hosts
from catalogue.installation import INSTALLATION, Installation
from catalogue.parameters import Parameters
from catalogue.target import TARGET
from constructs_lib.model import waivers
from constructs_lib.model.checks import props
from constructs_lib.model.platform import Platform

WAIVERS = Path(__file__).with_name("waivers.toml")
"""Accepted findings of the rules and the scanners, each with a reason and an expiry date."""


@props
class AnalyticsPlatform(Platform):
    """The Platform, and the installation's settings for the charts."""

    installation: Installation
    """The settings of the operator."""


def current() -> AnalyticsPlatform:
    """The platform as committed. Raises DeclarationError for unreadable or invalid files."""
    outputs = stack_outputs.load(INSTALLATION.region)
    return AnalyticsPlatform(
        name="gnosis-analytics",
        registry="ghcr.io/gnosischain",
        parameter_prefix="/cerebro/",
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
