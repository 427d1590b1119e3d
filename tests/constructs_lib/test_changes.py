"""The objects of a construct are attributes and can be patched."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from cdk8s import JsonPatch
from cdk8s_plus_27 import k8s

from constructs_lib.errors import errors_of
from constructs_lib.kubernetes import Autoscaling, Chart, KubeObject, Storage, WebService
from tests.constructs_lib import declarations as base

_POD = ("spec", "template", "spec")


def web(chart: Chart | None = None, **changes: Any) -> WebService:
    return base.web_service(chart or base.chart(), **changes)


def at(thing: KubeObject, *path: str | int) -> Any:
    found: Any = thing.to_json()
    for step in path:
        found = found[step]
    return found


def test_every_object_of_a_construct_is_an_attribute() -> None:
    chart = base.chart()
    program = base.program_with(secrets={"A": base.TOKEN}, files={"/etc/one.toml": "a = 1"})
    service = web(chart, program=program, autoscaling=Autoscaling(max_replicas=4))
    writer = base.single_writer(chart, "two", storage=Storage(path="/a", size="1Gi"))
    job = base.scheduled_job(chart, "three", program=base.ONE)
    release = base.release_job(chart, "four", program=base.ONE)
    secret = base.external_secret(chart, "five")
    namespace = base.namespace(chart)
    store = base.store(chart)
    project = base.project(chart, "seven")
    application = base.application(chart, "six")
    named = [
        service.service_account,
        service.external_secrets["one-secrets"].external_secret,
        service.config_maps["one-config"],
        service.network_policy,
        service.deployment,
        service.service,
        service.ingress,
        service.disruption_budget,
        service.autoscaler,
        writer.service_account,
        writer.network_policy,
        writer.claim,
        writer.deployment,
        job.service_account,
        job.network_policy,
        job.cron_job,
        release.service_account,
        release.network_policy,
        release.job,
        secret.external_secret,
        namespace.namespace,
        namespace.resource_quota,
        namespace.limit_range,
        namespace.network_policy,
        namespace.registry_credentials.external_secret,
        store.cluster_secret_store,
        project.project,
        application.application,
    ]
    assert named == chart.kube_objects
    deployment = service.deployment
    assert (deployment.api_version, deployment.kind) == ("apps/v1", "Deployment")
    assert (deployment.namespace, deployment.name) == ("space", "one")
    assert store.cluster_secret_store.namespace is None


def test_json_patches_work_as_in_cdk8s() -> None:
    deployment = web().deployment
    deployment.add_json_patch(
        JsonPatch.add("/spec/template/spec/priorityClassName", "high"),
        JsonPatch.replace("/spec/replicas", 5),
        JsonPatch.remove("/spec/template/spec/nodeSelector"),
        JsonPatch.add("/spec/template/spec/containers/0/env", [{"name": "A", "value": "1"}]),
        JsonPatch.copy("/spec/replicas", "/spec/minReadySeconds"),
        JsonPatch.move("/spec/minReadySeconds", "/spec/revisionHistoryLimit"),
        JsonPatch.test("/spec/revisionHistoryLimit", 5),
    )
    assert at(deployment, *_POD, "priorityClassName") == "high"
    assert at(deployment, "spec", "replicas") == 5
    assert "nodeSelector" not in at(deployment, *_POD)
    assert at(deployment, *_POD, "containers", 0, "env") == [{"name": "A", "value": "1"}]
    assert at(deployment, "spec", "revisionHistoryLimit") == 5
    assert list(at(deployment, "spec")) == sorted(at(deployment, "spec"))


def test_lists_are_merged_by_their_merge_key() -> None:
    service = web(program=base.program_with(env={"A": "1", "B": "2"}), ports={"metrics": 9090})
    service.deployment.merge(
        {
            "metadata": {"annotations": {"example.org/owner": "us"}},
            "spec": {
                "unknownField": {"kept": True},
                "template": {
                    "spec": {
                        "containers": [
                            {
                                "name": "one",
                                "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}],
                                "ports": [{"name": "metrics", "protocol": "TCP"}],
                                "volumeMounts": [{"name": "extra", "mountPath": "/extra"}],
                            },
                            {"name": "second", "image": "second"},
                        ],
                        "volumes": [{"name": "extra", "emptyDir": {}}],
                        "tolerations": [{"key": "a", "operator": "Exists"}],
                        "nodeSelector": None,
                    }
                },
            },
        }
    )
    pod = at(service.deployment, *_POD)
    first, second = pod["containers"]
    assert first["env"] == [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "3"},
        {"name": "C", "value": "4"},
    ]
    assert [one["name"] for one in first["ports"]] == ["http", "metrics"]
    assert first["ports"][1] == {"containerPort": 9090, "name": "metrics", "protocol": "TCP"}
    assert [one["mountPath"] for one in first["volumeMounts"]] == ["/tmp", "/extra"]
    assert first["image"] == "ghcr.io/gnosischain/one:latest"
    assert second == {"image": "second", "name": "second"}
    assert [one["name"] for one in pod["volumes"]] == ["tmp", "extra"]
    assert pod["tolerations"] == [{"key": "a", "operator": "Exists"}]
    assert "nodeSelector" not in pod
    assert at(service.deployment, "spec", "unknownField") == {"kept": True}


def test_lists_without_a_key_are_extended_and_plain_lists_replaced() -> None:
    service = web(program=base.program_with(args=("serve", "--port")))
    container = {"name": "one", "args": ["run"]}
    service.deployment.merge({"spec": {"template": {"spec": {"containers": [container]}}}})
    assert at(service.deployment, *_POD, "containers", 0, "args") == ["run"]
    rule = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}
    before = len(at(service.network_policy, "spec", "egress"))
    for _ in range(2):
        service.network_policy.merge({"spec": {"egress": [rule]}})
    assert at(service.network_policy, "spec", "egress")[before:] == [rule]


def test_ports_without_a_name_are_matched_by_number_and_protocol() -> None:
    service = web().service
    service.merge({"spec": {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]}})
    service.merge({"spec": {"ports": [{"port": 53, "protocol": "UDP", "targetPort": 5353}]}})
    assert at(service, "spec", "ports")[1:] == [
        {"port": 53, "protocol": "UDP", "targetPort": 5353},
        {"port": 53},
    ]


def patch(*operations: JsonPatch) -> Callable[[WebService], None]:
    return lambda service: service.deployment.add_json_patch(*operations)


def merge(**fragment: Any) -> Callable[[WebService], None]:
    return lambda service: service.deployment.merge(fragment)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (patch(JsonPatch.remove("/spec/nothing")), "remove /spec/nothing does not apply"),
        (patch(JsonPatch.replace("/spec/nothing", 1)), "replace /spec/nothing does not apply"),
        (patch(JsonPatch.add("/spec/no/where", 1)), "does not apply (member 'no' not found);"),
        (patch(JsonPatch.add("/spec/template/spec/containers/7", {})), "containers/7 does not"),
        (patch(JsonPatch.test("/spec/template", 7)), "does not apply (the value is another); c"),
        (patch(JsonPatch.move("/spec/nothing", "/spec/b")), "move /spec/nothing to /spec/b does"),
        (patch(JsonPatch.remove("spec")), "does not apply"),
        (patch(JsonPatch.remove("/metadata/name")), "kind and metadata.name are required"),
        (patch(JsonPatch.replace("", "text")), "kind and metadata.name are required"),
        (merge(spec={"nothing": None}), "/spec/nothing does not exist, so None cannot remove it"),
        (merge(spec={"replicas": {"a": 1}}), "/spec/replicas is a plain value, but"),
        (merge(spec="text"), "/spec is a mapping, but a plain value in the fragment"),
        (merge(spec={"template": {"spec": {"containers": [{"image": "a"}]}}}),
         "an item of /spec/template/spec/containers has no name, the merge key"),
        (merge(spec={"$patch": "replace"}), "/spec/$patch is a patch directive"),
        (merge(spec=k8s.PodSpec(containers=[])), "a PodSpec is not plain data; write mappings"),
        (merge(metadata=None), "kind and metadata.name are required"),
    ],
)  # fmt: skip
def test_an_invalid_change_is_rejected_with_object_and_line(
    change: Callable[[WebService], None], message: str
) -> None:
    service = web()
    before = str(service.deployment.to_json())
    problems = errors_of(lambda: change(service))
    assert problems[0].startswith("Deployment space/one: ")
    assert message in problems[0]
    assert re.search(r"\(tests/constructs_lib/test_changes\.py:\d+\)$", problems[0])
    assert str(service.deployment.to_json()) == before
