"""Every rule has a reason and a remedy, and every public check a rule or a reason."""

from __future__ import annotations

import re
from importlib import import_module
from pkgutil import iter_modules
from unittest.mock import Mock

import pytest

from catalogue.platform import current
from charts import dist
from constructs_lib import rules
from constructs_lib.kubernetes import validation
from constructs_lib.manifests.objects import Objects
from constructs_lib.rules import RULES
from constructs_lib.rules.model import Rendered, rules_of
from constructs_lib.rules.scorecard import check_sets, render
from tests.mutants import start

CHECKS = {
    "pod-security": 18,
    "cis-eks": 19,
    "nsa-cisa": 13,
    "kube-score": 39,
    "checkov": 37,
    "kube-linter": 47,
    "polaris": 46,
}
"""The number of checks of each public set that apply to rendered objects."""


def test_every_rule_has_a_unique_name_a_reason_and_a_remedy() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    for rule in RULES:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", rule.name)
        assert rule.reason.endswith("."), rule.name
        assert rule.remedy, rule.name


def test_no_module_with_rules_is_left_out() -> None:
    modules = [
        import_module(f"{rules.__name__}.{one.name}") for one in iter_modules(rules.__path__)
    ]
    assert {*rules_of(*modules)} == {*RULES}


def test_every_public_check_is_covered_by_rules_or_left_out_for_a_reason() -> None:
    assert check_sets().keys() == CHECKS.keys()
    for name, checks in check_sets().items():
        covered = {check for checks in checks.covered.values() for check in checks}
        left_out = [check for checks in checks.left_out.values() for check in checks]
        assert checks.covered.keys() <= {rule.name for rule in RULES}, name
        assert len(left_out) == len({*left_out} - covered), name
        assert len(covered) + len(left_out) == CHECKS[name], name
        assert all(reason.endswith(".") for reason in checks.left_out), name


def test_the_scorecard_counts_checked_objects_and_covered_checks() -> None:
    platform = current()
    page = render(Rendered(Objects(start()), platform), [], platform.waivers)
    pods = len(Rendered(Objects(start())).pods)
    row, *_ = [
        line for line in page.splitlines() if line.startswith("| `writable-root-filesystem`")
    ]
    assert row.split("|")[3].strip() == str(pods)
    assert "### Pod Security Standard `restricted`\n\n18 of 18 checks are covered." in page
    for waiver in platform.waivers:
        assert waiver.reason in page


def test_the_rules_run_once_per_synth(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Mock(wraps=rules.violations)
    monkeypatch.setattr(validation, "violations", runs)
    dist.render()
    assert runs.call_count == 1
