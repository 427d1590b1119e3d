"""Every value that only the operator knows is an open item until it is set."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catalogue.installation import Installation
from catalogue.open_items import open_items, repository_items
from catalogue.platform import AnalyticsPlatform
from constructs_lib.errors import DeclarationError
from constructs_lib.model import Host, Pending, Pin

REAL = Installation(
    region="eu-west-1",
    account="123456789012",
    repository="https://git.example.org/deployments.git",
    hosted_zone_id="Z0123456789",
    cluster_name="production",
    alb_subnets=("10.0.0.0/20",),
    vpc_cidrs=("10.0.0.0/16",),
    ember_data_url="https://example.org/ember.csv",
)
HOSTS = (Host("api.example.org"),)
CERTIFICATE = "arn:aws:acm:eu-central-1:{}:certificate/00000000-0000-0000-0000-000000000000"


@pytest.fixture
def real(platform: AnalyticsPlatform) -> AnalyticsPlatform:
    """A platform without unknown values."""
    pins = dict.fromkeys(platform.images, Pin(f"sha-{40 * 'a'}", f"sha256:{64 * 'a'}"))
    certificate = CERTIFICATE.format("123456789012")
    return replace(platform, installation=REAL, images=pins, certificate_arn=certificate)


def names(platform: AnalyticsPlatform, **others: Any) -> list[str]:
    return [item.name for item in open_items(platform, **{"hosts": HOSTS, **others})]


def test_a_repository_needs_a_license_and_code_owners(tmp_path: Path) -> None:
    owners = tmp_path / ".github" / "CODEOWNERS"
    owners.parent.mkdir()
    owners.write_text("# / @example/team\n")
    (no_license, no_owners) = repository_items(REAL, tmp_path)
    assert (no_license.name, no_owners.name) == ("license", "code owners")
    settled = replace(REAL, settled={"license": "the code stays private"})
    assert repository_items(settled, tmp_path) == [no_owners]
    (tmp_path / "LICENSE.md").touch()
    owners.write_text("# Who reviews\n\n/ @example/team\n")
    assert repository_items(REAL, tmp_path) == []


def installed(**settings: Any) -> dict[str, Any]:
    return {"installation": replace(REAL, **settings)}


PROVIDER = "arn:aws:iam::123456789012:oidc-provider/x"
BY_DEFAULT = installed(region=Installation().region, account=None)
"""Not open once a deploy has used them."""


@pytest.mark.parametrize(
    ("items", "change"),
    [
        ("", {}),
        ("", installed(cluster_name=None, oidc_provider_arn=PROVIDER)),
        ("", BY_DEFAULT),
        ("region, account, certificate", {**BY_DEFAULT, "certificate_arn": None}),
        ("certificate", {"certificate_arn": None}),
        ("certificate", {"certificate_arn": CERTIFICATE.format("111122223333")}),
        ("image nebula", {"images": {"nebula": Pin("latest")}}),
        ("image nebula", {"images": {"nebula": Pin(f"sha-{40 * 'a'}")}}),
        ("repository", installed(repository=Installation().repository)),
        ("hosted_zone_id", installed(hosted_zone_id=None)),
        ("cluster_name", installed(cluster_name=None)),
        ("alb_subnets", installed(alb_subnets=())),
        ("vpc_cidrs", installed(vpc_cidrs=())),
        ("ember_data_url", installed(ember_data_url=None)),
        ("", installed(hosted_zone_id=None, settled={"hosted_zone_id": "DNS is not in AWS"})),
    ],
)
def test_a_value_is_open_until_it_is_set_or_settled(
    real: AnalyticsPlatform, items: str, change: dict[str, Any]
) -> None:
    assert ", ".join(names(replace(real, **change))) == items


def test_jobs_without_an_id_and_example_hosts_are_open(real: AnalyticsPlatform) -> None:
    job = Pending("click-runner-dune-labels", ("DUNE_ID",), ())
    assert names(real, pending=[job]) == ["click-runner-dune-labels"]
    example = Host("mcp.analytics.gnosis.io")
    assert names(real, hosts=[example]) == ["host mcp.analytics.gnosis.io"]


def test_a_settled_item_must_exist(real: AnalyticsPlatform) -> None:
    left_over = replace(REAL, settled={"hosted_zone_id": "DNS is not in AWS"})
    with pytest.raises(
        DeclarationError, match=r"installation.py: settled lists hosted_zone_id, which"
    ):
        names(replace(real, installation=left_over))
