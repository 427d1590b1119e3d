"""One set of rules over rendered objects: at synth, in the review, in the scorecard."""

from __future__ import annotations

from constructs_lib.rules import (
    availability,
    coherence,
    egress,
    gitops,
    hardening,
    load_balancers,
    network,
    platform,
    pod_security,
    references,
    releases,
)
from constructs_lib.rules.model import Rendered, Rule, Violation

ROOMS = {
    "Pod Security": pod_security.RULES,
    "Hardening": hardening.RULES,
    "References": references.RULES,
    "Fits together": coherence.RULES,
    "Availability": availability.RULES,
    "Network": (*network.RULES, *egress.RULES, *load_balancers.RULES),
    "GitOps": (*gitops.RULES, *releases.RULES),
    "The platform": platform.RULES,
}
"""The rules by what they are about."""
RULES: tuple[Rule, ...] = tuple(rule for room in ROOMS.values() for rule in room)


def violations(rendered: Rendered) -> list[Violation]:
    """Everything that breaks a rule, in the order of the rules, waived or not."""
    return [violation for rule in RULES for violation in rule.violations(rendered)]
