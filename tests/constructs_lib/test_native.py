"""Native cdk8s constructs work in our charts and are checked by the rules."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cdk8s
import cdk8s_plus_27 as plus
import constructs
import jsii
import pytest
import yaml
from cdk8s import JsonPatch
from cdk8s_plus_27 import k8s

from constructs_lib.errors import PlatformError, errors_of
from constructs_lib.kubernetes import App, Chart
from constructs_lib.model import Manifest
from tests.conftest import program
from tests.constructs_lib import declarations as base

_INCLUDED = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: included, labels: {app: other}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: included, namespace: elsewhere}
spec: {template: {spec: {containers: [{name: one, image: one}], restartPolicy: Never}}}
"""


def named(name: str) -> cdk8s.ApiObjectMetadata:
    return cdk8s.ApiObjectMetadata(name=name)


class Gateway(cdk8s.ApiObject):
    """A class like those that `cdk8s import` generates for a CRD."""

    def __init__(self, scope: constructs.Construct, name: str, **spec: Any) -> None:
        kind = {"api_version": "example.org/v1", "kind": "Gateway"}
        super().__init__(scope, name, **kind, metadata=named(name))
        self.add_json_patch(JsonPatch.add("/spec", spec))


class ThirdParty(constructs.Construct):
    """A construct that does not use our library."""

    def __init__(self, scope: constructs.Construct, name: str) -> None:
        super().__init__(scope, name)
        k8s.KubePod(self, "pod", metadata=k8s.ObjectMeta(name=name))


@jsii.implements(cdk8s.IAnyProducer)
class Later:
    def produce(self) -> object:
        return "later"


def config_map(
    chart: cdk8s.Chart, name: str, data: dict[str, str] | None = None
) -> k8s.KubeConfigMap:
    return k8s.KubeConfigMap(chart, name, metadata=k8s.ObjectMeta(name=name), data=data)


def native(chart: Chart, folder: Path) -> None:
    """Declare one object of each native form."""
    included = folder / "included.yaml"
    included.write_text(_INCLUDED)
    last = config_map(chart, "l1", data={"zone": "a", "first": "b"})
    plus.ConfigMap(chart, "l2", metadata=named("l2"), data={"a": "b"})
    endpoints = {"api_version": "v1", "kind": "Endpoints"}
    plain = cdk8s.ApiObject(chart, "plain", **endpoints, metadata=named("plain"))
    plain.add_json_patch(JsonPatch.add("/subsets", [{"ports": [{"port": 80}]}]))
    cdk8s.Include(chart, "include", url=str(included))
    Gateway(chart, "imported", host="one.example.org")
    ThirdParty(chart, "third-party")
    lazy = cdk8s.ApiObject(chart, "lazy", api_version="v1", kind="Secret", metadata=named("lazy"))
    lazy.metadata.add("generateName", cdk8s.Lazy.any(Later()))
    k8s.KubeClusterRole(chart, "role", metadata=k8s.ObjectMeta(name="role"), rules=[])
    last.add_dependency(plain)


def titles(objects: list[Manifest]) -> list[str]:
    return [f"{one['kind']} {one['metadata']['name']}" for one in objects]


def test_every_native_form_is_rendered_in_a_stable_order(tmp_path: Path) -> None:
    app = App(base.PLATFORM)
    chart = Chart(app, "chart", namespace="space")
    native(chart, tmp_path)
    base.single_writer(chart)
    objects = app.files().of(chart).objects
    assert titles(objects) == [
        "ServiceAccount one",
        "NetworkPolicy one",
        "Deployment one",
        "Endpoints plain",
        "ConfigMap l1",
        "ConfigMap l2",
        "ConfigMap included",
        "Job included",
        "Gateway imported",
        "Pod third-party",
        "Secret lazy",
        "ClusterRole role",
    ]
    by_title = dict(zip(titles(objects), objects, strict=True))
    assert by_title["Secret lazy"]["metadata"]["generateName"] == "later"
    assert by_title["Gateway imported"]["spec"] == {"host": "one.example.org"}
    spaces = {title: one["metadata"].get("namespace") for title, one in by_title.items()}
    assert spaces.pop("ClusterRole role") is None
    assert spaces.pop("Job included") == "elsewhere"
    assert set(spaces.values()) == {"space"}


def test_helm_charts_are_rendered(tmp_path: Path) -> None:
    helm = program(tmp_path / "helm", f"cat <<'END'\n{_INCLUDED}END")
    chart = base.chart()
    cdk8s.Helm(chart, "one", chart="one", helm_executable=str(helm))
    assert titles(base.objects(chart)) == ["ConfigMap included", "Job included"]


def valid(app: App, folder: Path) -> Chart:
    """A valid chart with native objects."""
    chart = Chart(app, "chart", namespace="space")
    native(chart, folder)
    base.web_service(chart, program=base.READS_ALL)
    return chart


_PLATFORM = replace(base.SERVED, waivers=(base.NATIVE,))


def test_every_kind_of_synth_has_the_same_result(tmp_path: Path) -> None:
    app = App(_PLATFORM, outdir=str(tmp_path / "dist"))
    chart = valid(app, tmp_path)
    cdk8s.Chart(app, "plain", namespace="space")
    other = cdk8s.Chart(app, "other", namespace="space")
    config_map(other, "other")
    files = app.render()
    assert [*files] == [f"space/{name}.k8s.yaml" for name in ("chart", "plain", "other")]
    app.synth()
    assert {
        path.relative_to(app.outdir).as_posix(): path.read_text()
        for path in Path(app.outdir).rglob("*.yaml")
    } == files
    tested = [*cdk8s.Testing.synth(chart), *cdk8s.Testing.synth(other)]
    assert tested == app.files().objects
    assert list(yaml.safe_load_all(app.synth_yaml())) == tested
    assert app.synth_yaml() == "---\n".join(text for text in files.values() if text)


def test_dependencies_order_charts_and_native_objects() -> None:
    app = App(base.PLATFORM)
    first, second = (Chart(app, name, namespace="space") for name in ("first", "second"))
    maps = [config_map(first, name) for name in ("a", "b")]
    maps[0].add_dependency(maps[1])
    first.add_dependency(second)
    files = app.files()
    assert [file.name for file in files] == ["second", "first"]
    assert titles(files[1].objects) == ["ConfigMap b", "ConfigMap a"]


def test_nested_charts_are_separate_files_in_a_stable_order() -> None:
    app = App(base.SERVED)
    outer = Chart(app, "outer", namespace="space")
    base.web_service(outer, program=base.READS_ALL)
    inner = Chart(outer, "inner", namespace="space")
    plus.ConfigMap(inner, "l2", metadata=named("l2"))
    plain = cdk8s.Chart(inner, "plain", namespace="space")
    config_map(plain, "l1")
    first, second = app.render(), app.render()
    assert [*first] == [*second]
    assert [*first] == [
        "space/outer-inner-plain-c87dbcc2.k8s.yaml",
        "space/inner.k8s.yaml",
        "space/outer.k8s.yaml",
    ]
    for chart in (outer, inner, plain):
        assert cdk8s.Testing.synth(chart) == app.files().of(chart).objects


def test_cyclic_dependencies_are_rejected() -> None:
    app = App(base.PLATFORM)
    chart = Chart(app, "chart", namespace="space")
    one, two = (constructs.Construct(chart, name) for name in ("one", "two"))
    for construct in (one, two):
        k8s.KubeConfigMap(construct, "config")
    one.node.add_dependency(two.node.find_child("config"))
    two.node.add_dependency(one.node.find_child("config"))
    problems = errors_of(app.render)
    assert "Dependency cycle detected" in problems[0]


def test_a_cycle_of_charts_does_not_name_the_line_that_reads_them() -> None:
    app = App(base.PLATFORM)
    one, two = (Chart(app, name, namespace="space") for name in ("one", "two"))
    one.add_dependency(two)
    two.add_dependency(one)
    assert errors_of(app.files) == ["cdk8s: Dependency cycle detected: one => two => one"]


@jsii.implements(constructs.IValidation)
class Complaint:
    def validate(self) -> list[str]:
        return ["is too small\nby far", "is too large"]


def test_custom_validations_are_reported_like_rules(tmp_path: Path) -> None:
    app = App(replace(_PLATFORM, hosts=(base.HOST.fqdn, "unserved.example.org")))
    chart = valid(app, tmp_path)
    chart.node.find_child("l1").node.add_validation(Complaint())
    with pytest.raises(PlatformError) as refused:
        app.render()
    assert refused.value.problems == (
        "no Ingress serves the host unserved.example.org in catalogue/hosts.py; remove it "
        "[mismatching-hosts]",
        "chart/l1: is too small by far",
        "chart/l1: is too large",
    )
    for synthesized in (chart, cdk8s.Chart(app, "plain")):
        with pytest.raises(RuntimeError, match="no Ingress serves the host"):
            cdk8s.Testing.synth(synthesized)
    with pytest.raises(PlatformError):
        app.synth_yaml()


def _props(**props: Any) -> Any:
    return props


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda chart: cdk8s.Helm(chart, "one", chart="one", helm_executable="no-helm"),
         "cdk8s: unable to execute 'no-helm' to render Helm chart"),
        (lambda chart: cdk8s.Include(chart, "one", url="nowhere.yaml"), "cdk8s: unable to"),
        (lambda chart: k8s.KubeConfigMap(chart, "one", **_props(data={"a": 5})),
         "cdk8s: cdk8s-plus-27.k8s.KubeConfigMap: data.a: Value is not a string"),
        (lambda chart: k8s.KubeConfigMap(chart, "one", **_props(dat={})),
         "an unexpected keyword argument"),
    ],
)  # fmt: skip
def test_an_error_of_cdk8s_is_reported_in_one_line(
    declare: Callable[[Chart], Any], message: str
) -> None:
    chart = base.chart()
    problems = errors_of(lambda: declare(chart))
    (problem,) = problems
    assert message in problem
    assert "(tests/constructs_lib/test_native.py:" in problem


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (
            JsonPatch.replace("/spec/nowhere/one", 1),
            "Failed serializing construct at path 'chart/o",
        ),
        (JsonPatch.remove("/metadata/name"), "chart/one: is not a valid object: apiVersion, kind "),
    ],
)
def test_a_patch_of_a_native_object_that_does_not_apply_names_the_line_of_its_chart(
    patch: JsonPatch, message: str
) -> None:
    chart = base.chart()
    k8s.KubeConfigMap(chart, "one", metadata=k8s.ObjectMeta(name="one")).add_json_patch(patch)
    (problem,) = errors_of(base.app_of(chart).files)
    assert message in problem
    assert problem.endswith(f" ({chart.declared})")


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
        (same, LISTENING, 'listen-ports is not a JSON list of protocols with their port'),
        (same, STRAY, "is in namespace nowhere, which is not declared; the declared namespaces"),
        (same, READER, "parameter /a/b/c is read, but not declared"),
        (same, JOB, "'whenever' must be a cron schedule of five fields"),
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
    ("chart_of", "line"),
    [
        (same, r"tests/constructs_lib/declarations\.py:\d+: List space/one \(construct chart/nat"),
        (plain, r"dist/space/chart-nested\S*\.k8s\.yaml: List space/one \(construct chart/nested"),
    ],
)
def test_a_violation_of_a_native_object_names_the_line_of_its_chart_or_its_file(
    chart_of: Callable[[Chart], cdk8s.Chart], line: str
) -> None:
    chart, _ = base.accepted()
    declare(chart_of(chart), LIST)
    (problem,) = base.refusals(chart)
    assert re.match(line, problem)
