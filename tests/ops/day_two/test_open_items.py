"""Every value that only the operator knows is an open item until it is set."""

from __future__ import annotations

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


def test_nothing_is_open_when_every_value_is_set(real: AnalyticsPlatform) -> None:
    assert names(real) == []
    provider = "arn:aws:iam::123456789012:oidc-provider/x"
    by_oidc = replace(REAL, cluster_name=None, oidc_provider_arn=provider)
    assert names(replace(real, installation=by_oidc)) == []


def test_region_and_account_are_open_until_a_deploy_has_used_them(real: AnalyticsPlatform) -> None:
    by_default = replace(REAL, region=Installation().region, account=None)
    assert names(replace(real, installation=by_default)) == []
    undeployed = replace(real, installation=by_default, certificate_arn=None)
    assert names(undeployed) == ["region", "account", "certificate"]


def without(**settings: Any) -> dict[str, Any]:
    return {"installation": replace(REAL, **settings)}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("certificate", {"certificate_arn": None}),
        ("certificate", {"certificate_arn": CERTIFICATE.format("111122223333")}),
        ("image nebula", {"images": {"nebula": Pin("latest")}}),
        ("image nebula", {"images": {"nebula": Pin(f"sha-{40 * 'a'}")}}),
        ("repository", without(repository=Installation().repository)),
        ("hosted_zone_id", without(hosted_zone_id=None)),
        ("cluster_name", without(cluster_name=None)),
        ("alb_subnets", without(alb_subnets=())),
        ("vpc_cidrs", without(vpc_cidrs=())),
        ("ember_data_url", without(ember_data_url=None)),
    ],
)
def test_each_unknown_value_is_one_open_item(
    real: AnalyticsPlatform, name: str, change: dict[str, Any]
) -> None:
    assert names(replace(real, **change)) == [name]


def test_jobs_without_an_id_and_example_hosts_are_open(real: AnalyticsPlatform) -> None:
    job = Pending("click-runner-dune-labels", ("DUNE_ID",), ())
    assert names(real, pending=[job]) == ["click-runner-dune-labels"]
    example = Host("mcp.analytics.gnosis.io")
    assert names(real, hosts=[example]) == ["host mcp.analytics.gnosis.io"]


def test_a_settled_item_is_not_open_and_must_exist(real: AnalyticsPlatform) -> None:
    by_hand = replace(REAL, hosted_zone_id=None, settled={"hosted_zone_id": "DNS is not in AWS"})
    assert names(replace(real, installation=by_hand)) == []
    left_over = replace(REAL, settled={"hosted_zone_id": "DNS is not in AWS"})
    with pytest.raises(
        DeclarationError, match=r"installation.py: settled lists hosted_zone_id, which"
    ):
        names(replace(real, installation=left_over))
