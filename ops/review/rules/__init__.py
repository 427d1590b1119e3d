"""The rules: each is a function from a comparison to what it finds."""

from collections.abc import Callable, Iterator

from ops.review.comparison import Comparison
from ops.review.model import Finding
from ops.review.rules import (
    availability,
    capacity,
    cloud,
    exposure,
    images,
    jobs,
    lifecycle,
    network,
    privilege,
    replacement,
    rollout,
    secrets,
    violations,
)

RULES: tuple[Callable[[Comparison], Iterator[Finding]], ...] = (
    *lifecycle.RULES,
    *replacement.RULES,
    *rollout.RULES,
    *availability.RULES,
    *exposure.RULES,
    *network.RULES,
    *privilege.RULES,
    *secrets.RULES,
    *capacity.RULES,
    *jobs.RULES,
    *images.RULES,
    *cloud.RULES,
    *violations.RULES,
)
"""All of them. What they leave unexplained, `settings.leftovers` tells."""
