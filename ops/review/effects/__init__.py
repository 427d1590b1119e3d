"""The effects: functions from a comparison to its findings."""

from collections.abc import Iterator

from ops.review.diff import Comparison
from ops.review.effects import (
    availability,
    exposure,
    network,
    operation,
    permissions,
    removal,
    secrets,
)
from ops.review.effects.violations import violations_changed
from ops.review.model import Finding, effects_of

EFFECTS = effects_of(removal, availability, exposure, network, permissions, secrets, operation)


def findings(comparison: Comparison) -> Iterator[Finding]:
    """All effects of a change, and the rules of the synth that it breaks or fixes."""
    for effect in EFFECTS:
        yield from effect(comparison)
    yield from violations_changed(comparison)
