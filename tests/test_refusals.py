"""Invalid declarations are rejected with their location and what to do."""

import re
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from catalogue import images, stack_outputs
from catalogue.installation import Installation
from catalogue.platform import AnalyticsPlatform
from charts import registry
from constructs_lib.errors import DeclarationError, PlatformError, errors_of
from constructs_lib.kubernetes import App, Chart, Container, ExternalSecret, Storage, WebService
from constructs_lib.model import (
    ClusterTarget,
    Host,
    HttpGet,
    Parameter,
    Pin,
    Probe,
    Resources,
    TcpSocket,
)
from constructs_lib.model.waivers import Waiver
from tests.constructs_lib import declarations as base

Declare = Callable[[Chart], Any]


program = base.later(base.program)
service = base.later(base.web_service)


def resources(**changes: Any) -> Declare:
    return lambda _: replace(base.RESOURCES, **changes)


def job(schedule: str) -> Declare:
    return lambda chart: base.scheduled_job(chart, schedule=schedule)


def named(name: str) -> Declare:
    return lambda chart: base.single_writer(chart, name)


alb = base.later(base.alb)


def secret(**keys: Parameter) -> Declare:
    return lambda chart: ExternalSecret(chart, "one", keys)


def dns(*addresses: str) -> Declare:
    return lambda _: ClusterTarget(dns_addresses=addresses)


def twice(chart: Chart) -> None:
    base.web_service(chart)
    base.web_service(chart)


class Early(Chart):
    """Uses itself before it is initialized."""

    def __init__(self, scope: App) -> None:
        base.web_service(self)
        super().__init__(scope, "early")


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (program(image="Upper"), "chart/one: 'Upper' is not a valid name"),
        (service(sidecars={"Upper": Container(program=base.ONE)}),
         "chart/one: 'Upper' is not a valid name"),
        (program(image="unknown"),
         "chart/one: image 'unknown' is not pinned; add catalogue/images/unknown"),
        (lambda _: Pin("v1.2.3"), "'v1.2.3' is not a valid pin; write sha-"),
        (lambda _: Pin("sha-" + 40 * "a", "sha256:1"), "is not a valid pin"),
        (lambda _: Pin("sha-" + 40 * "a", ""), "is not a valid pin"),
        (lambda _: Pin("latest", f"sha256:{64 * 'a'}"), "pins a digest to a moving tag"),
        (lambda _: Pin("sha-abc"), "'sha-abc' is not a valid pin"),
        (lambda _: Pin("sha-" + 40 * "A"), "is not a valid pin"),
        (resources(memory=("1Gi", "")), "has no limit"),
        (resources(memory=("1Gi", "512Mi")), "memory limit 512Mi is below the request 1Gi"),
        (resources(memory=("512m", "1Gi")), "memory '512m' is in thousandths of a byte; did you "
         "mean 512Mi?"),
        (resources(memory=("512", "1024")), "memory '512' is in bytes; did you mean 512Mi?"),
        (resources(cpu=("1Gi", "2Gi")), "cpu '1Gi' is not in cores; write it like 250m or 2"),
        (resources(memory=("0.5", "1Gi")), "memory '0.5' is in thousandths of a byte; write it"),
        (resources(ephemeral_storage=("1m", "3Gi")), "ephemeral-storage '1m' is in thousandths"),
        (resources(memory=("1024Mi", "2Gi")), "'1024Mi' is not in canonical form; write '1Gi'"),
        (resources(cpu=("fast", "1")), "'fast' is not a valid quantity"),
        (service(readiness=Probe(TcpSocket())), "must be HTTP; declare readiness=Probe(HttpGet"),
        (job("daily"), "schedule 'daily' is not valid; write minute, hour"),
        (job("0 0 2 * * *"), "schedule '0 0 2 * * *' is not valid"),
        (job("*/60 25 * * *"), "'*/60 25 * * *' is not valid, or never starts (Bad hour); write"),
        (job("0 0 31 2 *"), "is not valid, or never starts (Bad day-of-month); write minute, hour"),
        (job("0 2 * * 5-7"), "day of week (0-6)"),
        (job("0 2 * * 5#3"), "schedule '0 2 * * 5#3' is not valid"),
        (lambda _: Host("https://api.example.org/"), "is not a valid host name; write it"),
        (lambda _: Host("API.example.org"), "is not a valid host name"),
        (lambda _: Host("localhost"), "is not a valid host name"),
        (program(env={"A": "1"}, secrets={"A": base.TOKEN}), "A is declared twice"),
        (program(env={"A_TOKEN": "abcdef"}), "A_TOKEN looks like a secret and would be published"),
        (program(env={"lower case": "1"}), "'lower case' is not a valid environment variable name"),
        (secret(**{"a-b": base.TOKEN}), "'a-b' is not a valid environment variable name"),
        (secret(), "reads no parameters; remove it"),
        (program(scratch={"/data": "1Gi"}), "more than its ephemeral storage limit of 512Mi"),
        (lambda _: Parameter("/other/one", "One", "1"), "name it /<platform>/<area>/<name>"),
        (named("Upper"), "'Upper' is not a valid name"),
        (named("a" * 64), "at most 63 characters"),
        (lambda chart: base.scheduled_job(chart, "a" * 53), "at most 52 characters"),
        (program(args=("--api-key=sk_live_internal_key",)), "an argument looks like a secret"),
        (program(tmp="64m"), "/tmp '64m' is in thousandths of a byte; did you mean 64Mi?"),
        (lambda _: Storage(path="/a", size="1m"), "/a '1m' is in thousandths of a byte"),
        (program(scratch={"data": "1Mi"}), "'data' is not a valid mount path"),
        (lambda _: HttpGet("health"), "'health' is not a valid path; start it with a slash"),
        (lambda chart: base.single_writer(chart, liveness=Probe(HttpGet("/health"))),
         "has no port; set the port of the workload, or HttpGet(port="),
        (lambda _: Storage(path="/a", size="1024Mi"), "/a '1024Mi' is not in canonical form"),
        (lambda chart: base.single_writer(chart, storage=Storage(path="/tmp", size="1Gi")),
         "/tmp is mounted twice; keep one"),
        (service(sidecars={"one": Container(program=base.PROGRAM)}),
         "sidecar 'one' has the name of the main container"),
        (service(longest_request_seconds=45), "so a rollout would cut off such requests; raise it"),
        (alb(idle_timeout_seconds=20), "or the load balancer cuts off such requests"),
        (lambda _: Parameter("/cerebro/a/b", "One", "sk_live_internal_key"),
         "the placeholder of /cerebro/a/b looks like a secret"),
        (lambda _: Installation(region="Frankfurt"), "region 'Frankfurt' does not match"),
        (lambda _: Installation(account="12"), "account '12' does not match"),
        (lambda _: Installation(kms_key_arn="alias/x"), "kms_key_arn 'alias/x' does not match"),
        (lambda _: Installation(alb_subnets=("10.0.0.0",)), "'10.0.0.0' is not a CIDR range; w"),
        (lambda _: Installation(vpc_cidrs=("10.0.0.1/16",)), "10.0.0.1/16 has host bits"),
        (lambda _: Installation(access_logs_bucket="s3://logs"),
         "access_logs_bucket 's3://logs' does not match"),
        (dns("fd00::a"), "dns_addresses: 'fd00::a' is not an IPv4 address; write it like"),
        (dns("10.100.0.0/16"), "dns_addresses: '10.100.0.0/16' is not an IPv4 address"),
        (dns("10.0.0.1", "10.0.0.1"), "dns_addresses lists an address twice"),
        (twice, "There is already a Construct with name 'one' in Chart [chart]; rename one"),
        (lambda _: sys.exit(1), "the chart calls sys.exit; raise an exception instead"),
        (lambda chart: Early(base.app_of(chart)),
         "a construct is used before it is initialized; call super().__init__(...) first"),
        (lambda _: Chart.__new__(Chart).platform,
         "Chart has no member platform; check the spelling, or call super().__init__(...) first"),
        (alb(listeners=("HTTPS",)), "ssl_redirect needs an HTTP and an HTTPS listener"),
        (alb(paths=("/*",)), "start it with a slash, and omit * and ?: a prefix"),
        (alb(denied_paths=("/metrics*",)), "'/metrics*' is not a valid path; start"),
        (alb(idle_timeout_seconds=75), "keep_alive_seconds=75 must be longer than"),
        (lambda chart: base.namespace(chart, "elsewhere"),
         "is in a chart with namespace 'space'; use Chart(namespace='elsewhere')"),
    ],
)  # fmt: skip
def test_an_error_is_reported_with_its_line(declare: Declare, message: str) -> None:
    problems = errors_of(lambda: declare(base.chart()))
    (problem,) = problems
    assert message in problem
    assert re.search(r"\((tests|catalogue)/\S+\.py:\d+\)$", problem)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("charts.cerebro.nowhere:Nowhere",
         "No module named 'charts.cerebro.nowhere'; check the spelling, or add it"),
        ("charts.cerebo.cerebro_api:CerebroApi", "No module named 'charts.cerebo'; check the spel"),
        ("charts.cerebro.cerebro_api:Api", "cerebro_api has no member Api; did you mean App?"),
        ("charts.cerebro.cerebro_api:CerebroApicharts.cerebro.cerebro_mcp:CerebroMcp",
         "is not a chart; write package.module:Class, and a comma between two charts"),
        ("", "'' is not a chart; write package.module:Class"),
        ("charts.cluster.namespaces:NAMESPACES", "NAMESPACES' declares no chart; write package"),
        ("builtins:callable", "callable' declares no chart; write package.module:Class, or a"),
        ("builtins:repr", "'builtins:repr' declares no chart; write package.module:Class, or a fu"),
    ],
)  # fmt: skip
def test_an_invalid_line_in_the_registry_is_reported(
    monkeypatch: pytest.MonkeyPatch, platform: AnalyticsPlatform, entry: str, message: str
) -> None:
    monkeypatch.setattr(registry, "CHARTS", (entry,))
    with pytest.raises(PlatformError, match=r"charts/registry\.py") as refused:
        registry.build(platform)
    assert message in str(refused.value)


def test_a_class_that_its_module_does_not_have_names_the_line_of_its_entry(
    monkeypatch: pytest.MonkeyPatch, platform: AnalyticsPlatform
) -> None:
    api = registry.CHARTS[0]
    monkeypatch.delattr("charts.cerebro.cerebro_api.CerebroApi")
    text = Path(registry.__file__).read_text("utf-8")
    line = text.partition(f'"{api}"')[0].count("\n") + 1
    with pytest.raises(PlatformError, match=rf"no member CerebroApi; .*registry\.py:{line}\)$"):
        registry.build(platform)


def test_a_platform_without_a_namespace_is_rejected(
    monkeypatch: pytest.MonkeyPatch, platform: AnalyticsPlatform
) -> None:
    monkeypatch.setattr(registry, "CHARTS", ())
    with pytest.raises(PlatformError, match=r"no chart declares a Namespace; .* \(charts/argocd/"):
        registry.build(platform)


@pytest.mark.parametrize(
    ("charts", "repeated"),
    [
        (2 * registry.CHARTS[:1], registry.CHARTS[0]),
        ((*registry.CHARTS, registry.DERIVED[0]), registry.DERIVED[0]),
    ],
)
def test_a_chart_that_is_listed_twice_is_reported_once(
    monkeypatch: pytest.MonkeyPatch,
    platform: AnalyticsPlatform,
    charts: tuple[str, ...],
    repeated: str,
) -> None:
    monkeypatch.setattr(registry, "CHARTS", charts)
    with pytest.raises(PlatformError) as refused:
        registry.build(platform)
    assert refused.value.problems == (
        f"charts/registry.py: {repeated!r} is listed twice; keep one",
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ('Resources(cpu=("1", "500m"), memory=("1Gi", "1Gi"))', "cpu limit 500m is below the req"),
        ('Resources(cpu="1", memory=("1Gi", "1Gi"))', "Resources.cpu must be a tuple of 2 items"),
        (
            'Toleration(key="arch", effects="NoSchedule")',
            "Toleration has no prop 'effects'; did you mean",
        ),
        ("Probe()", "Probe requires check"),
        ('int("ten")', "ValueError: invalid literal for int() with base 10: 'ten'"),
        ("Resource()", "Resource is not defined; did you mean Resources?"),
        ("Probe.of()", "Probe has no member of; "),
        ("import charts.missing", "No module named 'charts.missing'; check the spelling"),
    ],
)
def test_a_mistake_at_module_level_names_its_line(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    platform: AnalyticsPlatform,
    code: str,
    message: str,
) -> None:
    file = tmp_path / "own_chart.py"
    file.write_text(
        f"from constructs_lib.kubernetes import *\nfrom constructs_lib.model import *\n{code}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "CHARTS", ("own_chart:Own",))
    with pytest.raises(PlatformError) as refused:
        registry.build(platform)
    (problem,) = refused.value.problems
    assert problem.startswith(message)
    assert problem.endswith(f"({file}:3)")


def test_an_error_of_a_chart_hides_no_violation_that_needs_no_other_chart(
    monkeypatch: pytest.MonkeyPatch, platform: AnalyticsPlatform
) -> None:
    def wrong(app: App) -> Chart:
        chart = Chart(app, "wrong", namespace="missing")
        program = replace(base.PROGRAM, image="nebula")
        worker = base.single_writer(chart, program=program)
        worker.deployment.merge({"spec": {"template": {"spec": {"a": 1}}}})
        return chart

    monkeypatch.setattr("charts.cerebro.cerebro_api.CerebroApi", lambda _: 1 / 0)
    monkeypatch.setattr("charts.cerebro.cerebro_mcp.CerebroMcp", wrong)
    with pytest.raises(PlatformError) as refused:
        registry.build(platform)
    error, violation = refused.value.problems
    assert error.startswith("ZeroDivisionError: division by zero")
    assert "Deployment missing/one (changed at tests/test_refusals.py" in violation
    assert "spec.template.spec.a is not a field; remove it [invalid-field]" in violation


@pytest.mark.parametrize("attribute", ["namespace", "labels"])
def test_a_chart_has_no_empty_values_before_it_is_initialized(attribute: str) -> None:
    chart = Chart.__new__(Chart)
    with pytest.raises(AttributeError):
        getattr(chart, attribute)


def test_two_parameters_with_one_path_are_rejected() -> None:
    with pytest.raises(DeclarationError, match=f"parameter {base.TOKEN.path} is declared twice; "):
        replace(base.PLATFORM, parameters=(base.TOKEN.path, base.TOKEN.path))


def test_a_registry_that_lists_a_module_next_to_it_notes_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "CHARTS", (*registry.CHARTS, "charts.shared:clickhouse"))
    assert registry.unlisted() == []


def test_a_construct_outside_of_an_app_or_chart_is_rejected() -> None:
    app = App(base.PLATFORM)
    with pytest.raises(DeclarationError, match="is not in a Chart"):
        ExternalSecret(app, "one", {"A": base.TOKEN})
    with pytest.raises(DeclarationError, match="is not in an App with a AnalyticsPlatform"):
        AnalyticsPlatform.of(base.chart())


def test_an_error_in_the_code_of_a_chart_names_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = errors_of(lambda: 1 / 0)
    assert re.fullmatch(
        r"ZeroDivisionError: division by zero \(tests/test_refusals\.py:\d+\)", problems[0]
    )
    assert not capsys.readouterr().err
    monkeypatch.setenv("TRACEBACK", "1")
    errors_of(lambda: 1 / 0)
    assert capsys.readouterr().err.startswith("Traceback (most recent call last):")


def charts(declare: Callable[[App], Any], **changes: Any) -> str:
    """The errors when an App is rendered."""
    app = App(replace(base.PLATFORM, **changes))
    declare(app)
    with pytest.raises(PlatformError) as refused:
        app.render()
    return str(refused.value)


def two(app: App) -> None:
    """Two charts with the same service and host."""
    for name in ("first", "second"):
        base.web_service(Chart(app, name, namespace="space"), program=base.READS_ALL)


def one(app: App, **changes: Any) -> Chart:
    chart = Chart(app, "chart", namespace="space")
    base.web_service(chart, program=base.READS_ALL, **changes)
    return chart


def misplaced(app: App) -> None:
    base.namespace(one(app))
    base.program(Chart(app, "stray", namespace="other"))


def beyond_the_quota(app: App) -> None:
    chart = one(app, replicas=4)
    base.namespace(chart, quota=replace(base.QUOTA, resources=base.RESOURCES, pods=8))


def same_file(app: App) -> None:
    Chart(app, "one", namespace="space")
    Chart(app, "other", namespace="space").path = "space/one.k8s.yaml"


@pytest.mark.parametrize(
    ("declare", "platform", "message"),
    [
        (same_file, {}, "space/one.k8s.yaml is written by two charts; rename one"),
        (two, {}, "Deployment space/one is declared 2 times, "),
        (two, {}, "host one.example.org is served by space/one, space/one; use a separate"),
        (misplaced, {}, "is in namespace other, which is not declared; the declared namespaces"),
        (one, {"hosts": ()}, "Ingress space/one serves one.example.org, which the certificate"),
        (one, {"hosts": ("one.example.org", "two.example.org")},
         "no Ingress serves the host two.example.org in catalogue/hosts.py; remove it"),
        (one, {"parameters": (base.PASSWORD.path, base.TOKEN.path, "/cerebro/test/other")},
         "parameter /cerebro/test/other is not read by any service; remove it"),
        (one, {"parameters": (base.PASSWORD.path,)},
         "parameter /cerebro/test/token is read, but not declared"),
        (one, {"parameters": (base.PASSWORD.path, "/cerebro/test/tokem")},
         "read /cerebro/test/tokem, which no service reads, or add it to catalogue/parameters.py"),
        (one, {}, "catalogue/images/two.pin pins an image that no pod runs; list its chart in "
         "charts/registry.py, or remove the pin"),
        (beyond_the_quota, {},
         "namespace space: requests.cpu adds up to 900m at peak, above its quota of 100m"),
        (beyond_the_quota, {}, "namespace space: pods adds up to 9 at peak"),
    ],
)  # fmt: skip
def test_an_error_across_charts_is_rejected(
    declare: Callable[[App], Any], platform: dict[str, Any], message: str
) -> None:
    assert message in charts(declare, **platform)


Change = Callable[[WebService], object]


def merged(part: str, fragment: dict[str, Any]) -> Change:
    return lambda web: getattr(web, part).merge(fragment)


def pod(template: dict[str, Any]) -> Change:
    return merged("deployment", {"spec": {"template": template}})


def container(**fields: Any) -> Change:
    return pod({"spec": {"containers": [{"name": "one", **fields}]}})


def other_secret(web: WebService) -> None:
    (secret,) = web.external_secrets.values()
    secret.external_secret.merge({"spec": {"target": {"name": "other"}}})


def copied(web: WebService) -> None:
    copy = Chart(base.app_of(web.chart), "copy", namespace="space")
    base.web_service(copy, program=base.READS_ALL)


def another(web: WebService) -> None:
    """Another service, with a wrong port."""
    chart = Chart(base.app_of(web.chart), "another", namespace="space")
    other = base.internal_service(chart, "another", replicas=1)
    other.service.merge({"spec": {"ports": [{"name": "http", "targetPort": 1}]}})


relabeled = pod({"metadata": {"labels": {"app": "other"}}})
moved = merged("deployment", {"metadata": {"namespace": "spac"}})
with_token = pod({"spec": {"automountServiceAccountToken": True}})
OF_SELECTORS = "blocked-dns dangling-service imprecise-selector ineffective-spread"


def mistakes(*changes: Change, namespace: str = "space", **platform: Any) -> dict[str, list[str]]:
    """The errors of a service in a complete platform with changes, by rule, as lines."""
    app = App(replace(base.PLATFORM, **platform))
    web = base.web_service(Chart(app, "chart", namespace=namespace), program=base.READS_ALL)
    resources = Resources(cpu=("4", "4"), memory=("4Gi", "4Gi"), ephemeral_storage=("4Gi", "4Gi"))
    for name in ("space", "jobs"):
        chart = Chart(app, name, namespace=name)
        base.namespace(chart, name, quota=replace(base.QUOTA, resources=resources))
    base.scheduled_job(chart, "two")
    base.store(Chart(app, "store"), namespaces=("space", "jobs"))
    for change in changes:
        change(web)
    lines: dict[str, list[str]] = defaultdict(list)
    for first, *more in (problem.splitlines() for problem in errors_of(app.render)):
        lines[re.findall(r" \[([a-z-]+)\]$", first)[0]] += [first, *more]
    return lines


def effects(lines: list[str]) -> set[str]:
    """The rules of what may follow from a mistake."""
    below = [line for line in lines if line.startswith("  may follow from it: ")]
    return {re.findall(r" \[([a-z-]+)\]", line)[0] for line in below}


@pytest.mark.parametrize(
    ("change", "cause", "follow"),
    [
        (relabeled, "mismatching-selector", OF_SELECTORS),
        (moved, "undeclared-namespace", "dangling-service imprecise-selector missing-pull-secret "
         "non-isolated-pod unread-secret"),
        (container(ports=[{"name": "http", "containerPort": 8001}]), "dangling-service",
         "undeclared-probe-port unserved-open-port"),
        (merged("service", {"metadata": {"name": "other"}}), "dangling-reference",
         "unserved-open-port"),
        (merged("network_policy", {"spec": {"podSelector": {"matchLabels": {"app": "other"}}}}),
         "imprecise-selector", "blocked-dns closed-backend"),
        (merged("deployment", {"metadata": {"namespace": "jobs"}}), "dangling-pod-reference",
         "blocked-dns dangling-service imprecise-selector missing-secret unread-secret"),
        (merged("network_policy", {"spec": {"egress": [{"to": [{"ipBlock": {"cidr": "10.0"}}]}]}}),
         "invalid-field", ""),
        (merged("service", {"metadata": {"namespace": "other"}}), "undeclared-namespace",
         "dangling-reference dangling-service unserved-open-port"),
        (other_secret, "missing-secret", "unread-secret"),
        (container(image="ghcr.io/gnosischain/ones:latest"), "unpinned-image", "unused-pin"),
        (copied, "duplicate-object", "exceeded-quota imprecise-selector "
         "mismatching-hosts"),
        (with_token, "mounted-api-token", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_one_error_with_what_may_follow(
    change: Change, cause: str, follow: str
) -> None:
    ((rule, lines),) = mistakes(change).items()
    assert (rule, effects(lines)) == (cause, {*follow.split()})
    assert re.match(r"tests/constructs_lib/declarations\.py:\d+", lines[0])


def test_a_mistake_in_several_objects_lists_each_with_its_line() -> None:
    (lines,) = mistakes(namespace="spac").values()
    assert "ServiceAccount spac/one: is in namespace spac, which is not declared" in lines[0]
    assert lines[1].startswith("  likewise tests/constructs_lib/declarations.py:")
    for other in ("ExternalSecret spac/one-secrets", "Deployment spac/one", "Ingress spac/one"):
        assert other in lines[1]
    assert effects(lines) == {"missing-pull-secret", "mismatching-secret-store"}


def test_independent_mistakes_are_separate_errors() -> None:
    found = mistakes(relabeled, with_token, another)
    assert {rule: effects(lines) for rule, lines in found.items()} == {
        "mismatching-selector": {*OF_SELECTORS.split()},
        "mounted-api-token": set(),
        "dangling-service": set(),
    }


def test_mistakes_in_two_services_of_one_loop_are_separate_errors() -> None:
    def looped(web: WebService) -> None:
        chart = Chart(base.app_of(web.chart), "loop", namespace="space")
        two = [base.internal_service(chart, name, replicas=1) for name in ("second", "third")]
        relabeled(two[0])
        two[1].service.merge({"spec": {"ports": [{"name": "http", "targetPort": 1}]}})

    found = mistakes(looped)
    assert found.keys() == {"mismatching-selector", "dangling-service"}
    assert "Service space/third" in found["dangling-service"][0]
    assert not any("space/third" in line for line in found["mismatching-selector"])


def test_a_waived_cause_hides_nothing() -> None:
    waiver = Waiver(
        checks=["mismatching-selector"],
        objects=["Deployment space/one"],
        reason="A test",
        expires=date(2999, 1, 1),
    )
    found = mistakes(relabeled, waivers=(waiver,))
    assert found.keys() | effects([*chain(*found.values())]) == {*OF_SELECTORS.split()}


def test_what_a_removed_chart_leaves_is_one_error() -> None:
    head, *below = charts(lambda app: Chart(app, "empty", namespace="space")).splitlines()
    assert head.startswith("catalogue/images/one.pin pins an image that no pod runs, catalogue/im")
    assert effects(below) == {"mismatching-hosts", "mismatching-parameters"}


_ARN = "arn:aws:acm:eu-central-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"


def outputs(**values: Any) -> str:
    pairs = ", ".join(f'"{name}": "{value}"' for name, value in values.items())
    return f'{{"SecretsStack": {{{pairs}}}}}'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "does not contain the outputs of SecretsStack"),
        ('{"SecretsStack": {"Region": 1}}', "StackOutputs.Region must be a string"),
        ('{"SecretsStack": {"Region": null}}', "does not contain the outputs of SecretsStack"),
        (outputs(Color="red"), "StackOutputs has no prop 'Color'; "),
        (outputs(CertificateArn="arn:aws:acm:..."), "is not the ARN of an ACM certificate"),
        (outputs(CertificateArn=_ARN.replace("eu-central-1", "us-east-1")),
         "the certificate is in us-east-1, but the installation is in eu-central-1"),
        (outputs(Region="us-east-1"), "Region is 'us-east-1', but the installation is in"),
        (outputs(ExternalSecretsRoleArn="role"), "is not the ARN of an IAM role"),
    ],
)  # fmt: skip
def test_malformed_stack_outputs_are_rejected(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "stack_outputs.json"
    file.write_text(content)
    problems = errors_of(lambda: stack_outputs.load("eu-central-1", file))
    assert problems[0].startswith(f"{file}: ")
    assert message in problems[0]
    assert problems[0].endswith(("`make deploy-secrets`", "or deploy the stack there"))


def test_stack_outputs_are_read_and_a_missing_file_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "stack_outputs.json"
    assert stack_outputs.load("eu-central-1", file) == stack_outputs.StackOutputs()
    file.write_text(outputs(CertificateArn=_ARN, Region="eu-central-1"))
    assert stack_outputs.load("eu-central-1", file).CertificateArn == _ARN
    # the example that the repository ships, in another region
    assert stack_outputs.load("us-east-1") == stack_outputs.StackOutputs()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"v1\n", "'v1' is not a valid"), (b"", "'' is not a valid"), (b"\xff", "cannot be read")],
)
def test_a_malformed_pin_names_its_file(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "one.pin"
    file.write_bytes(content)
    problems = errors_of(lambda: images.load(tmp_path))
    assert problems[0].startswith(f"{file}: ")
    assert message in problems[0]
