"""What `ops deploy-secrets` prints in addition to the deployment."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catalogue.hosts import Hosts
from catalogue.installation import INSTALLATION
from catalogue.parameters import Parameters
from ops import deploy
from ops.aws import client
from tests.conftest import program
from tests.serving import Answer, JsonHandler, posted, serving

pytestmark = pytest.mark.usefixtures("credentials")

OURS, OTHER = (f"arn:aws:acm:eu-central-1:123456789012:certificate/{name}" for name in "ab")
Call = Callable[[dict[str, Any]], Answer]
DENIED = {"__type": "AccessDeniedException", "message": "not yet"}


class Aws:
    """Answers calls by name."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}

    def __call__(self, request: JsonHandler) -> Answer:
        name = request.headers["X-Amz-Target"].rpartition(".")[2]
        return self.calls[name](request.body())


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    made = Aws()
    client.cache_clear()
    with serving(posted(made)) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        yield made


def option(host: str, status: str) -> dict[str, Any]:
    record = {"Name": f"_x.{host}.", "Type": "CNAME", "Value": f"_y.{host}."}
    return {"DomainName": host, "ValidationStatus": status, "ResourceRecord": record}


def test_each_validation_record_is_printed_once(
    aws: Aws, capfd: pytest.CaptureFixture[str]
) -> None:
    ours = Hosts.API.fqdn
    options = [option(ours, "PENDING_VALIDATION"), option("done.example.org", "SUCCESS"),
               {"DomainName": "later.example.org"}]  # fmt: skip
    looks, shown = iter(range(3)), set[str]()

    def listed(_: dict[str, Any]) -> Answer:
        if next(looks) == 0:
            return 400, DENIED
        found = {OURS: ours, OTHER: "other.example.org"}
        certificates = [{"CertificateArn": arn, "DomainName": host} for arn, host in found.items()]
        return 200, {"CertificateSummaryList": certificates}

    def described(asked: dict[str, Any]) -> Answer:
        assert asked["CertificateArn"] == OURS
        return 200, {"Certificate": {"DomainValidationOptions": options}}

    aws.calls = {"ListCertificates": listed, "DescribeCertificate": described}
    for _ in range(3):
        deploy._show_records(shown)
    refused, *printed = capfd.readouterr().err.splitlines()
    assert refused.startswith("cannot get the DNS records from ACM yet: ")
    assert printed == [f"Create this DNS record for the certificate: _x.{ours}. CNAME _y.{ours}."]


def test_an_interrupt_ends_cdk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path / "cdk", f"echo $$ > {tmp_path}/pid; touch {tmp_path}/runs; exec sleep 600")

    def interrupted(_: set[str]) -> None:
        if (tmp_path / "runs").exists():
            raise KeyboardInterrupt

    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(deploy, "INSTALLATION", replace(INSTALLATION, hosted_zone_id=None))
    monkeypatch.setattr("ops.aws.require_credentials", lambda: None)
    monkeypatch.setattr(deploy, "_unprotect_failed_stack", lambda: None)
    monkeypatch.setattr(deploy, "_show_records", interrupted)
    monkeypatch.setattr(deploy, "_POLL_SECONDS", 0.1)
    with pytest.raises(KeyboardInterrupt):
        deploy._deploy(tmp_path / "outputs.json", [])
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def keys(asked: dict[str, Any]) -> Answer:
    """The keys of the parameters, one of which was adopted."""
    (names,) = [one["Values"] for one in asked["ParameterFilters"]]
    found = dict.fromkeys(names, "alias/aws/ssm") | {Parameters.API_KEYS.path: "alias/other"}
    return 200, {"Parameters": [{"Name": name, "KeyId": key} for name, key in found.items()]}


@pytest.mark.parametrize(
    ("answer", "printed"),
    [
        (keys, f"{Parameters.API_KEYS.path} is encrypted with alias/other, not with alias/aws/ssm"),
        (lambda _: (400, DENIED), "cannot get the parameters' keys from SSM: the AWS credentials"),
    ],
)
def test_a_parameter_under_another_key_is_named(
    aws: Aws, capfd: pytest.CaptureFixture[str], answer: Call, printed: str
) -> None:
    aws.calls = {"DescribeParameters": answer}
    deploy._report_keys()
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(printed)
