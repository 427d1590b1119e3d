"""Every refusal of AWS or the cluster becomes one message and a status; what the cluster serves."""

from pathlib import Path

import pytest

from catalogue.installation import INSTALLATION
from ops.cluster import Cluster
from ops.cluster import kubeconfig as kubeconfigs
from ops.errors import ClusterError
from tests.ops.day_two.api_server import ApiServer, write_kubeconfig
from tests.ops.day_two.conftest import Run
from tests.ops.day_two.world import World
from tests.serving import QuietHandler, posted, serving

NOWHERE = "http://127.0.0.1:1"
BATCH, METRICS = "/apis/batch/v1", "metrics.k8s.io/v1beta1"
REFUSAL = "User: arn is not authorized to perform: ssm:GetParameters on resource: x because …"


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    ("status", "answer", "sentence"),
    [
        (400, "ThrottlingException Rate exceeded", "AWS throttles requests"),
        (400, "ExpiredTokenException expired", "the AWS credentials have expired; log in again"),
        (400, "UnrecognizedClientException invalid", "AWS rejects the credentials"),
        (400, f"AccessDeniedException {REFUSAL}", "lack the permission ssm:GetParameters; add it"),
        (400, "AccessDeniedException KMS", "the AWS credentials lack the permission ssm:GetParam"),
        (400, "ParameterMaxVersionLimitExceeded label", "AWS rejects ssm:GetParameters: Parameter"),
        (500, "InternalServerError ", "AWS has an internal error (InternalServerError)"),
        (400, "Unheard of", "AWS rejects ssm:GetParameters: Unheard: of"),
    ],
)
def test_errors_of_aws(
    run: Run, monkeypatch: pytest.MonkeyPatch, status: int, answer: str, sentence: str
) -> None:
    code, _, message = answer.partition(" ")
    with serving(posted(lambda _: (status, {"__type": code, "message": message}))) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        assert sentence in run.refused("secrets", "status")


@pytest.mark.usefixtures("credentials")
def test_aws_is_unreachable_or_has_no_credentials(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOWHERE)
    assert "AWS cannot be reached (Could not connect" in run.refused("secrets", "status")
    monkeypatch.setenv("AWS_PROFILE", "missing")
    assert "no AWS credentials found (The config prof" in run.refused("secrets", "status")
    monkeypatch.delenv("AWS_PROFILE")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "no AWS credentials found (Unable to locate" in run.refused("secrets", "status")
    assert "no AWS credentials found (Unable to locate" in run.refused("deploy-secrets")


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
    api.answers["GET /api/v1/namespaces/crawlers"] = (status, {"message": message})
    assert sentence in run.refused("jobs")
    api.answers["GET /api/v1"] = api.answers["GET /api/v1/namespaces/crawlers"]
    assert sentence.replace("/namespaces/crawlers:", ":") in run.refused("jobs")


def test_a_server_without_the_kubernetes_api(run: Run, api: ApiServer) -> None:
    problem = "is not a Kubernetes API server; check proxy and VPN"
    api.answers["GET /api/v1/namespaces/crawlers"] = (200, "Please log in to the network")
    assert problem in run.refused("jobs")
    for status, content in ((404, "404 page not found"), (200, {})):
        api.answers["GET /apis"] = (status, content)
        with pytest.raises(ClusterError, match=problem):
            _ = Cluster().resources.silent


@pytest.mark.parametrize("status", [200, 403, 404, 502])
def test_a_page_of_a_proxy(run: Run, kubeconfig: Path, status: int) -> None:
    class Proxy(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 as http.server calls it
            self.send(status, b"<html>Log in</html>", Content_Type="text/html; charset=utf-8")

    with serving(Proxy) as address:
        write_kubeconfig(kubeconfig, address)
        assert f"the server at {address} is not a Kubernetes API server" in run.refused("jobs")


@pytest.mark.parametrize("content", [None, b"{", b"foo", b"- a", b"\xff"])
def test_a_missing_or_invalid_kubeconfig(run: Run, kubeconfig: Path, content: bytes | None) -> None:
    if content is not None:
        kubeconfig.write_bytes(content)
    assert f"cannot get the current context of {kubeconfig} (" in run.refused("jobs")


def test_an_unreachable_cluster_and_an_unknown_context(run: Run, kubeconfig: Path) -> None:
    write_kubeconfig(kubeconfig, NOWHERE)
    assert f"the cluster of context test cannot be reached at {NOWHERE}" in run.refused("jobs")
    assert "the kubeconfig has no context other; use one of: test" in run.refused(
        "jobs", "--context", "other"
    )


def test_the_wrong_cluster_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, kubeconfig: Path
) -> None:
    arn = "arn:aws:eks:eu-central-1:123456789012:cluster/other"
    write_kubeconfig(kubeconfig, NOWHERE, cluster=arn)
    wanted = type(INSTALLATION)(cluster_name="production")
    monkeypatch.setattr(kubeconfigs, "INSTALLATION", wanted)
    assert "context test belongs to cluster other, but the installation uses production" in (
        run.refused("jobs")
    )


@pytest.mark.usefixtures("world")
def test_only_the_needed_api_versions_are_read_once(api: ApiServer, run: Run) -> None:
    assert run("jobs").exit_code == 0
    roots = [path for path in api.reads if "/namespaces" not in path]
    assert roots == ["/api/v1", BATCH]


def test_a_kind_that_is_not_served_has_no_objects(world: World, run: Run) -> None:
    del world.api.served["batch/v1"]
    world.api.answers[f"GET {BATCH}"] = (404, "404 page not found")
    assert run("jobs").stdout.count("not in the cluster") > 1


@pytest.mark.usefixtures("world")
def test_a_kind_is_not_missing_because_its_server_is_down(api: ApiServer, run: Run) -> None:
    api.answers[f"GET {BATCH}"] = (503, {"message": "starting"})
    assert run.refused("jobs") == f"the cluster refuses GET {BATCH}: starting"


def test_every_version_is_read_even_if_one_server_is_down(api: ApiServer) -> None:
    api.served |= {METRICS: ("PodMetrics",), "batch/v2": ("Job",)}
    api.answers[f"GET /apis/{METRICS}"] = (503, {})
    resources = Cluster().resources
    assert resources.silent == (METRICS,)
    assert resources.versions(("batch", "Job")) == ["batch/v1", "batch/v2"]
    assert resources.preferred["apps", "Deployment"].path("x", "y") == (
        "/apis/apps/v1/namespaces/y/deployments/x"
    )
    api.answers["GET /apis"] = (403, {"message": "no"})
    with pytest.raises(Exception, match="lacks a permission in the cluster: no"):
        _ = Cluster().resources.silent
