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


_DECLARATIONS: dict[Any, Callable[..., Any]] = {
    WebService: base.web_service,
    SingleWriter: base.single_writer,
    ScheduledJob: base.scheduled_job,
    ReleaseJob: base.release_job,
    Options: base.options,
    Toleration: base.toleration,
    Autoscaling: base.autoscaling,
    Calls: base.calls,
    Namespace: base.namespace,
    ExternalSecret: base.external_secret,
    ParameterStore: base.store,
    AppProject: base.project,
    Application: base.application,
    Program: base.program,
    Container: base.sidecar,
    Alb: base.alb,
    Storage: base.storage,
    Quota: base.quota,
    Resources: base.resources,
    Probe: base.probe,
    HttpGet: base.http,
    TcpSocket: base.liveness(TcpSocket()),
    Command: base.liveness(Command(("true",))),
    Egress: base.egress,
}

_CHANGES: dict[Any, dict[str, Any]] = {
    WebService: {
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
    },
    SingleWriter: {
        "program": replace(base.PROGRAM, image="two"),
        "port": 9000,
        "liveness": Probe(TcpSocket(9000)),
        "startup": Probe(TcpSocket(9000)),
        "ports": {"metrics": 9090},
        "grace_seconds": 90,
        "storage": Storage(path="/a", size="1Gi"),
        "options": _OPTIONS,
    },
    ScheduledJob: {
        "program": replace(base.PROGRAM, image="two"),
        "schedule": "*/5 * * * *",
        "retries": 0,
        "deadline_seconds": 60,
        "grace_seconds": 5,
        "options": _OPTIONS,
    },
    ReleaseJob: {
        "program": replace(base.PROGRAM, image="two"),
        "retries": 0,
        "deadline_seconds": 60,
        "options": _OPTIONS,
    },
    Options: {
        "labels": {"a": "b"},
        "annotations": {"a": "b"},
        "pod_labels": {"a": "b"},
        "pod_annotations": {"a": "b"},
        "init_containers": {"first": base.ONE},
        "tolerations": (Toleration(operator="Exists"),),
        "node_selector": {"a": "b"},
        "priority_class_name": "high",
        "role_arn": "arn:aws:iam::111122223333:role/one",
    },
    Toleration: {
        "key": "other",
        "operator": "Exists",
        "value": "other",
        "effect": None,
        "toleration_seconds": 60,
    },
    Autoscaling: {
        "min_replicas": 3,
        "max_replicas": 7,
        "target_cpu_percent": 50,
        "target_memory_percent": 50,
    },
    Calls: {"service": "four", "namespace": "other", "port": "metrics"},
    Namespace: {
        "quota": replace(base.QUOTA, pods=11),
        "container_defaults": Resources(cpu=("1", "1"), memory=("1Gi", "1Gi")),
        "registry_credentials": base.PASSWORD,
        "readiness_gates": True,
    },
    ExternalSecret: {"keys": {"PASSWORD": base.TOKEN}},
    ParameterStore: {"namespaces": ("one", "two")},
    AppProject: {
        "description": "Two",
        "namespaces": ("two",),
        "powerful_kinds": {},
        "rendered": ({"apiVersion": "batch/v1", "kind": "Job"},),
    },
    Application: {
        "project": "two",
        "folder": "two",
        "namespace": "two",
        "file": "two.yaml",
        "cascade": False,
    },
    Program: {
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
    },
    Container: {
        "program": replace(base.PROGRAM, image="one"),
        "port": 9001,
        "ports": {"metrics": 9090},
        "readiness": _PROBE,
        "liveness": _PROBE,
        "startup": _PROBE,
    },
    Alb: {
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
    },
    Storage: {"path": "/b", "size": "2Gi"},
    Quota: {
        "resources": Resources(cpu=("2", "2"), memory=("1Gi", "2Gi")),
        "pods": 11,
        "volume_claims": 1,
    },
    Resources: {
        "cpu": ("150m", "200m"),
        "memory": ("32Mi", "128Mi"),
        "ephemeral_storage": ("64Mi", "1Gi"),
    },
    Probe: {
        "check": HttpGet("/other"),
        "initial_delay_seconds": 7,
        "period_seconds": 7,
        "timeout_seconds": 7,
        "failure_threshold": 7,
    },
    HttpGet: {"path": "/other", "port": 9000},
    TcpSocket: {"port": 9000},
    Command: {"command": ("false",)},
    Egress: {"ports": (80,), "to": "anywhere", "protocols": ("UDP",)},
    Platform: {
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
    },
}

_SEEN_ELSEWHERE = {
    Platform: {"hosts", "parameters", "parameter_prefix", "locations", "waivers"},  # rules
    WebService: {"service_ports"},  # test_parts
    Alb: {"keep_alive_seconds", "listeners"},  # test_refusals; listeners below
}


def _objects(of: Any, **changes: Any) -> list[Manifest]:
    if of is Platform:
        chart = base.chart(replace(base.PLATFORM, **changes))
        base.web_service(chart)
        base.single_writer(chart, "two", storage=Storage(path="/a", size="1Gi"))
        base.store(chart)
        base.application(chart, "three")
    else:
        chart = base.chart()
        _DECLARATIONS[of](chart, **changes)
    return base.objects(chart)


def test_every_prop_changes_the_objects_and_renders_valid_ones() -> None:
    """Including a misspelled field, because constructs write plain data."""
    changed: dict[str, Manifest] = {}
    without_effect: list[str] = []
    for of, changes in _CHANGES.items():
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
    assert declared == _CHANGES[of].keys() | _SEEN_ELSEWHERE.get(of, set())


def test_listeners_are_set() -> None:
    chart = base.chart()
    base.alb(chart, listeners=("HTTPS",), ssl_redirect=False)
    ingress = next(m for m in base.objects(chart) if m["kind"] == "Ingress")
    assert ingress["metadata"]["annotations"]["alb.ingress.kubernetes.io/listen-ports"] == (
        '[{"HTTPS":443}]'
    )
