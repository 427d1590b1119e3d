"""Every constructor checks its arguments against their annotations."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import pytest
from constructs import Construct

from catalogue.hosts import Hosts
from catalogue.parameters import Parameters
from constructs_lib import kubernetes
from constructs_lib.errors import DeclarationError, errors_of
from constructs_lib.kubernetes import (
    Alb,
    Autoscaling,
    Chart,
    Container,
    ExternalSecret,
    Program,
    SingleWriter,
    Storage,
    WebService,
)
from constructs_lib.model import Calls, Egress, HttpGet, Probe, Resources
from constructs_lib.model.checks import Between, _schema, _words, checked, fits
from tests.constructs_lib import declarations as base

_PROBE = Probe(HttpGet("/"))
_HTTPS = Egress((443,))


service = base.later(base.web_service)
program = base.later(base.program)
alb = base.later(base.alb)


def of(make: Any, *args: Any, **props: Any) -> Callable[[Chart], Any]:
    return lambda chart: make(*args, **props)


def on(make: Any, *args: Any, **props: Any) -> Callable[[Chart], Any]:
    return lambda chart: make(chart, *args, **props)


MISTAKES: list[tuple[Callable[[Chart], Any], str]] = [
    (service(port="8080"),
     "WebService.port must be an integer from 1 to 65535, not the string '8080'"),
    (service(port=0), "WebService.port must be an integer from 1 to 65535, not the number 0"),
    (service(port=True), "WebService.port must be an integer from 1 to 65535, not True"),
    (service(replicas="3"), "must be an integer of at least 1 or None, not the string '3'"),
    (service(readiness="/ready"), "WebService.readiness must be a Probe, not the string '/ready'"),
    (service(readiness=HttpGet("/")), "WebService.readiness must be a Probe, not a HttpGet"),
    (service(liveness=None), "WebService.liveness must be a Probe, not None"),
    (service(ingress="internal"),
     "WebService.ingress must be an Alb or None, not the string 'internal'"),
    (service(longest_request_seconds=-1), "an integer of at least 1, not the number -1"),
    (service(sidecars={"a": base.PROGRAM}),
     "WebService.sidecars['a'] must be a Container, not a Program"),
    (service(program=Program), "WebService.program must be a Program, not the class Program"),
    (service(ports={"metrics": "9090"}), "WebService.ports['metrics'] must be an integer from 1"),
    (service(service_ports="metrics"),
     "must be a tuple of strings, not the string 'metrics'; write a one-item tuple as (x,)"),
    (service(replica=2), "WebService has no prop 'replica'; did you mean 'replicas'?"),
    (service(color="red"), "WebService has no prop 'color'; use one of scope, name, program"),
    (on(WebService, "one", program=base.PROGRAM, port=80),
     "WebService requires readiness and liveness"),
    (of(WebService), "WebService requires scope, name, program, port, readiness and liveness"),
    (of(WebService, "one"), "WebService.scope must be a Construct, not the string 'one'"),
    (on(WebService, "one", base.PROGRAM),
     "WebService accepts props only by keyword; write program, port, readiness"),
    (of(Egress, (443,), ports=(80,)), "Egress.ports is passed twice; remove one"),
    (of(Egress, (443,), "public", ("TCP",), "UDP"),
     "Egress accepts only ports, to, protocols; remove"),
    (of(ExternalSecret, "one", "two", {}),
     "ExternalSecret.scope must be a Construct, not the string 'one'"),
    (program(env={"A": 5}), "Program.env['A'] must be a string, not the number 5"),
    (program(env={1: "a"}), "Program.env: a key must be a string, not the number 1"),
    (program(env={"A": 5, 1: "a"}), "Program.env['A'] must be a string, not the number 5"),
    (program(env={"a": "1"}, args=5), "Program.args must be a tuple of strings, not the number 5"),
    (program(env=["A=1"]), "Program.env must be a mapping of strings to strings, not a list"),
    (program(secrets={"A": "/cerebro/a/b"}),
     "secrets['A'] must be a Parameter, not the passed value "
     "(hidden, because it may be a secret)"),
    (program(args=["serve"]),
     "Program.args must be a tuple of strings, not a list; write it in parentheses"),
    (program(args=("serve", 8080)), "Program.args[1] must be a string, not the number 8080"),
    (program(egress=(_HTTPS)),
     "Program.egress must be a tuple of Egress or Calls, not an Egress; write a one-item tuple"),
    (program(egress=("443",)), "egress[0] must be an Egress or a Calls, not the string '443'"),
    (program(ignores_sigterm="yes"),
     "Program.ignores_sigterm must be True or False, not the string 'yes'"),
    (program(resources={"cpu": "1"}), "Program.resources must be a Resources, not a dict"),
    (alb(host="x.example.org"), "Alb.host must be a Host, not the string 'x.example.org'"),
    (alb(scheme="internet"),
     "Alb.scheme must be 'internet-facing' or 'internal', not the string 'internet'"),
    (alb(listeners=("HTTPS", "TCP")),
     "Alb.listeners[1] must be 'HTTP' or 'HTTPS', not the string 'TCP'"),
    (alb(paths="v1"),
     "Alb.paths must be a tuple of strings, not the string 'v1'; write a one-item tuple as (x,)"),
    (alb(idle_timeout_seconds=9999), "an integer from 1 to 4000, not the number 9999"),
    (alb(deregistration_delay_seconds=-1), "an integer from 0 to 3600, not the number -1"),
    (of(Egress, 443),
     "a tuple of integers from 1 to 65535, not the number 443; write a one-item tuple"),
    (of(Egress, (443,), to="world"),
     "Egress.to must be 'anywhere' or 'public', not the string 'world'"),
    (of(Egress, (443,), protocols=("SCTP",)), "Egress.protocols[0] must be 'TCP' or 'UDP'"),
    (of(Resources, cpu="250m", memory=("1Gi", "1Gi")),
     "Resources.cpu must be a tuple of 2 items: a string, a string, not the string '250m' ("),
    (of(Resources, cpu=("1",), memory=("1Gi", "1Gi")),
     "Resources.cpu must be a tuple of 2 items: a string, a string, not the tuple ('1',)"),
    (of(Probe, "/ready"),
     "Probe.check must be a HttpGet or a TcpSocket or a Command, not the string '/ready'"),
    (of(Probe, HttpGet("/"), period_seconds=0),
     "Probe.period_seconds must be an integer of at least 1 or None, not the"),
    (of(Container, program=base.PROGRAM, port=-1), "Container.port must be an integer from 1"),
    (of(Autoscaling, max_replicas=0), "Autoscaling.max_replicas must be an integer of at least 1"),
    (on(SingleWriter, "one", program=base.PROGRAM, grace_seconds=-5),
     "SingleWriter.grace_seconds must be an integer of at least 0"),
    (on(Chart, "one", namespace=5), "Chart.namespace must be a string or None, not the number 5"),
]  # fmt: skip


@pytest.mark.parametrize(("declare", "message"), MISTAKES)
def test_a_wrong_type_or_range_is_reported_in_one_line(
    declare: Callable[[Chart], Any], message: str
) -> None:
    chart = base.chart()
    problems = errors_of(lambda: declare(chart))
    (problem,) = problems
    assert message in problem
    assert "\n" not in problem
    assert re.search(r"\(tests/\S+\.py:\d+\)$", problem)


options = base.later(base.options)
NAMED = (
    base.web_service,
    base.single_writer,
    base.scheduled_job,
    base.release_job,
    base.namespace,
    base.external_secret,
    base.project,
    base.application,
)
MALFORMED: list[Callable[[Chart], Any]] = [
    *(lambda chart, declare=declare: declare(chart, "A") for declare in NAMED),
    on(Chart, "A"),
    on(Chart, "one", namespace="A"),
    on(Chart, "one", folder="../a"),
    program(env={"a": "1"}),
    program(secrets={"a": base.TOKEN}),
    program(files={"a": "b"}),
    program(secret_files={"a": base.TOKEN}),
    program(scratch={"a": "1Mi"}),
    service(ports={"a" * 16: 9090}),
    alb(paths=("a",)),
    alb(denied_paths=("a",)),
    alb(group="A"),
    options(labels={"a b": "c"}),
    options(annotations={"a b": "c"}),
    options(pod_labels={"a b": "c"}),
    options(pod_annotations={"a b": "c"}),
    options(node_selector={"a b": "c"}),
    options(init_containers={"A": base.ONE}),
    options(priority_class_name="A"),
    of(HttpGet, "a"),
    of(Storage, path="a", size="1Gi"),
]


@pytest.mark.parametrize("declare", MALFORMED)
def test_a_string_of_the_wrong_form_is_rejected(declare: Callable[[Chart], Any]) -> None:
    (problem,) = errors_of(lambda: declare(base.chart()))
    assert " is not a valid " in problem


def test_every_public_class_checks_its_arguments() -> None:
    classes = {name: one for name, one in vars(kubernetes).items() if inspect.isclass(one)}
    unchecked = [name for name, one in classes.items() if not hasattr(one.__init__, "__wrapped__")]
    assert unchecked == ["ChartFile", "ChartFiles", "KubeObject"]  # created by the library


def test_a_matching_value_is_not_converted() -> None:
    env = {"A": "1"}
    declared = Program(
        resources=base.RESOURCES,
        env=env,
        secrets={"B": Parameters.API_KEYS},
        args=(),
        egress=(_HTTPS, Calls("one")),
        scratch={},
    )
    assert declared.env is env
    assert Alb(host=Hosts.API, scheme="internal", keep_alive_seconds=None).host is Hosts.API


@dataclass(frozen=True)
class _One:
    number: int


@checked
class _Spelled(_One):
    def __init__(self, text: str) -> None:
        super().__init__(len(text))


def test_a_custom_constructor_is_checked_against_its_own_annotations() -> None:
    assert _Spelled("four") == _Spelled(text="nine")
    with pytest.raises(DeclarationError, match=r"_Spelled\.text must be a string, not the number"):
        _Spelled(4)  # type: ignore[arg-type]


@checked
class _Team(Construct):
    def __init__(self, scope: Construct) -> None:
        super().__init__(scope, "team")
        Program(resources=base.RESOURCES, env={"API_TOKEN": "x"})


def test_an_error_inside_of_a_checked_constructor_names_the_line_in_it() -> None:
    (problem,) = errors_of(lambda: _Team(base.chart()))
    line = inspect.unwrap(_Team.__init__).__code__.co_firstlineno + 2
    assert "API_TOKEN looks like a secret" in problem
    assert problem.endswith(f"(tests/constructs_lib/test_checks.py:{line})")


KINDS: list[tuple[Any, Any, Any]] = [
    (int, 1, True),
    (bool, True, 1),
    (float, 2, "2.5"),
    (str, "a", b"a"),
    (int | None, None, "a"),
    (Path, Path("a"), "a"),
    (Literal["a", "b"], "b", "c"),
    (Annotated[int, Between(1, 5)], 5, 6),
    (tuple[int, ...], (1, 2, 3), (1, 2, "3")),
    (tuple[int, str], (1, "a"), ("a", 1)),
    (list[int], [1, 2], [1, "2"]),
    (Mapping[str, int], MappingProxyType({"a": 1}), {"a": 1, "b": "1"}),
    (dict[str, tuple[int, ...]], {"a": (1,)}, {"a": (1,), "b": ("1",)}),
]


@pytest.mark.parametrize(("hint", "right", "wrong"), KINDS, ids=[str(hint) for hint, _, _ in KINDS])
def test_every_annotation_type_checks_all_items(hint: Any, right: Any, wrong: Any) -> None:
    assert fits(hint, right)
    assert fits(hint | None, None)
    assert not fits(hint, wrong)
    assert not fits(Mapping[str, hint], {"a": right, "b": wrong})


def test_an_unsupported_annotation_is_rejected() -> None:
    with pytest.raises(TypeError, match="is not supported"):
        _schema("not an annotation")


def test_words_for_nested_annotations() -> None:
    assert _words(dict[str, tuple[int, ...]]) == "a mapping of strings to tuple of integers"
