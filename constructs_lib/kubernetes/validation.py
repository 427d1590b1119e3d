"""Runs the rules on an App."""

from __future__ import annotations

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.snapshot import Snapshot
from constructs_lib.manifests.argocd import DIST
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.shape import malformed
from constructs_lib.model.platform import Platform
from constructs_lib.rules import violations, waivers
from constructs_lib.rules.model import Rendered, Violation


def _is_a_rule(check: str) -> bool:
    """Whether a waiver is for a rule, even a misspelled one. Scanner checks contain a colon."""
    return ":" not in check


def rendered(snapshot: Snapshot, platform: Platform) -> Rendered:
    """The input of the rules."""
    objects = (
        Object.of(item, f"{DIST}/{file.path}") for file in snapshot.files for item in file.objects
    )
    paths = tuple(file.path for file in snapshot.files)
    odd = frozenset(f"{DIST}/{file.path}" for file in snapshot.files if file.is_odd)
    return Rendered(Objects(objects), platform, tuple(snapshot.pending), paths, odd)


def problems(snapshot: Snapshot, platform: Platform) -> list[str]:
    """The violations that no waiver covers, and invalid waivers.

    Malformed objects are reported first and alone, because the rules cannot read them.
    """
    found = [
        f"{file.path}: {Object.of(item).key}: {problem}"
        for file in snapshot.files
        for item in file.objects
        for problem in malformed(item)
    ]
    if found:
        return found
    broken = violations(rendered(snapshot, platform))
    refused = waivers.left(broken, platform.waivers)
    return [
        *(_message(one, snapshot) for one in refused if isinstance(one, Violation)),
        *waivers.problems(broken, platform.waivers, checks=_is_a_rule),
    ]


def _message(violation: Violation, snapshot: Snapshot) -> str:
    """The message with its file and construct path."""
    item = violation.object
    if item is None:
        return violation.message
    for file in snapshot.files:
        for content, owner in zip(file.objects, file.owners, strict=True):
            if content is item.manifest:
                path = owner.node.path
                return f"{file.path}: {item.key} (construct {path}): {violation.text}"
    raise DeclarationError("is not in the checked snapshot", where=item.key)
