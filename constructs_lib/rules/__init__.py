"""Rules for rendered objects, shared by `make synth`, `ops review` and docs/rules.md."""

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

GROUPS = {
    "Pod Security": pod_security.RULES,
    "Hardening": hardening.RULES,
    "References": references.RULES,
    "Consistency": coherence.RULES,
    "Availability": availability.RULES,
    "Network": (*network.RULES, *egress.RULES, *load_balancers.RULES),
    "GitOps": (*gitops.RULES, *releases.RULES),
    "Platform": platform.RULES,
}
RULES: tuple[Rule, ...] = tuple(rule for group in GROUPS.values() for rule in group)


def violations(rendered: Rendered) -> list[Violation]:
    """All violations, including waived ones, in rule order."""
    return [violation for rule in RULES for violation in rule.violations(rendered)]
