"""Rules for rendered objects, shared by `make synth`, `ops review` and docs/rules.md.

Each rule is a function with the decorator `rule` in one of the modules below.
"""

from __future__ import annotations

from constructs_lib.rules import (
    availability,
    consistency,
    egress,
    gitops,
    network,
    platform,
    security,
)
from constructs_lib.rules.model import Rendered, Rule, Violation, rules_of

GROUPS = {
    "Security": rules_of(security),
    "Consistency": rules_of(consistency),
    "Availability and capacity": rules_of(availability),
    "Network": rules_of(network, egress),
    "GitOps": rules_of(gitops),
    "Platform and load balancers": rules_of(platform),
}
RULES: tuple[Rule, ...] = tuple(rule for group in GROUPS.values() for rule in group)


def violations(rendered: Rendered) -> list[Violation]:
    """All violations, including waived ones, in rule order."""
    return [violation for rule in RULES for violation in rule.violations(rendered)]
