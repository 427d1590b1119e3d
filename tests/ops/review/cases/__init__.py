"""A case: an edit of `dist/` or of a chart, and every finding that the review must report for it.

A text is a short fragment that survives rewording: a field, a value or the id of a rule. Where a
finding has only words, it has no fragment here; tests/ops/review/test_classes.py asserts the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ops.review.model import Finding, Severity
from tests.ops.review.edits import Edit, unchanged

API = "Deployment cerebro/cerebro-api"
MCP = "Deployment cerebro/cerebro-mcp"
NEBULA = "Deployment crawlers/nebula"
CRYO = "Deployment crawlers/cryo-indexer"
MAINTENANCE = "CronJob crawlers/cryo-indexer-auto-maintain"
MIGRATIONS = "Job crawlers/cryo-indexer-migrations"
BUDGET = "PodDisruptionBudget cerebro/cerebro-api"
CLAIM = "PersistentVolumeClaim crawlers/ip-crawler"
NEBULA_SECRETS = "ExternalSecret crawlers/nebula-secrets"
JOBS = [
    f"CronJob crawlers/click-runner-{name}"
    for name in (
        "ember",
        "cow",
        "governance-snapshot",
        "governance-forum",
        "defillama",
        "coingecko",
    )
]
EMBER = JOBS[0]
INGRESSES = [
    f"Ingress cerebro/{name}" for name in ("cerebro-api", "cerebro-mcp", "metrics-dashboard")
]
API_OBJECTS = [
    "ServiceAccount cerebro/cerebro-api",
    "NetworkPolicy cerebro/cerebro-api",
    API,
    "Service cerebro/cerebro-api",
    "Ingress cerebro/cerebro-api",
    "PodDisruptionBudget cerebro/cerebro-api",
]
"""The objects of cerebro-api that have its labels: all but its ExternalSecret."""

POD = "spec.template.spec"
CONTAINER = f"{POD}.containers[0]"


class Expected(NamedTuple):
    """A finding that the review must report."""

    severity: Severity
    risk: str
    object: str
    text: str

    def matches(self, finding: Finding) -> bool:
        return (
            (finding.severity, finding.risk) == (self.severity, self.risk)
            and str(finding.key) == self.object
            and self.text in finding.sentence
        )


def high(risk: str, name: str, text: str = "") -> Expected:
    return Expected(Severity.HIGH, risk, name, text)


def medium(risk: str, name: str, text: str = "") -> Expected:
    return Expected(Severity.MEDIUM, risk, name, text)


def low(risk: str, name: str, text: str = "") -> Expected:
    return Expected(Severity.LOW, risk, name, text)


def recreated(name: str, cause: str) -> list[Expected]:
    """The findings for a restart of a workload with the strategy Recreate."""
    return [medium("downtime", name, "(Recreate)"), low("restart", name, cause)]


@dataclass(frozen=True, eq=False)
class Case:
    """Both edits start from what the charts render; the review compares their results."""

    name: str
    edit: Edit
    expects: Sequence[Expected]
    """All findings: a further one fails the case, except with `others`."""
    others: bool
    base: Edit
    """Prepares the base revision, where that is not what the charts render."""


def case(
    name: str, edit: Edit, *expects: Expected, others: bool = False, base: Edit = unchanged
) -> Case:
    return Case(name, edit, expects, others, base)


def mismatches(expects: Sequence[Expected], findings: Sequence[Finding]) -> list[str]:
    """What is missing and what is unexpected; each finding matches one expectation."""
    unexpected, missing = list(findings), []
    for each in expects:
        match = next((finding for finding in unexpected if each.matches(finding)), None)
        if match:
            unexpected.remove(match)
        else:
            missing.append("missing: " + " | ".join(each))
    return missing + [
        f"unexpected: {each.severity} | {each.risk} | {each.key} | {each.sentence}"
        for each in unexpected
    ]
