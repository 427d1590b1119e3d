"""Every prop has an effect on the rendered objects."""

import inspect
import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from constructs_lib.kubernetes import (
    Alb,
    Application,
    AppProject,
    Autoscaling,
    Chart,
    Container,
    ExternalSecret,
    Namespace,
    Options,
    ParameterStore,
    Platform,
    Program,
    Quota,
    ReleaseJob,
    ScheduledJob,
    SingleWriter,
    Storage,
    Toleration,
    WebService,
)
from constructs_lib.model import (
    Calls,
    ClusterTarget,
    Command,
    Egress,
    Host,
    HttpGet,
    Manifest,
    Pin,
    Probe,
    Resources,
    TcpSocket,
)
from tests.constructs_lib import declarations as base
from tests.test_schemas import problems

_PROBE = Probe(HttpGet("/other"))
_OPTIONS = Options(priority_class_name="high")


def _every_part(chart: Chart) -> None:
    """What the Platform has settings for."""
    base.web_service(chart)
    base.single_writer(chart, "two", storage=Storage(path="/a", size="1Gi"))
    base.store(chart)
    base.application(chart, "three")


_CHANGES: dict[Any, tuple[Callable[..., Any], dict[str, Any]]] = {
    WebService: (base.web_service, {
        "program": replace(base.PROGRAM, image="two"),
        "port": 9000,
        "readiness": _PROBE,
        "liveness": _PROBE,
        "startup": _PROBE,
        "ports": {"metrics": 9090},
        "replicas": 1,
        "autoscaling": Autoscaling(max_replicas=3),
        "ingress": None,
        "longest_request_seconds": 20,
        "options": _OPTIONS,
        "sidecars": {"side": Container(program=replace(base.PROGRAM, image="two"))},
    }),
    SingleWriter: (base.single_writer, {
        "program": replace(base.PROGRAM, image="two"),
        "port": 9000,
        "liveness": Probe(TcpSocket(9000)),
        "startup": Probe(TcpSocket(9000)),
        "ports": {"metrics": 9090},
        "grace_seconds": 90,
        "storage": Storage(path="/a", size="1Gi"),
        "options": _OPTIONS,
    }),
    ScheduledJob: (base.scheduled_job, {
        "program": replace(base.PROGRAM, image="two"),
        "schedule": "*/5 * * * *",
        "retries": 0,
        "deadline_seconds": 60,
        "grace_seconds": 5,
        "options": _OPTIONS,
    }),
    ReleaseJob: (base.release_job, {
        "program": replace(base.PROGRAM, image="two"),
        "retries": 0,
        "deadline_seconds": 60,
        "options": _OPTIONS,
    }),
    Options: (base.options, {
        "labels": {"a": "b"},
        "annotations": {"a": "b"},
        "pod_labels": {"a": "b"},
        "pod_annotations": {"a": "b"},
        "init_containers": {"first": base.ONE},
        "tolerations": (Toleration(operator="Exists"),),
        "node_selector": {"a": "b"},
        "priority_class_name": "high",
        "role_arn": "arn:aws:iam::111122223333:role/one",
    }),
    Toleration: (base.toleration, {
        "key": "other",
        "operator": "Exists",
        "value": "other",
        "effect": None,
        "toleration_seconds": 60,
    }),
    Autoscaling: (base.autoscaling, {
        "min_replicas": 3,
        "max_replicas": 7,
        "target_cpu_percent": 50,
        "target_memory_percent": 50,
    }),
    Calls: (base.calls, {"service": "four", "namespace": "other", "port": "metrics"}),
    Namespace: (base.namespace, {
        "quota": replace(base.QUOTA, pods=11),
        "container_defaults": Resources(cpu=("1", "1"), memory=("1Gi", "1Gi")),
        "registry_credentials": base.PASSWORD,
        "readiness_gates": True,
    }),
    ExternalSecret: (base.external_secret, {"keys": {"PASSWORD": base.TOKEN}}),
    ParameterStore: (base.store, {"namespaces": ("one", "two")}),
    AppProject: (base.project, {
        "description": "Two",
        "namespaces": ("two",),
        "powerful_kinds": {},
        "rendered": ({"apiVersion": "batch/v1", "kind": "Job"},),
    }),
    Application: (base.application, {
        "project": "two",
        "folder": "two",
        "namespace": "two",
        "file": "two.yaml",
        "cascade": False,
    }),
    Program: (base.program, {
        "resources": Resources(cpu=("1", "1"), memory=("1Gi", "1Gi")),
        "image": "two",
        "command": ("run",),
        "args": ("run",),
        "env": {"A": "1"},
        "files": {"/etc/one.toml": "a = 1"},
        "secret_files": {"/etc/key": base.TOKEN},
        "secrets": {"A": base.PASSWORD},
        "shared_secrets": (ExternalSecret(base.chart(), "shared", {"A": base.PASSWORD}),),
        "scratch": {"/a": "1Mi"},
        "tmp": "1Mi",
        "egress": (Egress((443,)),),
        "ignores_sigterm": True,
    }),
    Container: (base.sidecar, {
        "program": replace(base.PROGRAM, image="one"),
        "port": 9001,
        "ports": {"metrics": 9090},
        "readiness": _PROBE,
        "liveness": _PROBE,
        "startup": _PROBE,
    }),
    Alb: (base.alb, {
        "host": Host("two.example.org"),
        "scheme": "internet-facing",
        "idle_timeout_seconds": 50,
        "deregistration_delay_seconds": 90,
        "ssl_redirect": False,
        "denied_paths": (),
        "further_hosts": (Host("two.example.org"),),
        "paths": ("/v1", "/v2"),
        "group": "shared",
        "inbound_cidrs": ("10.0.0.0/8",),
        "annotations": {"alb.ingress.kubernetes.io/tags": "a=b"},
        "listeners": ("HTTPS", "HTTP"),
    }),
    Storage: (base.storage, {"path": "/b", "size": "2Gi"}),
    Quota: (base.quota, {
        "resources": Resources(cpu=("2", "2"), memory=("1Gi", "2Gi")),
        "pods": 11,
        "volume_claims": 1,
    }),
    Resources: (base.resources, {
        "cpu": ("150m", "200m"),
        "memory": ("32Mi", "128Mi"),
        "ephemeral_storage": ("64Mi", "1Gi"),
    }),
    Probe: (base.probe, {
        "check": HttpGet("/other"),
        "initial_delay_seconds": 7,
        "period_seconds": 7,
        "timeout_seconds": 7,
        "failure_threshold": 7,
    }),
    HttpGet: (base.http, {"path": "/other", "port": 9000}),
    TcpSocket: (base.liveness(TcpSocket()), {"port": 9000}),
    Command: (base.liveness(Command(("true",))), {"command": ("false",)}),
    Egress: (base.egress, {"ports": (80,), "to": "anywhere", "protocols": ("UDP",)}),
    Platform: (_every_part, {
        "name": "other",
        "images": {"one": Pin("sha-" + 40 * "a"), "two": Pin("latest")},
        "registry": "registry.example.org",
        "target": ClusterTarget(ingress_class="field"),
        "region": "eu-west-1",
        "certificate_arn": None,
        "alb_subnets": ("10.0.0.0/24",),
        "vpc_cidrs": ("10.0.0.0/16",),
        "access_logs_bucket": "logs",
        "deletion_protection": True,
        "storage_class": "gp3",
        "repository": "https://example.org/two.git",
        "revision": "next",
    }),
}  # fmt: skip

_SEEN_ELSEWHERE = {
    Platform: {"hosts", "parameters", "parameter_prefix", "waivers"},  # rules
    WebService: {"service_ports"},  # test_parts
    Alb: {"keep_alive_seconds"},  # test_refusals
}


def _objects(of: Any, **changes: Any) -> list[Manifest]:
    of_platform = changes if of is Platform else {}
    chart = base.chart(replace(base.PLATFORM, **of_platform))
    _CHANGES[of][0](chart, **({} if of_platform else changes))
    return base.objects(chart)


def test_every_prop_changes_the_objects_and_renders_valid_ones() -> None:
    """Including a misspelled field, because constructs write plain data."""
    changed: dict[str, Manifest] = {}
    without_effect: list[str] = []
    for of, (_, changes) in _CHANGES.items():
        before = _objects(of)
        for prop, value in changes.items():
            after = _objects(of, **{prop: value})
            changed |= {json.dumps(item): item for item in after if item not in before}
            if after == before:
                without_effect.append(f"{of.__name__}.{prop}")
    assert without_effect == []
    assert not problems([*changed.values()])


@pytest.mark.parametrize("of", _CHANGES, ids=lambda of: of.__name__)
def test_every_prop_is_tested(of: Any) -> None:
    constructed = {"self", "scope", "name"}
    declared = (
        {field.name for field in fields(of) if field.name != "_"}
        if hasattr(of, "__dataclass_fields__")
        else inspect.signature(of.__init__).parameters.keys() - constructed
    )
    assert declared == _CHANGES[of][1].keys() | _SEEN_ELSEWHERE.get(of, set())
