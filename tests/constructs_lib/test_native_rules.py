"""The rules also check native objects. test_rules.py tests each rule."""

from collections.abc import Callable
from typing import Any

import cdk8s
import pytest
import yaml
from cdk8s import JsonPatch

from constructs_lib.kubernetes import App, Chart
from tests.constructs_lib import declarations as base

LARGE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: large}
spec:
  replicas: 50
  selector: {matchLabels: {app: large}}
  template: {spec: {containers: [{name: one, image: one}]}}
"""
INGRESS = "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: native}, spec: %s}"
LISTENING = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: native, annotations: {alb.ingress.kubernetes.io/listen-ports: "443"}}
spec: {}
"""
READER = """
apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata: {name: native}
spec: {data: [{secretKey: A, remoteRef: {key: /a/b/c}}]}
"""
JOB = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: native}
spec: {schedule: whenever, jobTemplate: {spec: {template: {}}}}
"""
STRAY = "{apiVersion: v1, kind: ConfigMap, metadata: {name: one, namespace: nowhere}}"
CONFIG = "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}}"
ROLE = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: one}}"
LIST = "{apiVersion: v1, kind: List, metadata: {name: one}, items: []}"


def declare(chart: cdk8s.Chart, text: str) -> None:
    """Declare a native object in a chart."""
    fields = yaml.safe_load(text)
    version, kind = fields.pop("apiVersion"), fields.pop("kind")
    metadata = cdk8s.ApiObjectMetadata(**fields.pop("metadata"))
    native = cdk8s.ApiObject(chart, "native", api_version=version, kind=kind, metadata=metadata)
    native.add_json_patch(*(JsonPatch.add(f"/{name}", value) for name, value in fields.items()))


def same(chart: Chart) -> cdk8s.Chart:
    return chart


def without_namespace(chart: Chart) -> cdk8s.Chart:
    return Chart(App.of(chart), "cluster-wide", namespace=None)


def plain(chart: Chart) -> cdk8s.Chart:
    return cdk8s.Chart(chart, "nested", namespace="space")


@pytest.mark.parametrize(
    ("chart_of", "text", "message"),
    [
        (same, LARGE, "namespace space: pods adds up to"),
        (same, INGRESS % "{rules: [{host: one.example.org}]}",
         "host one.example.org is served by space/one, space/native"),
        (same, INGRESS % "{rules: [{host: two.example.org}]}",
         "Ingress space/native serves two.example.org, which the certificate does not cover"),
        (same, INGRESS % "{rules: [{}]}", "Ingress space/native serves every host"),
        (same, LISTENING, "(construct chart/native): does not listen on HTTPS"),
        (same, STRAY, "is in namespace nowhere, which is not declared; the declared namespaces"),
        (same, READER, "parameter /a/b/c is read, but not declared"),
        (same, JOB, "'whenever' is not a valid schedule"),
        (without_namespace, CONFIG, ": has no namespace"),
        (plain, ROLE, ": is cluster-scoped"),
        (same, LIST, ": contains other objects"),
    ],
)  # fmt: skip
def test_the_rules_check_native_objects(
    chart_of: Callable[[Chart], cdk8s.Chart], text: str, message: str
) -> None:
    chart, _ = base.accepted()
    base.namespace(chart)
    declare(chart_of(chart), text)
    problems = base.refusals(chart)
    assert any(message in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("/spec", "x", "spec is not a mapping"),
        ("/spec/template", "x", "spec.template is not a mapping"),
        ("/spec/strategy", "x", "spec.strategy is not a mapping"),
        ("/spec/template/spec/containers", {"a": 1}, "containers is not a list of mappings"),
        ("/spec/template/spec/containers/0", "x", "containers is not a list of mappings"),
        ("/spec/template/spec/containers/0/image", 5, "containers[0].image is not a string"),
        ("/spec/template/spec/containers/0/resources", "x", "resources is not a mapping"),
        ("/spec/replicas", "many", "spec.replicas is not an integer"),
        ("/spec/replicas", True, "spec.replicas is not an integer"),
        ("/spec/selector/matchLabels/app", 5, "spec.selector.matchLabels is not a mapping of str"),
        (
            "/spec/template/spec/containers/0/securityContext/capabilities/drop",
            [5],
            "containers[0].securityContext.capabilities.drop is not a list of strings",
        ),
        (
            "/spec/template/spec/containers/0/livenessProbe/httpGet/port",
            ["x"],
            "containers[0].livenessProbe.httpGet.port is not an integer or a string",
        ),
        ("/metadata/labels", ["x"], "metadata.labels is not a mapping"),
        ("/metadata/namespace", 5, "metadata.namespace is not a string"),
    ],
)
def test_a_patch_with_a_wrong_type_is_rejected_with_its_field(
    path: str, value: Any, message: str
) -> None:
    chart, web = base.accepted()
    web.deployment.add_json_patch(JsonPatch.replace(path, value))
    (problem,) = base.refusals(chart)
    assert message in problem
    assert "Deployment" in problem
