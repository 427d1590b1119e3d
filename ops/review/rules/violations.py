"""What a change newly breaks of the rules that every synth keeps, and what it mends."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.manifests.objects import Key, Objects
from constructs_lib.rules import violations
from constructs_lib.rules.model import Rendered, Violation
from ops.review.diff import Comparison
from ops.review.load import of_cluster
from ops.review.model import Difference, Finding, Path, Risk, Severity

_TOLD_IN_DETAIL = frozenset(
    {
        "accounts-have-no-rights",
        "namespace-enforces-restricted",
        "namespaces-deny-by-default",
        "policies-decide-both-directions",
        "policies-open-what-is-served",
        "private-addresses-stay-closed",
        "projects-are-bounded",
        "rights-are-allowed-by-a-line",
        "services-stay-inside",
        "stores-serve-their-readers-alone",
        "workloads-select-their-own-pods",
    }
)
"""Rules whose subject another room compares field by field."""
_OF_THE_TEXT = frozenset({"changed-releases-are-synced"})
"""Rules that hold for what is rendered, not for what an API server makes of it."""
_EXPLAINED: dict[str, Path] = {
    "budgets-allow-drains-and-prevent-outages": ("spec",),
    "what-all-need-is-never-pruned": (
        "metadata",
        "annotations",
        "argocd.argoproj.io/sync-options",
    ),
}
"""The field that a violation accounts for, where no other room knows it."""


def broken(comparison: Comparison) -> Iterator[Finding]:
    """Each rule that an object keeps no longer, and each that it keeps again."""
    left_out = _TOLD_IN_DETAIL | (_OF_THE_TEXT if comparison.stored else frozenset())
    was, now = (_of(side, left_out) for side in (comparison.before, comparison.after))
    for mark, violation in now.items():
        if mark not in was:
            yield _finding(comparison, violation, Severity.HIGH, violation.text)
    for mark, violation in was.items():
        item = violation.object
        if mark not in now and item and comparison.after.get(item.key):
            yield _finding(comparison, violation, Severity.LOW, f"no longer: {violation.text}")


def _of(objects: Objects, left_out: frozenset[str]) -> dict[tuple[Key | None, str], Violation]:
    """The violations of one side, by object and text."""
    return {
        (violation.object.key if violation.object else None, violation.text): violation
        for violation in violations(Rendered(Objects(of_cluster(objects))))
        if violation.check not in left_out
    }


def _finding(
    comparison: Comparison, violation: Violation, severity: Severity, text: str
) -> Finding:
    item, rule = violation.object, violation.rule
    key = item.key if item else Key("", "Platform", "", violation.item)
    risk = Risk(rule.risk) if rule else Risk.UNKNOWN
    if risk is Risk.DELETE and severity is Severity.LOW:
        risk = Risk.UPDATE  # what can be deleted no longer is not deleted
    return Finding(risk, severity, key, text, _explained(comparison, key, violation))


def _explained(comparison: Comparison, key: Key, violation: Violation) -> tuple[Difference, ...]:
    path = _EXPLAINED.get(violation.check)
    return comparison.differences(key, path) if path else ()


RULES = (broken,)
