"""The rules: each is a function from a comparison to what it finds."""

from collections.abc import Callable, Iterator

from ops.review.diff import Comparison
from ops.review.model import Finding
from ops.review.rules import (
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
"""All of them. What they leave unexplained, `fallback.leftovers` tells."""
