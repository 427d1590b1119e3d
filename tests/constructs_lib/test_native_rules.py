"""The rules also check native objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cdk8s
import pytest
from cdk8s import JsonPatch
from cdk8s_plus_27 import k8s

from constructs_lib.errors import PlatformError
from constructs_lib.kubernetes import App, Chart
from tests.constructs_lib import declarations as base


def large_deployment(chart: Chart) -> None:
    base.namespace(chart)
    k8s.KubeDeployment(
        chart,
        "large",
        metadata=k8s.ObjectMeta(name="large"),
        spec=k8s.DeploymentSpec(
            replicas=50,
            selector=k8s.LabelSelector(match_labels={"app": "large"}),
            template=k8s.PodTemplateSpec(
                spec=k8s.PodSpec(containers=[k8s.Container(name="one", image="one")])
            ),
        ),
    )


def ingress(*hosts: str | None) -> Callable[[Chart], Any]:
    return lambda chart: k8s.KubeIngress(
        chart,
        "ingress",
        metadata=k8s.ObjectMeta(name="native"),
        spec=k8s.IngressSpec(rules=[k8s.IngressRule(host=host) for host in hosts]),
    )


def stray(chart: Chart) -> None:
    base.namespace(chart)
    k8s.KubeConfigMap(chart, "stray", metadata=k8s.ObjectMeta(name="a", namespace="nowhere"))


def external_secret(chart: Chart) -> None:
    cdk8s.ApiObject(
        chart,
        "secret",
        api_version="external-secrets.io/v1beta1",
        kind="ExternalSecret",
        metadata=cdk8s.ApiObjectMetadata(name="native"),
    ).add_json_patch(
        JsonPatch.add("/spec", {"data": [{"secretKey": "A", "remoteRef": {"key": "/a/b/c"}}]})
    )


def no_namespace(chart: Chart) -> None:
    other = Chart(App.of(chart), "cluster-wide", namespace=None)
    k8s.KubeConfigMap(other, "one", metadata=k8s.ObjectMeta(name="one"))


def cluster_scoped_in_a_plain_chart(chart: Chart) -> None:
    other = cdk8s.Chart(chart, "nested", namespace="space")
    k8s.KubeClusterRole(other, "one", metadata=k8s.ObjectMeta(name="one"), rules=[])


def listed(chart: Chart) -> None:
    cdk8s.ApiObject(
        chart,
        "list",
        api_version="v1",
        kind="List",
        metadata=cdk8s.ApiObjectMetadata(name="list"),
    ).add_json_patch(JsonPatch.add("/items", []))


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (large_deployment, "namespace space: pods adds up to"),
        (ingress("one.example.org"), "host one.example.org is served by space/one, space/native"),
        (ingress("two.example.org"), "Ingress space/native serves two.example.org, which the cert"),
        (ingress(None), "Ingress space/native serves every host"),
        (stray, "is in namespace nowhere, which is not declared; the declared namespaces are"),
        (external_secret, "parameter /a/b/c is read, but not declared"),
        (no_namespace, ": has no namespace"),
        (cluster_scoped_in_a_plain_chart, ": is cluster-scoped"),
        (listed, ": contains other objects"),
    ],
)
def test_the_rules_check_native_objects(declare: Callable[[Chart], Any], message: str) -> None:
    app = App(base.SERVED)
    chart = Chart(app, "chart", namespace="space")
    secrets = {"A": base.PASSWORD, "B": base.TOKEN}
    base.web_service(chart, program=replace(base.PROGRAM, secrets=secrets))
    declare(chart)
    with pytest.raises(PlatformError) as refused:
        app.render()
    assert any(message in problem for problem in refused.value.problems), refused.value.problems


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
    chart = base.chart(base.SERVED)
    web = base.web_service(chart, program=base.READS_ALL)
    web.deployment.add_json_patch(JsonPatch.replace(path, value))
    with pytest.raises(PlatformError) as refused:
        base.app_of(chart).render()
    (problem,) = refused.value.problems
    assert message in problem
    assert "Deployment" in problem


def test_a_schedule_of_a_native_job_is_checked() -> None:
    chart = base.chart()
    k8s.KubeCronJob(
        chart,
        "job",
        metadata=k8s.ObjectMeta(name="job"),
        spec=k8s.CronJobSpec(
            schedule="whenever",
            job_template=k8s.JobTemplateSpec(spec=k8s.JobSpec(template=k8s.PodTemplateSpec())),
        ),
    )
    with pytest.raises(PlatformError, match="'whenever' is not a valid schedule"):
        base.app_of(chart).render()
