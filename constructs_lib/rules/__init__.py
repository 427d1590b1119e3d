"""Rules for rendered objects, shared by `make synth`, `ops review` and docs/rules.md.

Each rule is a function with the decorator `rule` in one of the modules below.
"""

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
from constructs_lib.rules.model import Rendered, Rule, Violation, rules_of

GROUPS = {
    "Pod Security": rules_of(pod_security),
    "Hardening": rules_of(hardening),
    "References": rules_of(references),
    "Consistency": rules_of(coherence),
    "Availability": rules_of(availability),
    "Network": rules_of(network, egress, load_balancers),
    "GitOps": rules_of(gitops, releases),
    "Platform": rules_of(platform),
}
RULES: tuple[Rule, ...] = tuple(rule for group in GROUPS.values() for rule in group)


def violations(rendered: Rendered) -> list[Violation]:
    """All violations, including waived ones, in rule order."""
    return [violation for rule in RULES for violation in rule.violations(rendered)]
