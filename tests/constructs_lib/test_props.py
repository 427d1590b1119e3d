"""Every prop has an effect on the rendered objects."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
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


Change = tuple[Callable[..., Any], dict[str, Any]]

_CHANGES: dict[Any, Change] = {
    WebService: (
        base.web_service,
        {
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
    ),
    SingleWriter: (
        base.single_writer,
        {
            "program": replace(base.PROGRAM, image="two"),
            "port": 9000,
            "liveness": Probe(TcpSocket(9000)),
            "startup": Probe(TcpSocket(9000)),
            "ports": {"metrics": 9090},
            "grace_seconds": 90,
            "storage": Storage(path="/a", size="1Gi"),
            "options": _OPTIONS,
        },
    ),
    ScheduledJob: (
        base.scheduled_job,
        {
            "program": replace(base.PROGRAM, image="two"),
            "schedule": "*/5 * * * *",
            "retries": 0,
            "deadline_seconds": 60,
            "grace_seconds": 5,
            "options": _OPTIONS,
        },
    ),
    ReleaseJob: (
        base.release_job,
        {
            "program": replace(base.PROGRAM, image="two"),
            "retries": 0,
            "deadline_seconds": 60,
            "options": _OPTIONS,
        },
    ),
    Options: (
        base.options,
        {
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
    ),
    Toleration: (
        base.toleration,
        {
            "key": "other",
            "operator": "Exists",
            "value": "other",
            "effect": None,
            "toleration_seconds": 60,
        },
    ),
    Autoscaling: (
        base.autoscaling,
        {
            "min_replicas": 3,
            "max_replicas": 7,
            "target_cpu_percent": 50,
            "target_memory_percent": 50,
        },
    ),
    Calls: (base.calls, {"service": "four", "namespace": "other", "port": "metrics"}),
    Namespace: (
        base.namespace,
        {
            "quota": replace(base.QUOTA, pods=11),
            "container_defaults": Resources(cpu=("1", "1"), memory=("1Gi", "1Gi")),
            "registry_credentials": base.PASSWORD,
            "readiness_gates": True,
        },
    ),
    ExternalSecret: (base.external_secret, {"keys": {"PASSWORD": base.TOKEN}}),
    ParameterStore: (base.store, {"namespaces": ("one", "two")}),
    AppProject: (
        base.project,
        {
            "description": "Two",
            "namespaces": ("two",),
            "powerful_kinds": {},
            "rendered": ({"apiVersion": "batch/v1", "kind": "Job"},),
        },
    ),
    Application: (
        base.application,
        {
            "project": "two",
            "folder": "two",
            "namespace": "two",
            "file": "two.yaml",
            "cascade": False,
        },
    ),
    Program: (
        base.program,
        {
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
    ),
    Container: (
        base.sidecar,
        {
            "program": replace(base.PROGRAM, image="one"),
            "port": 9001,
            "ports": {"metrics": 9090},
            "readiness": _PROBE,
            "liveness": _PROBE,
            "startup": _PROBE,
        },
    ),
    Alb: (
        base.alb,
        {
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
    ),
    Storage: (base.storage, {"path": "/b", "size": "2Gi"}),
    Quota: (
        base.quota,
        {
            "resources": Resources(cpu=("2", "2"), memory=("1Gi", "2Gi")),
            "pods": 11,
            "volume_claims": 1,
        },
    ),
    Resources: (
        base.resources,
        {
            "cpu": ("150m", "200m"),
            "memory": ("32Mi", "128Mi"),
            "ephemeral_storage": ("64Mi", "1Gi"),
        },
    ),
    Probe: (
        base.probe,
        {
            "check": HttpGet("/other"),
            "initial_delay_seconds": 7,
            "period_seconds": 7,
            "timeout_seconds": 7,
            "failure_threshold": 7,
        },
    ),
    HttpGet: (base.http, {"path": "/other", "port": 9000}),
    TcpSocket: (base.liveness(TcpSocket()), {"port": 9000}),
    Command: (base.liveness(Command(("true",))), {"command": ("false",)}),
    Egress: (base.egress, {"ports": (80,), "to": "anywhere", "protocols": ("UDP",)}),
}

_PLATFORM_CHANGES: dict[str, Any] = {
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
}
_SEEN_ELSEWHERE = {
    Platform: {"hosts", "parameters", "parameter_prefix", "locations", "waivers"},  # rules
    WebService: {"service_ports"},  # test_parts
    Alb: {"keep_alive_seconds", "listeners"},  # test_refusals; listeners below
}


def _objects(declare: Callable[..., Any], **changes: Any) -> list[Manifest]:
    chart = base.chart()
    declare(chart, **changes)
    return base.objects(chart)


@pytest.mark.parametrize(
    ("declare", "prop", "value"),
    [
        pytest.param(declare, prop, value, id=f"{of.__name__}.{prop}")
        for of, (declare, changes) in _CHANGES.items()
        for prop, value in changes.items()
    ],
)
def test_a_changed_prop_changes_the_objects(
    declare: Callable[..., Any], prop: str, value: Any
) -> None:
    assert _objects(declare) != _objects(declare, **{prop: value})


def _objects_on(**changes: Any) -> list[Manifest]:
    chart = base.chart(replace(base.PLATFORM, **changes))
    base.web_service(chart)
    SingleWriter(chart, "two", program=base.PROGRAM, storage=Storage(path="/a", size="1Gi"))
    base.store(chart)
    Application(chart, "three", project="one", folder="one", namespace="one")
    return base.objects(chart)


def test_every_prop_renders_valid_objects() -> None:
    """Including a misspelled field, because constructs write plain data."""
    changed = {}
    rendering: list[Change] = [
        (partial(_objects, declare), changes) for declare, changes in _CHANGES.values()
    ]
    for render, changes in [*rendering, (_objects_on, _PLATFORM_CHANGES)]:
        before = render()
        for prop, value in changes.items():
            for item in render(**{prop: value}):
                if item not in before:
                    changed[json.dumps(item)] = item
    assert not problems([*changed.values()])


@pytest.mark.parametrize("prop", _PLATFORM_CHANGES)
def test_a_changed_platform_changes_the_objects(prop: str) -> None:
    assert _objects_on() != _objects_on(**{prop: _PLATFORM_CHANGES[prop]})


@pytest.mark.parametrize("of", [*_CHANGES, Platform], ids=lambda of: of.__name__)
def test_every_prop_is_tested(of: Any) -> None:
    constructed = {"self", "scope", "name"}
    declared = (
        {field.name for field in fields(of) if field.name != "_"}
        if hasattr(of, "__dataclass_fields__")
        else inspect.signature(of.__init__).parameters.keys() - constructed
    )
    changed = _PLATFORM_CHANGES if of is Platform else _CHANGES[of][1]
    assert declared == changed.keys() | _SEEN_ELSEWHERE.get(of, set())


def test_listeners_are_set() -> None:
    chart = base.chart()
    base.alb(chart, listeners=("HTTPS",), ssl_redirect=False)
    ingress = next(m for m in base.objects(chart) if m["kind"] == "Ingress")
    assert ingress["metadata"]["annotations"]["alb.ingress.kubernetes.io/listen-ports"] == (
        '[{"HTTPS":443}]'
    )
