"""What only the operator knows, and has not told yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from catalogue.handover import EXAMPLE_ACCOUNT
from catalogue.installation import Installation
from catalogue.platform import AnalyticsPlatform
from constructs_lib.kubernetes import App

UNKNOWN = {
    "account": "the AWS account is whichever the credentials of `cdk deploy` belong to",
    "cluster_name": "the role of External Secrets is associated with no cluster",
    "hosted_zone_id": "a person makes the DNS records that validate the certificate",
    "alb_subnets": "any source reaches the web services' ports inside the VPC",
    "ember_data_url": "the Ember job fails",
}
"""Settings of catalogue/installation.py that are open while nothing stands there, and what that
means. Those that a job waits for are told with the job; the others have a default that holds."""
EXAMPLES = ("region", "repository")
"""Settings whose default is an example that the owner replaces."""


def open_items(app: App, platform: AnalyticsPlatform) -> Iterator[str]:
    """A sentence each, in the order in which an installation needs them."""
    installation = platform.installation
    for field in fields(Installation):
        value = getattr(installation, field.name)
        if field.name in EXAMPLES and value == field.default:
            yield f"`{field.name}` in `catalogue/installation.py` is still the example, `{value}`."
        elif field.name in UNKNOWN and not value:
            yield f"`{field.name}` in `catalogue/installation.py`: {UNKNOWN[field.name]}."
    if not platform.certificate_arn or EXAMPLE_ACCOUNT in platform.certificate_arn:
        yield "`CertificateArn` in `catalogue/handover.json`: `cdk deploy` has not written it yet."
    for chart in app.files:
        for pending in chart.pending:
            settings = ", ".join(f"`{name}`" for name in pending.settings)
            yield f"{pending.name} is not rendered until {settings} is known."
