"""Each class of risk: edits that it is about, and what the review says of them and nothing else."""
# ruff: noqa: E501 a case is a line

from __future__ import annotations

import re
from collections import Counter

import pytest

from constructs_lib.model import ClusterTarget
from ops.review.model import Risk
from tests.conftest import ROOT
from tests.ops.review.edits import (
    NEW,
    OLD,
    Edit,
    add,
    annotate,
    declare,
    drop,
    pinned,
    platform,
    rendered,
    review,
    said,
    together,
    unchanged,
    without,
    write,
)

API, MCP, DASHBOARD = "cerebro/cerebro-api", "cerebro/cerebro-mcp", "cerebro/metrics-dashboard"
NEBULA, CRYO, IP, CLICK = (
    f"crawlers/{name}" for name in ("nebula", "cryo-indexer", "ip-crawler", "click-runner")
)
EMBER, COW, MIGRATIONS = f"{CLICK}-ember", f"{CLICK}-cow", f"{CRYO}-migrations"
CEREBRO, PROJECT, STORE = "cluster/namespace-cerebro", "argocd/root", "cluster/aws-ssm"
JOBS = ("ember", "cow", "governance-snapshot", "governance-forum", "defillama", "coingecko")
ALL_JOBS = "; ".join(f"{{}} CronJob {CLICK}-{job}" for job in JOBS)
ALL_HOSTS = "; ".join(f"{{0}} Ingress {service}" for service in (API, MCP, DASHBOARD))
NAMESPACE = "capacity Namespace cerebro"
STOPS = "downtime Deployment {0}; restart Deployment {0}"
ROLE_RULE = "rules:\n  - apiGroups: ['']\n    resources: [secrets]\n    verbs: [get]\n"
ROLE = add(API, "rbac.authorization.k8s.io/v1", "Role", "reader", ROLE_RULE)

# fmt: off
CASES: list[tuple[str, Edit, str] | tuple[str, Edit, str, Edit]] = [
    # delete
    ("a volume claim", drop(IP, "PersistentVolumeClaim"), f"delete PersistentVolumeClaim {IP}; downtime Deployment {IP}; capacity Namespace crawlers"),
    ("a disruption budget", drop(API, "PodDisruptionBudget"), f"delete PodDisruptionBudget {API}"),
    ("a protected namespace", drop(CEREBRO, "Namespace"), "delete Namespace cerebro"),
    ("all jobs", drop(CLICK, "CronJob"), "; ".join(("capacity Namespace crawlers", ALL_JOBS.replace("{}", "delete")))),
    ("a service", without("Nebula", "nebula"), f"delete Application argocd/nebula; delete Deployment {NEBULA}; delete ServiceAccount {NEBULA}; delete NetworkPolicy {NEBULA}; delete ExternalSecret {NEBULA}-secrets; secret ExternalSecret {NEBULA}-secrets; capacity Namespace crawlers"),
    ("a file, but not its Application", drop(NEBULA), f"delete Deployment {NEBULA}; delete ServiceAccount {NEBULA}; delete NetworkPolicy {NEBULA}; delete ExternalSecret {NEBULA}-secrets; capacity Namespace crawlers"),
    ("a namespace that can be pruned", write(CEREBRO, (r"  annotations:\n    argo.+\n(  labels:\n(    app.+\n)+    elb)", r"\1")), "delete Namespace cerebro"),
    # replace
    ("a selector", write(API, (r"(selector:\n    matchLabels:\n      app): cerebro-api\n  strategy", r"\1: api\n  strategy")), f"replace Deployment {API}"),
    ("the labels under a selector", write(API, (r"(template:\n    metadata:\n      labels:\n        app): cerebro-api", r"\1: api")), f"replace Deployment {API}; restart Deployment {API}; downtime Service {API}; downtime Deployment {API}; exposure Deployment {API}"),
    ("a Job that no sync makes anew", write(CRYO, ("- migrations", "- migrate")), f"replace Job {MIGRATIONS}", write(CRYO, (r"  annotations:\n    argocd.+hook: .+\n    argocd.+\n    argocd.+\n", ""))),
    ("a smaller volume", write(IP, ("storage: 1Gi\n", "storage: 512Mi\n")), f"replace PersistentVolumeClaim {IP}"),
    ("a Service without address", write(API, ("  type: ClusterIP", "  type: ClusterIP\n  clusterIP: None")), f"replace Service {API}"),
    ("from one Application to another", together(drop(API, "PodDisruptionBudget"), add(MCP, "policy/v1", "PodDisruptionBudget", "cerebro-api", "spec:\n  maxUnavailable: 1\n")), f"replace PodDisruptionBudget {API}; update PodDisruptionBudget {API}"),
    # downtime
    ("no replicas", write(API, ("replicas: 2", "replicas: 0")), f"downtime Deployment {API}; {NAMESPACE}"),
    ("one replica", write(API, ("replicas: 2", "replicas: 1")), f"downtime Deployment {API}; update Deployment {API}; {NAMESPACE}"),
    ("a setting of a single writer", declare("crawlers/nebula", '"1000"', '"500"'), STOPS.format(NEBULA)),
    ("a setting of a single web service", declare("cerebro/cerebro_mcp", "internal_full", "internal"), STOPS.format(MCP)),
    ("pods that may be missing", write(API, ("maxUnavailable: 0", "maxUnavailable: 1")), f"downtime Deployment {API}"),
    ("Recreate from now on", write(API, (r"    rollingUpdate:\n.+\n.+\n    type: RollingUpdate", "    type: Recreate")), f"downtime Deployment {API}; {NAMESPACE}"),
    ("no readiness probe", write(API, (r"          readinessProbe:\n(            .*\n)+", "")), STOPS.format(API)),
    ("a Service that selects nobody", write(API, (r"(selector:\n    app): cerebro-api", r"\1: api")), f"downtime Service {API}; exposure Service {API}"),
    ("a budget for every pod", write(API, ("  maxUnavailable: 1\n  selector", "  maxUnavailable: 2\n  selector")), f"downtime PodDisruptionBudget {API}"),
    ("a grace period that preStop outlasts", write(API, ("PeriodSeconds: 75", "PeriodSeconds: 10")), f"downtime Deployment {API}; restart Deployment {API}"),
    ("a port that an Ingress names", write(API, ("      port: 8000\n      protocol", "      port: 9000\n      protocol")), f"downtime Ingress {API}; exposure Service {API}"),
    ("a port on which nothing listens", write(API, ("targetPort: 8000", "targetPort: 9999")), f"downtime Service {API}; exposure Service {API}"),
    ("nodes of another architecture", write(API, ("arch: arm64", "arch: amd64")), f"downtime Deployment {API}; restart Deployment {API}"),
    ("no pull secret", write(API, (r"      imagePullSecrets:\n.+\n", "")), f"downtime Deployment {API}; restart Deployment {API}"),
    # restart
    ("a variable", declare("cerebro/cerebro_api", '"300"', '"600"'), f"restart Deployment {API}"),
    ("a shared variable", together(write(API, ("dbt-cerebro", "dbt")), write(MCP, ("dbt-cerebro", "dbt"))), f"restart Deployment {API}; {STOPS.format(MCP)}"),
    ("a grace period", write(API, ("PeriodSeconds: 75", "PeriodSeconds: 90")), f"restart Deployment {API}"),
    ("the order of variables", write(API, (r"(            - name: DBT_MANIFEST_URL\n.+\n)(            - name: DBT.+\n.+\n)", r"\2\1")), f"restart Deployment {API}"),
    # exposure
    ("to the internet", declare("cerebro/cerebro_mcp", 'scheme="internal"', 'scheme="internet-facing"'), f"exposure Ingress {MCP}; replace Ingress {MCP}; downtime Deployment {MCP}"),
    ("another host", write(API, ("api.analytics.gnosis.io", "data.analytics.gnosis.io")), f"exposure Ingress {API}"),
    ("a path that was denied", declare("cerebro/cerebro_api", "keep_alive_seconds=_KEEP", "denied_paths=(), keep_alive_seconds=_KEEP"), f"exposure Ingress {API}"),
    ("no redirect", write(API, (r"    alb.+/ssl-redirect: .+\n", "")), f"exposure Ingress {API}"),
    ("a certificate", platform(certificate_arn="arn:aws:acm:eu-central-1:111122223333:certificate/1"), ALL_HOSTS.format("exposure")),
    ("a type of Service", write(API, ("type: ClusterIP", "type: LoadBalancer")), f"exposure Service {API}"),
    ("no default-deny", drop(CEREBRO, "NetworkPolicy"), "delete NetworkPolicy cerebro/default-deny; exposure NetworkPolicy cerebro/default-deny"),
    ("where pods connect to", declare("cerebro/cerebro_api", "egress=(CLICKHOUSE, HTTPS)", "egress=(CLICKHOUSE,)"), f"exposure NetworkPolicy {API}"),
    ("who connects to pods", platform(alb_subnets=("10.0.0.0/24",)), "; ".join(f"exposure NetworkPolicy {service}" for service in (API, MCP, DASHBOARD)) + f"; restart Deployment {API}"),
    # privilege
    ("privilege escalation", write(API, ("Escalation: false", "Escalation: true")), f"privilege Deployment {API}; restart Deployment {API}"),
    ("another user", write(CRYO, ("runAsUser: 1000", "runAsUser: 0")), f"privilege Deployment {CRYO}; {STOPS.format(CRYO)}; privilege Job {MIGRATIONS}; update Job {MIGRATIONS}; privilege CronJob {CRYO}-auto-maintain"),
    ("a token", write(API, ("AccountToken: false\n      containers", "AccountToken: true\n      containers")), f"privilege Deployment {API}; restart Deployment {API}"),
    ("a path of the node", write(NEBULA, (r"        - emptyDir:\n            sizeLimit: 64Mi", "        - hostPath:\n            path: /")), f"privilege Deployment {NEBULA}; {STOPS.format(NEBULA)}"),
    ("Pod Security", write(CEREBRO, ("enforce: restricted", "enforce: baseline")), "privilege Namespace cerebro"),
    ("an IAM role", annotate(API, "ServiceAccount", "eks.amazonaws.com/role-arn: arn:aws:iam::1:role/x"), f"privilege ServiceAccount {API}"),
    ("a Role", ROLE, "privilege Role cerebro/reader; create Role cerebro/reader"),
    ("the bounds of Argo CD", write(PROJECT, ("kind: LimitRange", "kind: Secret")), "privilege AppProject argocd/gnosis-analytics"),
    ("what Argo CD reads", write(PROJECT, ("repoURL: .*", "repoURL: https://example.org/other.git")), "privilege Application argocd/root"),
    ("who reads the store", write(STORE, ("        - crawlers\n", "        - default\n")), "privilege ClusterSecretStore aws-ssm"),
    # secret
    ("a further parameter", declare("cerebro/cerebro_api", "API_KEYS,\n", 'API_KEYS, "TOKEN": Parameters.COW_API_KEY,\n'), f"secret ExternalSecret {API}-secrets; restart Deployment {API}"),
    ("another parameter", write(NEBULA, ("clickhouse/user", "clickhouse/reader")), f"secret ExternalSecret {NEBULA}-secrets"),
    ("a parameter fewer", write(MCP, (r"    - remoteRef:\n.+\n.+\n        key: /cerebro/mcp/auth-token\n.+\n.+\n", "")), f"secret ExternalSecret {MCP}-secrets; {STOPS.format(MCP)}"),
    ("a Secret that is not there", write(NEBULA, (r"(secretRef:\n +name): nebula-secrets", r"\1: nebula")), f"secret Deployment {NEBULA}; {STOPS.format(NEBULA)}"),
    ("a key that is not there", write(NEBULA, ('              value: "9440"', "              valueFrom:\n                secretKeyRef:\n                  name: nebula-secrets\n                  key: PORT")), f"secret Deployment {NEBULA}; {STOPS.format(NEBULA)}"),
    ("a Secret in Git", add(API, "v1", "Secret", "login", "stringData:\n  password: x\n"), "create Secret cerebro/login; secret Secret cerebro/login"),
    ("a key that is published", write(API, ("        - env:\n", "        - env:\n            - name: CLICKHOUSE_PASSWORD\n              value: hunter2-x\n")), f"secret Deployment {API}; restart Deployment {API}"),
    # capacity
    ("requests of jobs", declare("crawlers/click_runner", 'cpu=("100m"', 'cpu=("200m"'), "capacity Namespace crawlers"),
    ("beyond the quota", write(API, ("cpu: 250m", "cpu: 800m")), f"{NAMESPACE}; restart Deployment {API}"),
    ("more replicas", declare("cerebro/cerebro_api", "replicas=2", "replicas=3"), f"{NAMESPACE}; update Deployment {API}"),
    ("a quota", write(CEREBRO, ('requests.cpu: "4"', 'requests.cpu: "2"')), "capacity ResourceQuota cerebro/quota"),
    ("a larger volume", write(IP, ("storage: 1Gi\n", "storage: 2Gi\n")), f"capacity PersistentVolumeClaim {IP}"),
    # schedule
    ("when a job runs", declare("crawlers/click_runner", '"0 2 * * *"', '"0 */4 * * *"'), f"schedule CronJob {EMBER}"),
    ("whether runs overlap", write(CLICK, ("Policy: Forbid", "Policy: Allow")), ALL_JOBS.replace("{}", "schedule")),
    ("a suspended job", write(CLICK, ("  schedule: 0 2", "  suspend: true\n  schedule: 0 2")), f"schedule CronJob {EMBER}; capacity Namespace crawlers"),
    ("a job in another zone", write(CRYO, ("timeZone: Etc/UTC", "timeZone: Europe/Berlin")), f"schedule CronJob {CRYO}-auto-maintain; update Job {MIGRATIONS}"),
    # image
    ("from one commit to another", pinned("cerebro-api", NEW), f"image Deployment {API}; restart Deployment {API}", pinned("cerebro-api", OLD)),
    ("a first pin", pinned("click-runner", NEW), ALL_JOBS.replace("{}", "image")),
    ("back to latest", unchanged, f"image Deployment {NEBULA}; {STOPS.format(NEBULA)}", pinned("nebula", OLD)),
    ("another registry", write(API, ("ghcr.io/", "example.org/")), f"image Deployment {API}; restart Deployment {API}"),
    # update
    ("a served version", write(NEBULA, ("secrets.io/v1beta1", "secrets.io/v1"), ("1h", "1h0m0s")), f"update ExternalSecret {NEBULA}-secrets"),
    ("an ingress class", platform(target=ClusterTarget(ingress_class="field")), ALL_HOSTS.format("update")),
    ("a setting of a hook", write(CRYO, ("- migrations", "- migrate")), f"update Job {MIGRATIONS}"),
    ("a setting of a job", write(CLICK, ("daily-lag-days=1", "daily-lag-days=2")), "; ".join(f"update CronJob {CLICK}-{job}" for job in JOBS[-2:])),
    ("a label", write(API, ("component: web\n    app.kubernetes.io/managed", "component: api\n    app.kubernetes.io/managed")), "; ".join(f"update {kind} {API}" for kind in ("ServiceAccount", "NetworkPolicy", "Deployment", "Service", "Ingress", "PodDisruptionBudget"))),
    # create
    ("a service that is new", unchanged, f"create Application argocd/nebula; create Deployment {NEBULA}; create ServiceAccount {NEBULA}; create NetworkPolicy {NEBULA}; create ExternalSecret {NEBULA}-secrets; secret ExternalSecret {NEBULA}-secrets; capacity Namespace crawlers", without("Nebula", "nebula")),
    ("a new ConfigMap", add(API, "v1", "ConfigMap", "settings", "data: {}\n"), "create ConfigMap cerebro/settings"),
    ("a new job", unchanged, f"create CronJob {EMBER}; capacity Namespace crawlers", write(CLICK, (r"apiVersion: batch/v1\nkind: CronJob\n(.+\n)+?  name: click-runner-ember\n(.+\n)+?---\n", ""))),
    # unknown
    ("a kind that nobody knows", add(API, "example.org/v1", "Gadget", "x"), "unknown Gadget cerebro/x"),
    ("a field that nobody knows", write(NEBULA, ("      enableServiceLinks", "      schedulingGates: []\n      enableServiceLinks")), f"unknown Deployment {NEBULA}; {STOPS.format(NEBULA)}"),
    ("an annotation that nobody knows", annotate(API, "Service", "example.org/x: y"), f"unknown Service {API}"),
    ("a label that nobody knows", write(CEREBRO, ("    elbv2", "    example.org/x: y\n    elbv2")), "unknown Namespace cerebro"),
    # noise
    ("the order of keys", write(API, (r"(  name: cerebro-api\n)(  namespace: cerebro\n)", r"\2\1")), "; ".join(f"noise {kind} {API}" for kind in ("ServiceAccount", "NetworkPolicy", "Deployment", "Service", "Ingress", "PodDisruptionBudget"))),
    ("a comment", write(STORE, (r"\A", "# the store\n")), "noise ClusterSecretStore aws-ssm"),
    ("quotes", write(NEBULA, ("refreshInterval: 1h", "refreshInterval: '1h'")), f"noise ExternalSecret {NEBULA}-secrets"),
    ("another spelling of an amount", write(CEREBRO, ("limits.memory: 16Gi", "limits.memory: 16384Mi")), "noise ResourceQuota cerebro/quota"),
    ("the order of objects", write(NEBULA, (r"\A((?:.+\n)+?)---\n((?:.*\n)+)\Z", r"\2---\n\1")), "noise File dist/crawlers/nebula.k8s.yaml"),
    ("a file that is no manifest", lambda files: {**files, "NOTES.txt": "hello"}, "noise File dist/NOTES.txt"),
    ("nothing", unchanged, ""),
]
# fmt: on


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_an_edit_is_classed(
    case: tuple[str, Edit, str] | tuple[str, Edit, str, Edit],
) -> None:
    _, edit, expected, *given = case
    before = given[0](rendered()) if given else rendered()
    report = review(before, edit(rendered() if edit is unchanged else before))
    assert said(report) == set(filter(None, expected.split("; ")))


def test_each_class_is_documented() -> None:
    guide = (ROOT / "docs" / "review.md").read_text("utf-8")
    assert re.findall(r"^### (\w+)$", guide, re.MULTILINE) == [str(risk) for risk in Risk]


def test_each_class_has_three_cases_and_is_quiet_in_others() -> None:
    fires = Counter(
        risk
        for _, _, expected, *_ in CASES
        for risk in {each.split()[0] for each in expected.split("; ") if each}
    )
    assert all(3 <= fires[risk] < len(CASES) for risk in Risk), fires
