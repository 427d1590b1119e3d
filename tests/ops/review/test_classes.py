"""Each class and effect of the review, by the cases in tests/ops/review/cases."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest

from constructs_lib.manifests.objects import Object
from constructs_lib.rules.model import Problems, Rendered, rule
from ops.review import effects, report
from ops.review.live import findings as of_clusters
from ops.review.model import Finding, Risk, effects_of
from tests.conftest import ROOT
from tests.ops.review.cases import (
    Case,
    access,
    availability,
    control,
    meaning,
    mismatches,
    operation,
    removal,
    secrets,
    stack,
)
from tests.ops.review.edits import rendered, review, write

CASES = [
    case
    for theme in (removal, availability, access, control, secrets, operation, meaning, stack)
    for case in theme.CASES
]
EFFECTS = {effect.id: effect.reason for effect in (*effects.EFFECTS, *effects_of(report))}
GUIDE = (ROOT / "docs" / "review.md").read_text("utf-8")


@cache
def findings(case: Case) -> list[Finding]:
    return review(case.base(rendered()), case.edit(rendered())).findings


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_review_reports_exactly_the_expected_findings(case: Case) -> None:
    found = mismatches(case.expects, findings(case))
    if case.others:
        found = [problem for problem in found if problem.startswith("missing: ")]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("delete a protected namespace", "stays in the cluster: Prune=false protects it"),
        ("delete a file, but not its Application", "stays in the cluster: Argo CD does not prune "
         "the last objects of Application argocd/nebula (allowEmpty is off)"),
        ("remove a service", "Argo CD prunes it; also deleted: the 4 objects that it syncs"),
        ("remove a service", "Argo CD deletes it together with Application argocd/nebula; also "
         "deleted: Secret nebula-secrets, used by nebula"),
        ("delete a volume claim", "Argo CD prunes it; also deleted: its volume, unless the storage "
         "class retains it"),
        ("scale to zero", "stops: scaled from 2 to 0 pods"),
        ("make a load balancer internet-facing", "reachable from the internet: "
         "https://mcp.analytics.gnosis.io/ (before: from the VPC)"),
        ("allow a denied path", "reachable from the internet: "
         "https://api.analytics.gnosis.io/metrics (before: not reachable)"),
        ("remove the redirect to HTTPS", "http://api.analytics.gnosis.io/ now routes to Service "
         "cerebro-api:8000 (before: a redirect to HTTPS)"),
        ("delete the default-deny policy", "all other pods in the namespace can now be reached "
         "from any address on all ports"),
        ("limit ingress to the subnets of the load balancers", "cerebro-api can no longer be "
         "reached from any address on TCP 8000"),
        ("let two rules of a policy except different addresses", "egress: opens 0.0.0.0/0 and "
         "0.0.0.0/0 except 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, "
         "192.168.0.0/16, but EKS's network plugin applies the exceptions of one to the other; "
         "give all rules for a range the same exceptions, and open excluded addresses as a "
         "separate range, as Egress does [differing-on-eks]"),
        ("change a schedule", "daily at 02:00 UTC → every fourth hour UTC; starts at the same time "
         "as click-runner-governance-forum, cryo-indexer-auto-maintain"),
        ("raise requests above the quota", "exceeds the quota, so new pods are rejected: "
         "requests.cpu 2.5 → 5.25 (quota 4)"),
        ("add a replica", "requests.cpu 2.5 → 3 (quota 4), requests.memory 5.5Gi → 6.5Gi (quota "
         "8Gi) and 5 more"),
        ("remove a key", "Reloader restarts it, because Secret cerebro-mcp-secrets changes"),
        ("read a key from another parameter", "now reads NEBULA_DATABASE_USER from "
         "/cerebro/clickhouse/reader instead of /cerebro/clickhouse/user; until restarted, the old "
         "value stays in nebula"),
        ("change a variable that two services share, and another", "restarts only because of a "
         "shared change: env[DBT_MANIFEST_URL]"),
        ("change a variable that two services share, and another", "restarts, because its pod "
         "template changes: env[DBT_MANIFEST_URL], env[DBT_MANIFEST_REFRESH_INTERVAL_SECONDS]"),
        ("pin another commit", "cerebro-api: sha-aaaaaaa → sha-bbbbbbb: https://github.com/"
         f"gnosischain/cerebro-api/compare/{40 * 'a'}...{40 * 'b'}"),
        ("pin another build with the same tag", "click-runner: sha-bbbbbbb: another build under "
         "the same tag (sha256:111111111111… → sha256:222222222222…)"),
        ("pin a digest for the first time", "click-runner: sha-bbbbbbb: now pinned to its digest "
         "(sha256:222222222222…)"),
        ("pin no digest", "click-runner: sha-bbbbbbb: no longer pinned to a digest; the tag can "
         "move"),
        ("pin another commit, and no digest", "click-runner: sha-aaaaaaa → sha-bbbbbbb: no longer "
         "pinned to a digest; the tag can move"),
        ("change the arguments of a hook", "runs with this release"),
        ("pin another build of a hook and of what waits for it", "runs first; if it fails, these "
         "stay unchanged: cryo-indexer, cryo-indexer-auto-maintain"),
    ],
)  # fmt: skip
def test_a_finding_says_what_happens(name: str, text: str) -> None:
    (case,) = [case for case in CASES if case.name == name]
    assert text in [finding.text for finding in findings(case)]


def test_an_object_that_a_rule_cannot_read_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing_replicas(item: Object, _: Rendered) -> Problems:
        yield f"runs {item.spec['replicas']} pods"

    broken = rule("Deployment", risk="update", remedy="set them")
    monkeypatch.setattr(effects, "RULES_OF_THE_SYNTH", (broken(missing_replicas),))
    edit = write("cerebro/cerebro-api", ("  replicas: 2\n", ""))
    reported = [(f.severity, f.rule, f.text) for f in review(rendered(), edit(rendered())).findings]
    text = "effect unknown: rule missing-replicas cannot read it (KeyError: 'replicas')"
    assert ("high", "missing-replicas", text) in reported
    assert not [text for *_, text in reported if "fixed: runs" in text]
    assert review(rendered(), rendered()).findings == []


def test_each_effect_has_a_case() -> None:
    named = {finding.rule for case in CASES for finding in findings(case)}
    assert {*EFFECTS} - named == set()


def test_each_class_and_effect_is_documented() -> None:
    assert re.findall(r"^### (\w+)$", GUIDE, re.MULTILINE) == [str(risk) for risk in Risk]
    rows = dict(re.findall(r"^\| `([a-z]+-[a-z-]+)` \| (.+) \|$", GUIDE, re.MULTILINE))
    assert rows == EFFECTS | {effect.id: effect.reason for effect in effects_of(of_clusters)}


def test_each_class_has_at_least_three_cases_and_is_absent_from_others() -> None:
    cases = Counter(risk for case in CASES for risk in {each.risk for each in case.expects})
    assert all(3 <= cases[risk] < len(CASES) for risk in Risk), cases
