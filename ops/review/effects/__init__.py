"""The effects: functions from a comparison to its findings."""

from collections.abc import Iterator

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
)
from ops.review.effects.violations import violations_changed
from ops.review.model import EFFECTS, Finding

__all__ = ["findings"]
_REGISTERED = (
    removal,
    availability,
    exposure,
    network,
    permissions,
    secrets,
    capacity,
    builds,
    releases,
    cloud,
)
"""The modules whose import registers the effects."""


def findings(comparison: Comparison) -> Iterator[Finding]:
    """All effects of a change, and the rules of the synth that it breaks or fixes."""
    for effect in EFFECTS.values():
        if effect.of_comparison:
            yield from effect(comparison)
    yield from violations_changed(comparison)
