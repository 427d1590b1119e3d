"""Init containers, files, additional ports, autoscaling, placement, hosts and calls."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.errors import errors_of
from constructs_lib.kubernetes import (
    App,
    Autoscaling,
    Chart,
    Container,
    KubeObject,
    Options,
    SingleWriter,
    Storage,
    Toleration,
    WebService,
)
from constructs_lib.manifests import capacity
from constructs_lib.manifests.objects import Objects, pod_template
from constructs_lib.model import Calls, Host, Manifest
from tests.constructs_lib import declarations as base


def pod(of: KubeObject) -> Manifest:
    template = pod_template(of.to_json())
    assert template
    return template


def test_disks_come_before_the_claim_and_files() -> None:
    """Another order would restart the pods of every such service."""
    program = base.program_with(files={"/etc/one.toml": "a"}, scratch={"/data": "1Mi"})
    options = Options(init_containers={"first": base.ONE})
    storage = Storage(path="/claim", size="1Gi")
    writer = base.single_writer(base.chart(), program=program, options=options, storage=storage)
    spec = pod(writer.deployment)["spec"]
    mounts = [mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]]
    assert mounts == ["/tmp", "/data", "/claim", "/etc/one.toml"]
    volumes = [volume["name"] for volume in spec["volumes"]]
    assert volumes == ["tmp", "data", "first-tmp", "config-files", "one"]


def test_an_init_container_is_hardened_and_has_its_own_objects() -> None:
    init = replace(
        base.ONE, args=("migrate",), secrets={"A": base.TOKEN}, files={"/etc/init.toml": "a"}
    )
    service = base.web_service(base.chart(), options=Options(init_containers={"first": init}))
    spec = pod(service.deployment)["spec"]
    (container,) = spec["initContainers"]
    assert container["args"] == ["migrate"]
    assert container["envFrom"] == [{"secretRef": {"name": "one-first-secrets"}}]
    assert container["securityContext"] == spec["containers"][0]["securityContext"]
    assert "lifecycle" not in container
    assert {one["name"] for one in container["volumeMounts"]} == {"first-tmp", "first-config-files"}
    assert service.config_maps["one-first-config"].to_json()["data"] == {"etc_init.toml": "a"}
    annotations = service.deployment.to_json()["metadata"]["annotations"]
    assert annotations == {"secret.reloader.stakater.com/reload": "one-first-secrets"}


def test_configuration_files_are_mounted_and_changes_restart_the_pods(tmp_path: Path) -> None:
    file = tmp_path / "app.toml"
    pods = []
    for text in ("a = 1\n", "a = 2\n"):
        file.write_text(text)
        program = base.program_with(files={"/etc/app/app.toml": file, "/etc/motd": "hello"})
        service = base.web_service(base.chart(), program=program)
        config_map = service.config_maps["one-config"].to_json()
        assert config_map["data"] == {"etc_app_app.toml": text, "etc_motd": "hello"}
        pods.append(pod(service.deployment))
    first, second = pods
    assert first["spec"] == second["spec"]
    assert first["metadata"]["annotations"] != second["metadata"]["annotations"]
    assert {
        "mountPath": "/etc/app/app.toml",
        "name": "config-files",
        "readOnly": True,
        "subPath": "etc_app_app.toml",
    } in first["spec"]["containers"][0]["volumeMounts"]


def test_secret_files_are_mounted_from_a_separate_secret() -> None:
    program = base.program_with(secret_files={"/etc/keys/token.pem": base.TOKEN})
    service = base.web_service(base.chart(), program=program)
    secret = service.external_secrets["one-secret-files"].external_secret.to_json()
    assert secret["spec"]["data"][0]["secretKey"] == "etc_keys_token.pem"
    assert secret["spec"]["data"][0]["remoteRef"]["key"] == base.TOKEN.path
    (volume,) = (one for one in pod(service.deployment)["spec"]["volumes"] if "secret" in one)
    assert volume["secret"] == {"defaultMode": 0o440, "secretName": "one-secret-files"}


def test_only_declared_ports_are_added_to_the_service() -> None:
    service = base.web_service(
        base.chart(), ports={"metrics": 9090, "debug": 6060}, service_ports=("metrics",)
    )
    container = pod(service.deployment)["spec"]["containers"][0]
    assert [one["containerPort"] for one in container["ports"]] == [8000, 9090, 6060]
    assert [one["port"] for one in service.service.to_json()["spec"]["ports"]] == [8000, 9090]
    opened = service.network_policy.to_json()["spec"]["ingress"]
    assert [port["port"] for rule in opened for port in rule["ports"]] == [8000, 9090]


def test_an_autoscaler_sets_the_replicas_and_counts_at_its_maximum() -> None:
    service = base.web_service(base.chart(), autoscaling=Autoscaling(max_replicas=5))
    assert service.autoscaler
    deployment, autoscaler = service.deployment.to_json(), service.autoscaler.to_json()
    assert "replicas" not in deployment["spec"]
    assert deployment["spec"]["strategy"]["type"] == "RollingUpdate"
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == "one"
    assert capacity.peak(Objects.of([deployment, autoscaler]))["space"]["pods"] == 2 * 5 + 1


def test_options_reach_objects_pods_and_service_account() -> None:
    options = Options(
        labels={"team": "data"},
        annotations={"example.org/owner": "us"},
        pod_labels={"tier": "front"},
        pod_annotations={"example.org/scrape": "true"},
        tolerations=(Toleration(key="spot", value="true", effect="NoSchedule"),),
        node_selector={"disk": "fast"},
        priority_class_name="high",
        role_arn="arn:aws:iam::111122223333:role/one",
    )
    writer = base.single_writer(base.chart(), options=options)
    deployment, account = writer.deployment.to_json(), writer.service_account.to_json()
    template = pod(writer.deployment)
    assert deployment["metadata"]["labels"]["team"] == "data"
    assert deployment["metadata"]["annotations"] == {"example.org/owner": "us"}
    assert template["metadata"]["labels"]["tier"] == "front"
    assert template["metadata"]["labels"]["team"] == "data"
    assert template["metadata"]["annotations"]["example.org/scrape"] == "true"
    assert template["spec"]["tolerations"] == [
        {"effect": "NoSchedule", "key": "spot", "operator": "Equal", "value": "true"}
    ]
    assert template["spec"]["nodeSelector"] == {"disk": "fast", "kubernetes.io/arch": "arm64"}
    assert template["spec"]["priorityClassName"] == "high"
    assert account["metadata"]["annotations"] == {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/one"
    }


def test_a_load_balancer_serves_more_hosts_and_paths_and_is_shared() -> None:
    alb = replace(
        base.ALB,
        further_hosts=(Host("two.example.org"),),
        paths=("/v1",),
        group="shared",
        annotations={
            "alb.ingress.kubernetes.io/load-balancer-attributes": "access_logs.s3.enabled=false",
            "alb.ingress.kubernetes.io/wafv2-acl-arn": "arn:aws:wafv2:...",
        },
    )
    service = base.web_service(base.chart(), ingress=alb)
    assert service.ingress
    ingress = service.ingress.to_json()
    annotations = ingress["metadata"]["annotations"]
    assert annotations["alb.ingress.kubernetes.io/group.name"] == "shared"
    assert annotations["alb.ingress.kubernetes.io/load-balancer-attributes"] == (
        "idle_timeout.timeout_seconds=60,access_logs.s3.enabled=false"
    )
    assert [
        (rule["host"], [path["path"] for path in rule["http"]["paths"]])
        for rule in ingress["spec"]["rules"]
    ] == [(host, ["/metrics", "/v1"]) for host in ("one.example.org", "two.example.org")]


_PREFIX = "alb.ingress.kubernetes.io"
ATTRIBUTES, INBOUND = f"{_PREFIX}/load-balancer-attributes", f"{_PREFIX}/inbound-cidrs"


def test_the_settings_of_load_balancers_reach_the_controller() -> None:
    platform = replace(
        base.PLATFORM,
        vpc_cidrs=("10.0.0.0/16", "10.1.0.0/16"),
        access_logs_bucket="logs",
        deletion_protection=True,
    )

    def annotations(**changes: Any) -> dict[str, str]:
        return replace(base.ALB, **changes).ingress_annotations(platform, "/")

    internal = annotations()
    assert internal[INBOUND] == "10.0.0.0/16,10.1.0.0/16"
    assert internal[ATTRIBUTES] == (
        "idle_timeout.timeout_seconds=60,access_logs.s3.enabled=true,access_logs.s3.bucket=logs,"
        "deletion_protection.enabled=true"
    )
    assert INBOUND not in annotations(scheme="internet-facing")
    assert annotations(inbound_cidrs=("10.9.0.0/16",))[INBOUND] == "10.9.0.0/16"


def reached(policy: KubeObject, direction: str) -> list[tuple[str, str | None, int]]:
    """Pods, namespace and port of every rule for our pods."""
    key = "from" if direction == "ingress" else "to"
    return [
        (
            peer["podSelector"]["matchLabels"]["app"],
            next(iter(peer.get("namespaceSelector", {}).get("matchLabels", {}).values()), None),
            rule["ports"][0]["port"],
        )
        for rule in policy.to_json()["spec"].get(direction, ())
        for peer in rule.get(key, ())
        if "app" in peer.get("podSelector", {}).get("matchLabels", {})
    ]


@pytest.mark.parametrize("order", ["callee first", "caller first"])
@pytest.mark.parametrize(
    ("namespace", "seen_as"), [(None, (None, None)), ("other", ("other", "space"))]
)
def test_a_call_opens_both_policies_for_one_port(
    order: str, namespace: str | None, seen_as: tuple[str | None, str | None]
) -> None:
    app = App(base.PLATFORM)
    charts = {name: Chart(app, f"chart-{name}", namespace=name) for name in ("space", "other")}
    rule = Calls("callee", namespace=namespace, port="metrics")
    program = base.program_with(image="one", egress=(rule,))

    def declare_callee() -> WebService:
        to = charts[namespace or "space"]
        ports: dict[str, Any] = {"ports": {"metrics": 9090}, "service_ports": ("metrics",)}
        return base.internal_service(to, "callee", **ports)

    early = declare_callee() if order == "callee first" else None
    caller = SingleWriter(charts["space"], "caller", program=program)
    callee = early or declare_callee()
    assert reached(caller.network_policy, "egress") == [("callee", seen_as[0], 9090)]
    assert reached(callee.network_policy, "ingress") == [("caller", seen_as[1], 9090)]


_SIDE = Container(program=base.program_with(image="two"), ports={"admin": 9000})


def test_a_port_of_a_sidecar_can_be_added_to_the_service() -> None:
    service = base.web_service(base.chart(), sidecars={"side": _SIDE}, service_ports=("admin",))
    assert [one["port"] for one in service.service.to_json()["spec"]["ports"]] == [8000, 9000]


def calling(rule: Calls) -> Callable[[Chart], Any]:
    def declare(chart: Chart) -> None:
        base.internal_service(chart, "callee")
        SingleWriter(chart, "one", program=base.program_with(egress=(rule,)))

    return declare


def test_a_call_of_a_wrong_port_names_the_line_of_the_caller() -> None:
    app = App(base.PLATFORM)
    call = base.program_with(egress=(Calls("callee", port="admin"),))
    caller = SingleWriter(Chart(app, "one", namespace="space"), "one", program=call)
    base.internal_service(Chart(app, "callee", namespace="space"), "callee")
    (problem,) = app.calls.problems()
    line = caller.network_policy.declared
    assert problem.startswith(f"{line}: one calls port 'admin' of callee, but its Service only has")


service = base.later(base.web_service)
program = base.later(base.program)
options = base.later(base.options)
alb = base.later(base.alb)


def chart_in(**changes: Any) -> Callable[[Chart], Any]:
    return lambda chart: Chart(base.app_of(chart), "two", **changes)


def shared(chart: Chart) -> None:
    for name, idle in (("one", 60), ("two", 50)):
        host = Host(f"{name}.example.org")
        ingress = replace(base.ALB, host=host, idle_timeout_seconds=idle, group="shared")
        base.internal_service(chart, name, ingress=ingress)


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (calling(Calls("nowhere")), "space/one calls space/nowhere, which is not declared"),
        (calling(Calls("callee", namespace="b")), "calls b/callee, which is not declared"),
        (calling(Calls("callee", port="admin")), "calls port 'admin' of callee, but its Service"),
        (service(replicas=2, autoscaling=Autoscaling(max_replicas=3)), "are both set"),
        (service(service_ports=("metrics",)), "no container declares; declared ports: none"),
        (service(sidecars={"side": replace(_SIDE, port=8000)}), "the port number 8000"),
        (service(sidecars={"side": _SIDE}, ports={"admin": 7000}), "the port name admin"),
        (service(ports={"http": 9000}), "port name http is reserved for `port`"),
        (service(ports={"other": 8000}), "port 8000 is declared twice"),
        (lambda _: Autoscaling(max_replicas=1), "min_replicas=2 is above max_replicas=1"),
        (lambda _: Autoscaling(max_replicas=3, target_cpu_percent=None), "has no target"),
        (program(files={"etc/a": "b"}), "'etc/a' is not a valid file path"),
        (program(files={"/etc/a": Path("nowhere.toml")}), "nowhere.toml: cannot be read"),
        (program(files={"/etc/a": "sk_live_internal_key"}), "/etc/a looks like a secret"),
        (program(files={"/etc/a": "x" * 1_000_001}), "exceed 1 MB, the limit of a ConfigMap"),
        (program(files={"/a/b": "1", "/a_b": "2"}), "have the same ConfigMap key"),
        (program(files={"/a": "1"}, secret_files={"/a": base.TOKEN}), "is in files and in"),
        (program(files={"/a": "1"}, scratch={"/config/files": "1Mi"}), "two volumes of its pod"),
        (program(files={"/etc/a": "\ud800"}), "contains U+D800 (a surrogate)"),
        (chart_in(namespace="/../a"), "'/../a' is not a valid name"),
        (chart_in(folder="../a"), "'../a' is not a valid folder"),
        (chart_in(folder="/a"), "'/a' is not a valid folder"),
        (chart_in(labels={"a b": "c"}), "Chart.labels: 'a b' is not a valid label"),
        (chart_in(folder="a/.."), "'a/..' is not a valid folder"),
        (calling(Calls("no\nwhere")), "space/one calls space/no\\nwhere, which is not"),
        (options(labels={"app": "other"}), "label app is set by the workload"),
        (options(pod_labels={"a b": "c"}), "'a b' is not a valid label"),
        (options(labels={"a": "b c"}), "Options.labels['a']: 'b c' is not a valid label"),
        (options(node_selector={"kubernetes.io/arch": "amd64"}), "is arm64 for every pod"),
        (options(role_arn="one"), "Options.role_arn: 'one' is not the ARN of an IAM"),
        (options(init_containers={"one": base.ONE}), "container 'one' is also an init container"),
        (options(init_containers={"A": base.ONE}), "'A' is not a valid name"),
        (lambda _: Toleration(), 'without key needs operator="Exists"'),
        (lambda _: Toleration(operator="Exists", value="a"), "has a value; remove it"),
        (lambda _: Toleration(key="a", toleration_seconds=5), 'needs effect="NoExecute"'),
        (lambda chart: base.single_writer(
            chart, options=Options(pod_annotations={"karpenter.sh/do-not-disrupt": "false"})),
         "annotation karpenter.sh/do-not-disrupt is already 'true' and cannot be 'false'"),
        (alb(paths=()), "paths is empty, so nothing is served"),
        (alb(paths=("v1",)), "'v1' is not a valid path; start it with a slash"),
        (alb(paths=("/metrics/one",)), "path /metrics/one is below the denied path /metrics"),
        (service(ports={"a--b": 7000}), "port name 'a--b' has two hyphens in a row"),
        (program(scratch={"/" + 64 * "a": "1Mi"}), "has more than 63 characters"),
        (alb(paths=("/metrics",)), "path /metrics is listed twice"),
        (alb(further_hosts=(base.HOST,)), "host one.example.org is listed twice"),
        (alb(annotations={"example.org/a": "b"}), "annotation example.org/a does not start"),
        (alb(annotations={f"{_PREFIX}/scheme": "internet-facing"}),
         "scheme is already 'internal' and cannot be 'internet-facing'; use the prop of Alb"),
        (alb(annotations={f"{_PREFIX}/load-balancer-attributes": "idle_timeout.timeout_seconds=9"}),
         "use the prop of Alb"),
        (shared, "share the load balancer shared, but differ in load-balancer-attributes"),
        (alb(inbound_cidrs=("10.0.0.0/8", "x")), "inbound_cidrs: 'x' does not appear to be"),
        (alb(annotations={INBOUND: "10.0.0.0/16 10.1.0.0/16"}), "[invalid-inbound-ranges]"),
        (alb(inbound_cidrs=("10.0.0.0/16",), annotations={f"{_PREFIX}/security-groups": "sg-1"}),
         "ignores inbound-cidrs because security-groups is set; remove one of them"),
        (alb(annotations={ATTRIBUTES: "access_logs.s3.enabled=true"}),
         "enables access logs, but sets no bucket; set both the .enabled and the .bucket"),
        (alb(annotations={ATTRIBUTES: "access_logs.s3.bucket=logs"}),
         "sets a bucket or prefix for access logs, but does not enable them"),
    ],
)  # fmt: skip
def test_an_invalid_declaration_is_rejected(declare: Callable[[Chart], Any], message: str) -> None:
    chart = base.chart()
    problems = errors_of(lambda: declare(chart)) or base.refusals(chart)
    assert any(message in problem for problem in problems), problems
