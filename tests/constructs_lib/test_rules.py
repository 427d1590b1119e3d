"""Every rule has a reason and a remedy, and covers only checks that exist."""

from __future__ import annotations

import re
from dataclasses import replace
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
from constructs_lib.rules.model import Rendered, Rule, rules_of
from constructs_lib.rules.scorecard import check_sets, render
from tests.mutants import start


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


def unknown(rule: Rule) -> set[str]:
    """The covered checks that do not exist in any check set."""
    known = {f"{name}:{check}" for name, of in check_sets().items() for check in of["checks"]}
    return {*rule.covers} - known


def test_what_a_rule_covers_is_in_a_public_check_set() -> None:
    assert not [rule.name for rule in RULES if unknown(rule)]
    assert unknown(replace(RULES[0], covers=("checkov:CKV_K8S_0",))) == {"checkov:CKV_K8S_0"}


def test_the_scorecard_counts_checked_objects_and_covered_checks() -> None:
    platform = current()
    page = render(Rendered(Objects(start()), platform), [], platform.waivers)
    pods = len(Rendered(Objects(start())).pods)
    (row,) = [line for line in page.splitlines() if line.startswith("| `root-is-read-only`")]
    assert row.split("|")[3].strip() == str(pods)
    assert "| Pod Security Standard `restricted` | 18 of 18 |  |" in page
    for waiver in platform.waivers:
        assert waiver.reason in page


def test_the_rules_run_once_per_synth(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Mock(wraps=rules.violations)
    monkeypatch.setattr(validation, "violations", runs)
    dist.render()
    assert runs.call_count == 1
