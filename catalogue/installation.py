"""Settings that the operator provides. None means not set yet: an open item."""

import re
from collections.abc import Mapping
from dataclasses import field

from constructs_lib.errors import DeclarationError
from constructs_lib.model.checks import props
from constructs_lib.model.names import check_ranges


@props
class Installation:
    """The settings of one installation."""

    region: str = "eu-central-1"
    """AWS region of cluster, parameters and certificate. `make deploy-secrets` deploys there; a
    plain `cdk deploy` only if `account` is set. The default is an example."""
    account: str | None = None
    """AWS account of 12 digits. None: the account of the `cdk deploy` credentials."""
    repository: str = "https://github.com/gnosischain/analytics-deployments.git"
    """URL of the Git repository that Argo CD reads. The default is an example."""
    revision: str = "main"
    """The branch that Argo CD follows."""
    cluster_name: str | None = None
    """Name of the EKS cluster. None: External Secrets' role is not associated with a cluster."""
    oidc_provider_arn: str | None = None
    """ARN of the cluster's IAM OIDC provider, for IRSA instead of EKS Pod Identity."""
    hosted_zone_id: str | None = None
    """The Route 53 zone that validates the certificate. None: create the DNS records by hand."""
    kms_key_arn: str | None = None
    """Customer managed key for the parameters. None: the AWS managed key of SSM."""
    alb_subnets: tuple[str, ...] = ()
    """CIDR ranges of the load balancers' subnets. Empty: service ports accept any source."""
    vpc_cidrs: tuple[str, ...] = ()
    """CIDR ranges of the VPC and its peers. Empty: the security group of the internal load balancer
    admits every address."""
    access_logs_bucket: str | None = None
    """S3 bucket for the load balancers' access logs. Its policy must allow Elastic Load Balancing
    to write. None: no access logs."""
    deletion_protection: bool = False
    """Whether AWS protects the load balancers from deletion. Removing an Ingress, or changing its
    scheme, then hangs until someone turns off the protection in AWS."""
    storage_class: str | None = None
    """StorageClass of volume claims. None: the cluster's default."""

    ember_data_url: str | None = None
    """URL from which ClickHouse fetches Ember's CSV. None: the Ember job fails."""
    circles_blacklist_url: str | None = None
    """URL from which ClickHouse fetches the Circles blacklist. None: the job is not rendered. The
    same applies to each ID below."""
    dune_labels_query_id: str | None = None
    """Dune query for one day of address labels."""
    dune_prices_query_id: str | None = None
    """Dune query for one day of prices."""
    dune_bridge_flows_query_id: str | None = None
    """Dune query for one day of bridge flows."""
    dune_gno_supply_query_id: str | None = None
    """Dune query for the GNO supply."""
    mixpanel_project_id: str | None = None
    """Mixpanel project of the events and profiles."""
    mixpanel_region: str = "US"
    """US, EU or IN. The default is that of the program."""

    settled: Mapping[str, str] = field(default_factory=dict)
    """Open items of `ops checklist` to accept permanently: reason by name."""

    def __post_init__(self) -> None:
        for name, form in _FORMS.items():
            value = getattr(self, name)
            if value is not None and not re.fullmatch(form, value):
                raise DeclarationError(f"{name} {value!r} does not match {form}")
        for name in ("alb_subnets", "vpc_cidrs"):
            check_ranges(getattr(self, name), name)


_FORMS = {
    "region": r"[a-z]{2}(-[a-z]+)+-\d",
    "account": r"\d{12}",
    "repository": r"(https|ssh|file)://\S+|git@\S+",
    "access_logs_bucket": r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    "hosted_zone_id": r"Z[A-Z0-9]+",
    "kms_key_arn": r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+",
    "oidc_provider_arn": r"arn:aws[a-z-]*:iam::\d{12}:oidc-provider/\S+",
    "mixpanel_region": r"US|EU|IN",
}

INSTALLATION = Installation()
