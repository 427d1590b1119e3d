"""What only the operator of an installation knows. None means: not known yet, an open item."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from constructs_lib.checks import checked
from constructs_lib.errors import DeclarationError
from constructs_lib.names import check_ranges


@checked
@dataclass(frozen=True, kw_only=True)
class Installation:
    """The settings of one installation."""

    region: str = "eu-central-1"
    """AWS region of cluster, parameters and certificate. `make deploy-secrets` deploys there; a
    bare `cdk deploy` does so once `account` is set. An example; the owner replaces it."""
    account: str | None = None
    """AWS account of 12 digits. None: whichever the credentials of `cdk deploy` belong to."""
    repository: str = "https://github.com/gnosischain/analytics-deployments.git"
    """The Git address that Argo CD reads. An example; the owner replaces it."""
    revision: str = "main"
    """The branch that Argo CD follows."""
    cluster_name: str | None = None
    """The EKS cluster. None: External Secrets' role is made, but not associated with it."""
    oidc_provider_arn: str | None = None
    """The cluster's IAM OIDC provider, to trust it (IRSA) instead of EKS Pod Identity."""
    hosted_zone_id: str | None = None
    """The Route 53 zone that validates the certificate. None: a person makes the records."""
    kms_key_arn: str | None = None
    """A customer key for the parameters. None: the account's own key for SSM."""
    alb_subnets: tuple[str, ...] = ()
    """CIDR ranges of the load balancers' subnets. None of them: any source on a service's port."""
    vpc_cidrs: tuple[str, ...] = ()
    """CIDR ranges of the VPC, and of what is peered with it. None of them: the internal load
    balancer's security group admits every address that can reach it."""
    access_logs_bucket: str | None = None
    """S3 bucket for the load balancers' access logs; its policy must let Elastic Load Balancing
    write. None: no access logs."""
    deletion_protection: bool = False
    """Whether AWS refuses to delete the load balancers. An Ingress that is removed, or that changes
    its scheme, then waits until a person lifts the protection in AWS."""
    storage_class: str | None = None
    """Of volume claims. None: the cluster's default."""

    ember_data_url: str | None = None
    """Where ClickHouse fetches Ember's CSV. Without it the Ember job fails."""
    circles_blacklist_url: str | None = None
    """Where ClickHouse fetches the Circles blacklist. Without it that job is not rendered, and
    likewise for every id below."""
    dune_labels_query_id: str | None = None
    """Dune's query of address labels, one day of them."""
    dune_prices_query_id: str | None = None
    """Dune's query of prices, one day of them."""
    dune_bridge_flows_query_id: str | None = None
    """Dune's query of bridge flows, one day of them."""
    dune_gno_supply_query_id: str | None = None
    """Dune's query of the GNO supply."""
    mixpanel_project_id: str | None = None
    """The project whose events and profiles are fetched."""
    mixpanel_region: str = "US"
    """US, EU or IN; the program's own default is US."""

    settled: Mapping[str, str] = field(default_factory=dict)
    """Open items of `ops checklist` that are meant to stay as they are: by name, why."""

    def __post_init__(self) -> None:
        for name, form in _FORMS.items():
            value = getattr(self, name)
            if value is not None and not re.fullmatch(form, value):
                raise DeclarationError(f"{name} {value!r} has not the form {form}")
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
