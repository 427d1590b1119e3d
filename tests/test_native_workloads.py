"""The overview, the checklist and the secrets commands also handle native workloads."""

from pathlib import Path
from typing import Any

import cdk8s
import pytest
import yaml

import overview
from catalogue.parameters import Parameters
from catalogue.platform import AnalyticsPlatform
from constructs_lib.kubernetes import App, Chart, ChartFiles
from constructs_lib.manifests.objects import Objects
from constructs_lib.manifests.workload import Update, workloads
from constructs_lib.model import Manifest
from ops.checklist.results import Outcome, results_of
from ops.checklist.services import CHECKS, Inputs
from ops.errors import OpsError
from ops.secrets.parameters import readers, update_mode
from tests.ops.review.edits import review, said

_TOKEN = Parameters.IPINFO_TOKEN.path

_OBJECTS: list[Manifest] = yaml.safe_load(
    """
- apiVersion: apps/v1
  kind: StatefulSet
  metadata: {name: database}
  spec:
    serviceName: database
    selector: &selector {matchLabels: {tier: db}}
    template: &template
      metadata: {labels: {tier: db}}
      spec: &pod
        initContainers: [{name: first, image: "example.org/init@sha256:DIGEST"}]
        containers:
          - name: main
            image: ghcr.io/gnosischain/nebula:latest
            env: [{name: T, valueFrom: {secretKeyRef: {name: token, key: T}}}]
- apiVersion: apps/v1
  kind: DaemonSet
  metadata: {name: agent}
  spec:
    selector: *selector
    updateStrategy: {type: OnDelete}
    template:
      metadata: {labels: {app: files}}
      spec:
        containers: [{name: main, image: main}]
        volumes: [{name: a, secret: {secretName: token}}]
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: scaled}
  spec:
    selector: {matchLabels: {app: files}}
    template:
      metadata: {labels: {app: files}}
      spec:
        containers: [{name: main, image: main}]
        volumes: [{name: a, projected: {sources: [{secret: {name: token}}]}}]
- apiVersion: autoscaling/v2
  kind: HorizontalPodAutoscaler
  metadata: {name: scaled}
  spec:
    scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: scaled}
    maxReplicas: 4
- apiVersion: batch/v1
  kind: CronJob
  metadata: {name: nightly}
  spec:
    schedule: "@daily"
    jobTemplate: {spec: {template: {<<: *template, spec: {<<: *pod, restartPolicy: Never}}}}
- {apiVersion: v1, kind: Pod, metadata: {name: bare}, spec: *pod}
- apiVersion: v1
  kind: Service
  metadata: {name: headless}
  spec: {clusterIP: None, selector: {tier: db}}
- apiVersion: networking.k8s.io/v1
  kind: Ingress
  metadata: {name: open}
  spec:
    defaultBackend: {service: {name: web, port: {name: http}}}
    rules: [{host: without-paths.example.org}]
- apiVersion: external-secrets.io/v1beta1
  kind: ExternalSecret
  metadata: {name: token}
  spec: {dataFrom: [{extract: {key: TOKEN}}]}
- {apiVersion: example.org/v1, kind: CronJob, metadata: {name: foreign}, spec: {}}
- {apiVersion: example.org/v1, kind: ExternalSecret, metadata: {name: foreign}, spec: {data: [{}]}}
""".replace("DIGEST", 64 * "a").replace("TOKEN", _TOKEN)
)
_TEMPLATE = _OBJECTS[0]["spec"]["template"]


@pytest.fixture
def files(tmp_path: Path, platform: AnalyticsPlatform) -> ChartFiles:
    app = App(platform)
    file = tmp_path / "native.yaml"
    file.write_text(yaml.safe_dump_all(_OBJECTS))
    cdk8s.Include(Chart(app, "native", namespace="cerebro"), "native", url=str(file))
    return app.files()


@pytest.mark.parametrize(
    "line",
    [
        '  subgraph cerebro\n  pods_native["native<br>3 to 6 pods<br>a pod on each node<br>1 sched',
        '  Service_headless["Service headless"]',
        "host_any_host",
        "the_VPC --> host_without_paths_example_org",
        "| `without-paths.example.org` | the VPC |",
        "database: 1 pod, rolling update<br>agent: a pod on each node, updated by hand<br>"
        "scaled: 1 to 4 pods, rolling update<br>bare: 1 pod, updated by hand",
        "<td><code>example.org/init</code></td>",
        "| `any host` | the VPC | [native](cerebro/native.k8s.yaml) |",
        f"| `{_TOKEN}` | ipinfo.io API token | `every key` in token |",
        "| nightly | daily at 00:00 | `@daily` |",
        "  nightly :00:00, 30m",
    ],
)
def test_the_page_shows_them(files: ChartFiles, platform: AnalyticsPlatform, line: str) -> None:
    page = overview.render(files, platform)
    assert line in page
    assert "foreign" not in page


def test_the_readers_of_a_secret_and_their_restarts_are_known(files: ChartFiles) -> None:
    found = readers(_TOKEN, Objects.of(files.objects))
    assert {one.name: update_mode(one) for one in found.workloads} == {
        "database": Update.BY_HAND,
        "agent": Update.BY_HAND,
        "scaled": Update.ROLLING,
        "nightly": Update.NEXT_RUN,
        "bare": Update.BY_HAND,
    }
    selectors = {one.name: one.selector for one in found.workloads}
    assert (selectors["database"], selectors["scaled"]) == ("tier=db", "app=files")


def test_an_external_secret_of_another_api_group_gives_no_parameter(files: ChartFiles) -> None:
    foreign = [
        {**item, "apiVersion": "secrets.example.org/v1"}
        if item["kind"] == "ExternalSecret"
        else item
        for item in files.objects
    ]
    assert not readers(_TOKEN, Objects.of(foreign)).secrets


def test_the_checklist_checks_them(files: ChartFiles, platform: AnalyticsPlatform) -> None:
    texts = files.render()
    inputs = Inputs(
        platform=platform,
        files=texts,
        rendered=texts,
        stored=OpsError("pass --aws"),
        registry=False,
        cluster=None,
    )
    (service,) = inputs.services()
    said = {
        item: [one.detail.partition(",")[0] for one in results if one.outcome is Outcome.FAILED]
        for item, results in results_of(CHECKS, service, inputs).items()
    }
    database = "StatefulSet cerebro/database: container"
    assert (
        f"{database} first has no request for cpu; set requests and limits for cpu"
        in (said["Requests and limits"])
    )
    assert said["Probes"] == [
        f"{database} main has no livenessProbe",
        f"{database} main has no readinessProbe",
        "DaemonSet cerebro/agent: container main has no livenessProbe",
        "Deployment cerebro/scaled: container main has no livenessProbe",
    ]
    assert said["Zero-downtime update"] == [
        "StatefulSet database: an update of a StatefulSet stops old pods first",
        "DaemonSet agent: its pods must be replaced by hand",
        "Pod bare: its pods must be replaced by hand",
    ]
    assert len(said["Nodes are arm64"]) == 5


def test_the_review_handles_the_objects_of_our_constructs(files: ChartFiles) -> None:
    (file,) = files
    text = yaml.safe_dump_all(file.objects)
    account = "kind: ServiceAccount\napiVersion: v1\nmetadata: {name: a, namespace: cerebro%s}\n"
    role = ", annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/one'}"
    before, after = f"{text}---\n{account % ''}", f"{text}---\n{account % role}"
    after = after.replace("maxReplicas: 4", "maxReplicas: 9")
    found = review({file.path: before}, {file.path: after})
    assert said(found) == {
        "capacity HorizontalPodAutoscaler cerebro/scaled",
        "capacity Namespace cerebro",
        "privilege ServiceAccount cerebro/a",
    }
    assert "create HorizontalPodAutoscaler cerebro/scaled" in said(review({}, {file.path: text}))


@pytest.mark.parametrize(
    ("kind", "spec", "update"),
    [
        ("Deployment", {}, Update.ROLLING),
        ("Deployment", {"strategy": {"type": "Recreate"}}, Update.RECREATE),
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, Update.BY_HAND),
        ("ReplicaSet", {}, Update.BY_HAND),
        ("Job", {}, Update.REFUSED),
    ],
)
def test_the_update_mode_follows_the_strategy(
    kind: str, spec: dict[str, Any], update: Update
) -> None:
    version = "batch/v1" if kind == "Job" else "apps/v1"
    item = {"apiVersion": version, "kind": kind, "metadata": {"name": "one"}}
    (workload,) = workloads(Objects.of([{**item, "spec": {"template": _TEMPLATE, **spec}}]))
    assert workload.update is update
