"""Every refusal of AWS or the cluster becomes one message and a status."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from catalogue.installation import INSTALLATION
from ops.cluster import kubeconfig
from tests.ops.day_two.api_server import ApiServer, write_kubeconfig
from tests.ops.day_two.conftest import Run
from tests.serving import posted, serving

NOWHERE = "http://127.0.0.1:1"


def refused(run: Run, *arguments: str, status: int = 1) -> str:
    """Return the only error of a command."""
    done = run(*arguments)
    assert done.exit_code == status
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.output
    return line.removeprefix("error: ")


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    ("status", "code", "message", "sentence"),
    [
        (400, "ThrottlingException", "Rate exceeded", "AWS throttles requests"),
        (400, "ExpiredTokenException", "expired", "the AWS credentials have expired; log in again"),
        (400, "UnrecognizedClientException", "invalid", "AWS rejects the credentials"),
        (
            400,
            "AccessDeniedException",
            "User: arn is not authorized to perform: ssm:GetParameters on resource: x because …",
            "the AWS credentials lack the permission ssm:GetParameters; add it",
        ),
        (400, "AccessDeniedException", "KMS", "lack the permission ssm:GetParameters"),
        (400, "ParameterMaxVersionLimitExceeded", "label", "AWS rejects ssm:GetParameters: Para"),
        (500, "InternalServerError", "", "AWS has an internal error (InternalServerError)"),
        (400, "Unheard", "of", "AWS rejects ssm:GetParameters: Unheard: of"),
    ],
)
def test_errors_of_aws(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    *,
    status: int,
    code: str,
    message: str,
    sentence: str,
) -> None:
    with serving(posted(lambda _: (status, {"__type": code, "message": message}))) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        assert sentence in refused(run, "secrets", "status")


@pytest.mark.usefixtures("credentials")
def test_aws_is_unreachable_or_has_no_credentials(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOWHERE)
    assert "AWS cannot be reached (Could not connect" in refused(run, "secrets", "status")
    monkeypatch.setenv("AWS_PROFILE", "missing")
    assert "no AWS credentials found (The config prof" in refused(run, "secrets", "status")
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "no AWS credentials found (Unable to locate" in refused(run, "secrets", "status")
    assert "no AWS credentials found (Unable to locate" in refused(run, "deploy-secrets")


@pytest.mark.parametrize(
    ("status", "message", "sentence"),
    [
        (401, "Unauthorized", "the cluster does not accept the credentials of context test"),
        (403, "jobs is forbidden: User x", "lacks a permission in the cluster: jobs is forbidden"),
        (403, "User system:anonymous", "the cluster does not accept the credentials"),
        (429, "slow", "the cluster throttles requests"),
        (500, "etcd", "the cluster refuses GET /api/v1/namespaces/crawlers: etcd"),
        (404, "", "has no namespace crawlers; choose another context"),
    ],
)
def test_errors_of_the_cluster(
    run: Run, api: ApiServer, status: int, message: str, sentence: str
) -> None:
    api.answers["/api/v1/namespaces/crawlers"] = (status, {"message": message})
    assert sentence in refused(run, "jobs")


def test_the_cluster_is_missing_or_unreachable(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(file))
    assert "cannot get the current context of" in refused(run, "jobs")
    file.write_text("{")
    assert "cannot get the current context of" in refused(run, "jobs")
    write_kubeconfig(file, NOWHERE)
    assert f"the cluster of context test cannot be reached at {NOWHERE}" in refused(run, "jobs")
    assert "the kubeconfig has no context other; use one of: test" in refused(
        run, "jobs", "--context", "other"
    )


def test_the_wrong_cluster_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(file))
    write_kubeconfig(file, NOWHERE, cluster="arn:aws:eks:eu-central-1:123456789012:cluster/other")
    wanted = type(INSTALLATION)(cluster_name="production")
    monkeypatch.setattr(kubeconfig, "INSTALLATION", wanted)
    assert "context test belongs to cluster other, but the installation uses production" in refused(
        run, "jobs"
    )


def test_a_failing_credential_plugin(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(file))
    write_kubeconfig(file, NOWHERE)
    content = yaml.safe_load(file.read_text())
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": "false"}
    content["users"] = [{"name": "test", "user": {"exec": command}}]
    file.write_text(yaml.safe_dump(content))
    assert "cannot get the credentials of context test: exec: process returned 1" in refused(
        run, "jobs"
    )


def test_a_server_without_the_kubernetes_api(run: Run, api: ApiServer) -> None:
    api.answers["/api/v1/namespaces/crawlers"] = (200, "Please log in to the network")
    assert "is not a Kubernetes API server; check proxy and VPN" in refused(run, "jobs")


@pytest.mark.parametrize("content", [b"foo", b"- a", b"\xff"])
def test_an_invalid_kubeconfig(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "kubeconfig"
    file.write_bytes(content)
    monkeypatch.setenv("KUBECONFIG", str(file))
    assert "cannot get the current context of" in refused(run, "jobs")
