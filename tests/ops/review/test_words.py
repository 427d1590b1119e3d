"""The texts of findings."""

from __future__ import annotations

import pytest

from constructs_lib.manifests.objects import Object
from constructs_lib.rules.model import Problems, Rendered, rule
from ops.review.effects import violations
from ops.review.model import Severity
from tests.ops.review.cases.objects import create
from tests.ops.review.edits import (
    NEW,
    OLD,
    Edit,
    Files,
    declare,
    drop,
    pinned,
    rendered,
    review,
    together,
    unchanged,
    without,
    write,
)

ONE, TWO = (f"sha256:{64 * digit}" for digit in "12")
API, MCP = "cerebro/cerebro-api", "cerebro/cerebro-mcp"
CLICK, CRYO, IP = "crawlers/click-runner", "crawlers/cryo-indexer", "crawlers/ip-crawler"
HIGH, MEDIUM, LOW = Severity
ANYWHERE = r"      to:\n        - ipBlock:\n            cidr: 0.0.0.0/0\n(.+\n){15}(?=    - ports)"
"""The peers of a rule to any address except link-local ones."""
MANIFEST_URL = ("dbt-cerebro/manifest.json", "dbt-cerebro/other.json")


def sentences(edit: Edit, given: Edit = unchanged) -> list[tuple[Severity, str]]:
    before: Files = given(rendered())
    report = review(before, edit(before))
    return [
        (finding.severity, f"{finding.key.name}: {finding.text}") for finding in report.findings
    ]


@pytest.mark.parametrize(
    ("edit", "severity", "sentence"),
    [
        (drop("cluster/namespace-cerebro", "Namespace"), LOW,
         "cerebro: stays in the cluster: Prune=false protects it"),
        (drop("crawlers/nebula"), MEDIUM,
         "nebula: stays in the cluster: Argo CD does not prune the last objects of Application "
         "argocd/nebula (allowEmpty is off)"),
        (drop(IP, "ExternalSecret"), HIGH,
         "ip-crawler-secrets: Argo CD prunes it; also deleted: Secret ip-crawler-secrets, "
         "used by ip-crawler"),
        (drop(IP, "PersistentVolumeClaim"), HIGH,
         "ip-crawler: Argo CD prunes it; also deleted: its volume, unless the storage class "
         "retains it"),
        (without("Nebula", "nebula"), HIGH,
         "nebula: Argo CD prunes it; also deleted: the 4 objects that it syncs"),
        (write(API, ("replicas: 2", "replicas: 0")), HIGH,
         "cerebro-api: stops: scaled from 2 to 0 pods"),
        (declare("cerebro/cerebro_mcp", '="internal"', '="internet-facing"'), HIGH,
         "cerebro-mcp: reachable from the internet: https://mcp.analytics.gnosis.io/ "
         "(before: from the VPC)"),
        (declare("cerebro/cerebro_api", "keep_alive", "denied_paths=(), keep_alive"), HIGH,
         "cerebro-api: reachable from the internet: https://api.analytics.gnosis.io/metrics "
         "(before: not reachable)"),
        (write(API, (r"    alb.+/ssl-redirect: .+\n", "")), MEDIUM,
         "cerebro-api: http://api.analytics.gnosis.io/ now routes to Service cerebro-api:8000 "
         "(before: a redirect to HTTPS)"),
        (drop("cluster/namespace-crawlers", "NetworkPolicy"), HIGH,
         "default-deny: all other pods in the namespace can now be reached from any address on "
         "all ports"),
        (write(API, (r"  ingress:\n    - ports", "  ingress:\n    - from:\n        - ipBlock:\n"
                     "            cidr: 10.0.0.0/8\n      ports")), MEDIUM,
         "cerebro-api: cerebro-api can no longer be reached from any address on TCP 8000"),
        (write(API, (ANYWHERE, "")), HIGH,
         "cerebro-api: egress: opens 0.0.0.0/0 and 0.0.0.0/0 except 10.0.0.0/8, 100.64.0.0/10, "
         "127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16, but EKS's network plugin "
         "applies the exceptions of one to the other; give all rules for a range the same "
         "exceptions, and open excluded addresses as a separate range, as Egress does "
         "[differing-on-eks]"),
        (declare("crawlers/click_runner", '"0 2 * * *"', '"0 */4 * * *"'), MEDIUM,
         "click-runner-ember: daily at 02:00 UTC → every fourth hour UTC; starts at the same time "
         "as click-runner-governance-forum, cryo-indexer-auto-maintain"),
        (write(API, ("cpu: 250m", "cpu: 800m")), HIGH,
         "cerebro: exceeds the quota, so new pods are rejected: requests.cpu 2.5 → 5.25 (quota 4)"),
        (declare("cerebro/cerebro_api", "replicas=2", "replicas=3"), LOW,
         "cerebro: requests.cpu 2.5 → 3 (quota 4), requests.memory 5.5Gi → 6.5Gi (quota 8Gi) and "
         "5 more"),
        (write(MCP, ("key: /cerebro/mcp/auth-token", "key: /cerebro/mcp/token")), LOW,
         "cerebro-mcp: Reloader restarts it, because Secret cerebro-mcp-secrets changes"),
        (write(IP, ("key: /cerebro/ipinfo/token", "key: /cerebro/ipinfo/key")), MEDIUM,
         "ip-crawler-secrets: now reads IPINFO_API_TOKEN from /cerebro/ipinfo/key instead of "
         "/cerebro/ipinfo/token; until restarted, the old value stays in ip-crawler"),
    ],
)  # fmt: skip
def test_a_finding_says_what_happens(edit: Edit, severity: Severity, sentence: str) -> None:
    assert (severity, sentence) in sentences(edit)


def test_a_fixed_policy_is_reported() -> None:
    old_form = write(API, (ANYWHERE, ""))
    said = sentences(unchanged, given=old_form)
    assert not said  # the same on both sides
    before, after = old_form(rendered()), rendered()
    found = [(finding.severity, finding.text) for finding in review(before, after).findings]
    assert any(
        severity is LOW and text.startswith("fixed: egress: opens 0.0.0.0/0 and 0.0.0.0/0 except")
        for severity, text in found
    )


def test_the_order_of_a_release_is_reported() -> None:
    job = "cryo-indexer-migrations"
    assert (
        LOW,
        f"{job}: runs first; if it fails, these stay unchanged: cryo-indexer, "
        "cryo-indexer-auto-maintain",
    ) in sentences(pinned("cryo-indexer", NEW))
    assert (LOW, f"{job}: runs with this release") in sentences(
        write(CRYO, ("- migrations\n", "- migrate\n"))
    )
    said = sentences(write(CRYO, ("key: /cerebro/clickhouse/host", "key: /cerebro/clickhouse/ip")))
    assert any(
        text.startswith(f"{job}: runs with this release; before that, Secret cryo-indexer-click")
        for _, text in said
    )


def test_a_change_of_a_job_that_is_never_synced_is_reported() -> None:
    said = sentences(write(CRYO, ("- migrations\n", "- migrate\n")))
    assert any(
        severity is HIGH and "no object in its file has the annotation checksum/job" in text
        for severity, text in said
    )


def test_two_commits_are_linked() -> None:
    link = f"https://github.com/gnosischain/nebula/compare/{40 * 'a'}...{40 * 'b'}"
    said = sentences(pinned("nebula", NEW), pinned("nebula", OLD))
    assert (LOW, f"nebula: nebula: sha-aaaaaaa → sha-bbbbbbb: {link}") in said


@pytest.mark.parametrize(
    ("was", "now", "severity", "text"),
    [
        (f"@{ONE}", f"@{TWO}", HIGH,
         "another build under the same tag (sha256:111111111111… → sha256:222222222222…)"),
        ("", f"@{TWO}", LOW, "now pinned to its digest (sha256:222222222222…)"),
        (f"@{ONE}", "", MEDIUM, "no longer pinned to a digest; the tag can move"),
    ],
)  # fmt: skip
def test_another_digest_under_the_same_tag_is_reported(
    was: str, now: str, severity: Severity, text: str
) -> None:
    said = sentences(pinned("nebula", f"{NEW}{now}"), pinned("nebula", f"{NEW}{was}"))
    assert (severity, f"nebula: nebula: sha-bbbbbbb: {text}") in said


def test_a_new_build_without_a_digest_is_reported() -> None:
    said = sentences(pinned("nebula", NEW), pinned("nebula", f"{OLD}@{ONE}"))
    assert (
        MEDIUM,
        "nebula: nebula: sha-aaaaaaa → sha-bbbbbbb: no longer pinned to a digest; the tag can move",
    ) in said


def test_a_restart_because_of_a_shared_change_is_reported_as_such() -> None:
    shared = together(write(API, MANIFEST_URL), write(MCP, MANIFEST_URL))
    why = "restarts only because of a shared change: env[DBT_MANIFEST_URL]"
    said = sentences(together(shared, write(API, ('"300"', '"600"'))))
    assert (LOW, f"cerebro-mcp: {why}") in said
    assert (
        LOW,
        "cerebro-api: restarts, because its pod template changes: env[DBT_MANIFEST_URL], "
        "env[DBT_MANIFEST_REFRESH_INTERVAL_SECONDS]",
    ) in said


def test_pods_are_counted() -> None:
    report = review(rendered(), write(API, ('"300"', '"600"'))(rendered()))
    (restart,) = report.findings
    assert restart.pods == 2
    assert report.verdict == "Low risk: 2 pods restarted."


def test_an_object_that_could_be_deleted_is_not_counted_as_removed() -> None:
    new = create("cluster/namespace-cerebro.k8s.yaml", "Namespace open", "v1")
    verdict = review(rendered(), new(rendered())).verdict
    assert verdict.startswith("High risk: 1 object that could be deleted, ")
    assert "removed" not in verdict
    unprotected = write("cluster/aws-ssm", ("Prune=false,Delete=false", "Delete=false"))
    verdict = review(rendered(), unprotected(rendered())).verdict
    assert verdict.startswith("High risk: 1 object that could be deleted")
    assert "removed" not in verdict
    both = together(new, drop(IP, "PersistentVolumeClaim"))
    verdict = review(rendered(), both(rendered())).verdict
    assert verdict.startswith("High risk: 1 object removed, 1 object that could be deleted, ")


def test_an_object_that_a_rule_cannot_read_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing_replicas(item: Object, _: Rendered) -> Problems:
        yield f"runs {item.spec['replicas']} pods"

    broken = rule("Deployment", risk="update", remedy="set them")
    monkeypatch.setattr(violations, "RULES_OF_THE_SYNTH", (broken(missing_replicas),))
    api = "cerebro-api: effect unknown: rule missing-replicas cannot read it "
    found = sentences(write(API, ("  replicas: 2\n", "")))
    assert (HIGH, f"{api}(KeyError: 'replicas')") in found
    assert not [text for _, text in found if "fixed: runs" in text]
    assert sentences(unchanged) == []
