"""The rules: functions from a comparison to its findings."""

from collections.abc import Callable, Iterator

from ops.review.diff import Comparison
from ops.review.effects import (
    availability,
    builds,
    capacity,
    cloud,
    exposure,
    network,
    permissions,
    releases,
    removal,
    secrets,
    violations,
)
from ops.review.model import Finding

RULES: tuple[Callable[[Comparison], Iterator[Finding]], ...] = (
    *removal.RULES,
    *availability.RULES,
    *exposure.RULES,
    *network.RULES,
    *permissions.RULES,
    *secrets.RULES,
    *capacity.RULES,
    *builds.RULES,
    *releases.RULES,
    *cloud.RULES,
    *violations.RULES,
)
"""All rules. `fallback.unexplained` reports the differences that they do not explain."""
