"""Rules of every synth that a change breaks or fixes."""

from __future__ import annotations

from collections.abc import Iterator

from constructs_lib.errors import RuleError
from constructs_lib.manifests.objects import Key, Objects
from constructs_lib.rules import RULES as RULES_OF_THE_SYNTH
from constructs_lib.rules.model import Rendered, Violation
from ops.review.diff import Comparison
from ops.review.load import of_cluster
from ops.review.model import Difference, Finding, Path, Risk, Severity

_COMPARED_BY_FIELD = frozenset(
    {
        "exposed-service",
        "mismatching-secret-store",
        "mismatching-selector",
        "missing-default-deny",
        "open-private-address",
        "privileged-service-account",
        "rbac-object",
        "unbounded-project",
        "unenforced-pod-security",
        "unrestricted-direction",
        "unserved-open-port",
    }
)
"""Rules about fields that other modules compare."""
_RENDERED_ONLY = frozenset({"unsynced-release"})
"""Rules that apply only to rendered manifests, not to objects of an API server."""
_EXPLAINED_FIELDS: dict[str, Path] = {
    "unsafe-disruption-budget": ("spec",),
    "prunable-shared-object": (
        "metadata",
        "annotations",
        "argocd.argoproj.io/sync-options",
    ),
}
"""The field that a violation explains, if no other module does."""
_PLATFORM = Key("", "Platform", "", "the platform")
"""In place of an object, for what concerns several."""


def violations_changed(comparison: Comparison) -> Iterator[Finding]:
    """New violations, fixed ones, and objects that a rule cannot read."""
    (was, former), (now, crashes) = (
        _found(comparison, one) for one in (comparison.before, comparison.after)
    )
    differing = {pair.item.key for pair in comparison.pairs()}
    for subject, crash in crashes.items():
        if subject not in former or crash.item in differing:
            text = f"effect unknown: rule {crash.rule} cannot read it ({crash.cause})"
            yield Finding(
                Risk.UNKNOWN, Severity.HIGH, crash.item or _PLATFORM, text, rule=crash.rule
            )
    for place, violation in now.items():
        if place not in was:
            yield _finding(comparison, violation, Severity.HIGH, violation.text)
    for place, violation in was.items():
        item = violation.object
        unread = item and (violation.check, item.key) in crashes
        if place not in now and item and not unread and comparison.after.get(item.key):
            yield _finding(comparison, violation, Severity.LOW, f"fixed: {violation.text}")


def _found(
    comparison: Comparison, objects: Objects
) -> tuple[dict[tuple[Key | None, str], Violation], dict[tuple[str, Key | None], RuleError]]:
    """Violations by object and text, and crashes by rule and object."""
    rendered = Rendered(Objects(of_cluster(objects)))
    crashes: list[RuleError] = []
    found = {
        (one.object.key if one.object else None, one.text): one
        for rule in RULES_OF_THE_SYNTH
        if not (comparison.stored and rule.name in _RENDERED_ONLY)
        for one in rule.violations(rendered, crashes)
        if not _is_compared_by_field(comparison, one)
    }
    return found, {(crash.rule, crash.item): crash for crash in crashes}


def _is_compared_by_field(comparison: Comparison, violation: Violation) -> bool:
    """Whether another module reports it: only for objects that exist on both sides."""
    key = violation.object.key if violation.object else None
    sides = (comparison.before, comparison.after)
    return violation.check in _COMPARED_BY_FIELD and all(not key or one.get(key) for one in sides)


def _finding(
    comparison: Comparison, violation: Violation, severity: Severity, text: str
) -> Finding:
    item, rule = violation.object, violation.rule
    key = item.key if item else _PLATFORM
    risk = Risk(rule.risk) if rule else Risk.UNKNOWN
    if risk is Risk.DELETE and severity is Severity.LOW:
        risk = Risk.UPDATE  # nothing is deleted
    explains = _explained(comparison, key, violation)
    return Finding(risk, severity, key, text, explains, rule=violation.check)


def _explained(comparison: Comparison, key: Key, violation: Violation) -> tuple[Difference, ...]:
    path = _EXPLAINED_FIELDS.get(violation.check)
    return comparison.differences(key, path) if path else ()
