"""What a change does: its effects, and the rules of the synth that it breaks or fixes.

The modules declare the effects: functions from a change, or from all changes, to findings.
"""

from constructs_lib.errors import RuleError
from constructs_lib.manifests.objects import Key, Objects
from constructs_lib.rules import RULES as RULES_OF_THE_SYNTH
from constructs_lib.rules.api import invalid_field
from constructs_lib.rules.gitops import unsynced_release
from constructs_lib.rules.model import Rendered, Violation, declared
from constructs_lib.rules.security import pod_security_baseline
from ops.review.diff import Change, Comparison, Difference
from ops.review.effects import (
    availability,
    definitions,
    exposure,
    network,
    operation,
    permissions,
    pods,
    removal,
    secrets,
    stack,
)
from ops.review.effects.fields import FACTS, container_of, owned
from ops.review.load import of_cluster
from ops.review.model import HIGH, LOW, PLATFORM, Effect, Finding, Findings, Risk

EFFECTS = (
    *declared(Effect, removal, definitions, availability, exposure, network, permissions),
    *declared(Effect, secrets, stack, operation, pods),
    *FACTS,
)


def findings(comparison: Comparison) -> Findings:
    """All effects of a change, and the rules of the synth that it breaks or fixes."""
    violations = list(_violations_changed(comparison))
    yield from violations
    refused = {field for finding in violations for field in finding.explains}
    for effect in EFFECTS:
        if not effect.kinds:
            yield from effect(comparison)
        for change in comparison.changed(effect.kinds, effect.states, effect.source):
            for finding in effect(change, comparison):
                is_own = effect not in FACTS and finding.severity is HIGH
                if is_own or not refused.issuperset(finding.explains or [None]):
                    yield finding


def _violations_changed(comparison: Comparison) -> Findings:
    """New violations, fixed ones, and objects that a rule cannot read."""
    was, former = _violations(comparison, comparison.before)
    now, crashes = _violations(comparison, comparison.after)
    for subject, crash in crashes.items():
        if subject not in former or crash.item in comparison.changes:
            text = f"effect unknown: rule {crash.rule} cannot read it ({crash.cause})"
            key = crash.item or PLATFORM
            yield Finding(HIGH, text, risk=Risk.UNKNOWN, key=key, rule=crash.rule)
    for (key, text), violation in now.items():
        if (key, text) not in was:
            explains = _explained(comparison.change_of(key), violation)
            risk = Risk(violation.rule.risk)
            yield Finding(HIGH, text, explains, risk, key, rule=violation.check)
    for (key, text), violation in was.items():
        is_read = comparison.after.get(key) and (violation.check, key) not in crashes
        if (key, text) not in now and is_read:
            explains = _explained(comparison.change_of(key), violation)
            risk = Risk(violation.rule.risk)
            risk = Risk.UPDATE if risk is Risk.DELETE else risk  # nothing is deleted
            yield Finding(LOW, f"fixed: {text}", explains, risk, key, rule=violation.check)


def _violations(
    comparison: Comparison, objects: Objects
) -> tuple[dict[tuple[Key, str], Violation], dict[tuple[str, Key | None], RuleError]]:
    """Violations by object and text, and crashes by rule and object."""
    rendered = Rendered(Objects(of_cluster(objects)))
    on_both_sides = comparison.before.objects.keys() & comparison.after.objects.keys()
    crashes: list[RuleError] = []
    violations = {}
    for rule in [pod_security_baseline] if comparison.path else RULES_OF_THE_SYNTH:
        if comparison.stored and rule is unsynced_release:
            continue  # the fingerprint is that of the rendered job, without the server's defaults
        for violation in rule.violations(rendered, crashes):
            key = violation.object.key if violation.object else PLATFORM
            if not rule.reviewed_by_field or (violation.object and key not in on_both_sides):
                violations[key, violation.text] = violation
    return violations, {(crash.rule, crash.item): crash for crash in crashes}


def _explained(change: Change, violation: Violation) -> tuple[Difference, ...]:
    """The differences that a violation is about."""
    part, names = violation.problem.part, {*violation.problem.fields}
    is_unknown = violation.rule is invalid_field and names
    fields = change.differences if is_unknown else owned(change, violation.check)
    inside = (one for one in fields if not part or container_of(one) in ("", part))
    return tuple(field for field in inside if names <= {*field.path})
