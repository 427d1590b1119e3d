"""Runs the rules on an App."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.files import ChartFiles
from constructs_lib.manifests.argocd import DIST
from constructs_lib.manifests.fields import malformed
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.model import waivers
from constructs_lib.model.platform import Platform
from constructs_lib.rules import violations
from constructs_lib.rules.model import Rendered, Violation


def _is_a_rule(check: str) -> bool:
    """Whether a waiver is for a rule, even a misspelled one. Scanner checks contain a colon."""
    return ":" not in check


@dataclass(frozen=True)
class Validation:
    """The rules' findings in the objects of an App; they run once, when first needed."""

    files: ChartFiles
    platform: Platform

    @cached_property
    def rendered(self) -> Rendered:
        """The input of the rules."""
        files = self.files
        objects = (
            Object.of(item, f"{DIST}/{file.path}") for file in files for item in file.objects
        )
        return Rendered(
            Objects(objects),
            self.platform,
            tuple(files.pending),
            tuple(file.path for file in files),
            frozenset(f"{DIST}/{file.path}" for file in files if file.needs_quotes),
        )

    @cached_property
    def violations(self) -> list[Violation]:
        """All violations, including waived ones."""
        return violations(self.rendered)

    def problems(self) -> list[str]:
        """The violations that no waiver covers, and invalid waivers.

        Malformed objects are reported first and alone, because the rules cannot read them.
        """
        malformations = [
            f"{file.path}: {Object.of(item).key}: {problem}"
            for file in self.files
            for item in file.objects
            for problem in malformed(item)
        ]
        if malformations:
            return malformations
        accepted = self.platform.waivers
        return [
            *map(self._message, waivers.left(self.violations, accepted)),
            *waivers.problems(self.violations, accepted, checks=_is_a_rule),
        ]

    def _message(self, violation: Violation) -> str:
        """The message with its file and construct path."""
        item = violation.object
        if item is None:
            return violation.message
        for file in self.files:
            for content, owner in zip(file.objects, file.owners, strict=True):
                if content is item.manifest:
                    path = owner.node.path
                    return f"{file.path}: {item.key} (construct {path}): {violation.text}"
        raise DeclarationError("is not in the checked files", where=item.key)
