"""Rules of every synth that a change breaks or fixes."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.manifests.objects import Key, Objects
from constructs_lib.rules import violations
from constructs_lib.rules.model import Rendered, Violation
from ops.review.diff import Comparison
from ops.review.load import of_cluster
from ops.review.model import Difference, Finding, Path, Risk, Severity

_COMPARED_BY_FIELD = frozenset(
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
"""Rules about fields that other modules compare."""
_RENDERED_ONLY = frozenset({"changed-releases-are-synced"})
"""Rules that apply only to rendered manifests, not to objects of an API server."""
_EXPLAINED_FIELDS: dict[str, Path] = {
    "budgets-allow-drains-and-prevent-outages": ("spec",),
    "what-all-need-is-never-pruned": (
        "metadata",
        "annotations",
        "argocd.argoproj.io/sync-options",
    ),
}
"""The field that a violation explains, if no other module does."""


def broken(comparison: Comparison) -> Iterator[Finding]:
    """New violations, and fixed ones."""
    skipped = _COMPARED_BY_FIELD | (_RENDERED_ONLY if comparison.stored else frozenset())
    was, now = (_found(one, skipped) for one in (comparison.before, comparison.after))
    for place, violation in now.items():
        if place not in was:
            yield _finding(comparison, violation, Severity.HIGH, violation.text)
    for place, violation in was.items():
        item = violation.object
        if place not in now and item and comparison.after.get(item.key):
            yield _finding(comparison, violation, Severity.LOW, f"fixed: {violation.text}")


def _found(objects: Objects, skipped: frozenset[str]) -> dict[tuple[Key | None, str], Violation]:
    """Violations by object and text."""
    return {
        (violation.object.key if violation.object else None, violation.text): violation
        for violation in violations(Rendered(Objects(of_cluster(objects))))
        if violation.check not in skipped
    }


def _finding(
    comparison: Comparison, violation: Violation, severity: Severity, text: str
) -> Finding:
    item, rule = violation.object, violation.rule
    key = item.key if item else Key("", "Platform", "", violation.item)
    risk = Risk(rule.risk) if rule else Risk.UNKNOWN
    if risk is Risk.DELETE and severity is Severity.LOW:
        risk = Risk.UPDATE  # nothing is deleted
    return Finding(risk, severity, key, text, _explained(comparison, key, violation))


def _explained(comparison: Comparison, key: Key, violation: Violation) -> tuple[Difference, ...]:
    path = _EXPLAINED_FIELDS.get(violation.check)
    return comparison.differences(key, path) if path else ()


RULES = (broken,)
