"""Every rule has a reason, a remedy and examples, and every public check a rule or a reason."""

import copy
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from graphlib import TopologicalSorter
from importlib import import_module
from pkgutil import iter_modules
from typing import Any
from unittest.mock import Mock

import pytest
import yaml

from charts import dist
from constructs_lib import rules
from constructs_lib.errors import RuleError
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.workload import workloads
from constructs_lib.model import Manifest
from constructs_lib.rules import EXAMPLES, RULES, check_sets, page
from constructs_lib.rules.causes import EFFECTS
from constructs_lib.rules.model import Rendered, Rule, declared
from tests.conftest import manifest
from tests.mutants import platform, rendered, start
from tests.ops.review.edits import set_field

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
ROWS: dict[str, dict[str, Any]] = yaml.safe_load(EXAMPLES.read_text("utf-8"))


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
    assert {*declared(Rule, *modules)} == {*RULES}


def edited(item: Object, fields: Manifest) -> Object:
    """The object with other fields, as examples.yaml describes them."""
    content = copy.deepcopy(item.manifest)
    for path, value in fields.items():
        set_field(content, path, value)
    return Object.of(content, item.file)


def inputs(row: dict[str, Any], edit: Any) -> Iterator[Rendered]:
    """The objects of dist/ with an edit, once for each object that it applies to."""
    base = start()
    edits = edit if isinstance(edit, list) else [edit]
    if "object" not in row:
        files = [one for one in edits if isinstance(one, str)]
        added = [Object.of(one) for one in edits if isinstance(one, dict)]
        yield rendered([*base, *added], files=tuple(files))
    for place, item in enumerate(base) if "object" in row else ():
        kind, _, name = row["object"].partition(" ")
        if fnmatchcase(str(item.key), f"{kind} {name or '*'}"):
            yield rendered([*base[:place], edited(item, edit), *base[place + 1 :]])


def texts(rule: Rule, given: Rendered) -> Sequence[str]:
    return [violation.message for violation in rule.violations(given)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_reports_its_bad_example_and_accepts_its_good_one(rule: Rule) -> None:
    row = ROWS[rule.name]
    for bad, good in zip(inputs(row, row["bad"]), inputs(row, row["good"]), strict=True):
        if any(row["says"] in text for text in texts(rule, bad)):
            assert texts(rule, good) == []
            return
    pytest.fail(f"no object is reported: {row['bad']}")


def test_every_example_belongs_to_a_rule() -> None:
    assert ROWS.keys() == {rule.name for rule in RULES}


def test_causes_and_their_effects_are_rules_and_form_no_cycle() -> None:
    effects = {effect for of_cause in EFFECTS.values() for effect in of_cause}
    assert EFFECTS.keys() | effects <= {rule.name for rule in RULES}
    TopologicalSorter(EFFECTS).prepare()  # raises CycleError


def test_every_public_check_is_covered_by_rules_or_left_out_for_a_reason() -> None:
    assert check_sets().keys() == CHECKS.keys()
    for name, checks in check_sets().items():
        reasons = checks.get("left_out", {})
        covered = {check for checks in checks["covered"].values() for check in checks}
        left_out = [check for checks in reasons.values() for check in checks]
        assert checks.keys() <= {"title", "covered", "left_out"}, name
        assert checks["covered"].keys() <= {rule.name for rule in RULES}, name
        assert len(left_out) == len({*left_out} - covered), name
        assert len(covered) + len(left_out) == CHECKS[name], name
        assert all(reason.endswith(".") for reason in reasons), name


def test_the_page_shows_examples_counts_objects_and_lists_waivers() -> None:
    text = page(rendered(start()), [], platform().waivers)
    _, _, section = text.partition("\n### writable-root-filesystem\n")
    section, _, _ = section.partition("\n### ")
    assert f"{len(workloads(rendered(start()).objects))} objects" in section
    assert "bad: {container.securityContext.readOnlyRootFilesystem: false}\n" in section
    assert "### Pod Security Standard `restricted`\n\n18 of 18 checks are covered." in text
    for waiver in platform().waivers:
        assert " ".join(waiver.reason.split()) in text


def test_a_rule_about_several_objects_crashes_on_the_platform() -> None:
    unreadable = Object.of(manifest("networking.k8s.io/v1/NetworkPolicy", {}) | {"spec": "text"})
    objects = Rendered(Objects([unreadable]))
    rule = next(rule for rule in RULES if rule.name == "differing-on-eks")
    crashes: list[RuleError] = []
    assert list(rule.violations(objects, crashes)) == []
    assert [(crash.rule, crash.item) for crash in crashes] == [(rule.name, None)]
    with pytest.raises(RuleError, match=f"rule {rule.name} crashed on the platform"):
        list(rule.violations(objects))


def test_an_application_that_is_declared_twice_still_syncs_its_files() -> None:
    application = next(item for item in start() if item.kind == "Application")
    again = Object.of(copy.deepcopy(application.manifest), application.file)
    found = {one.check for one in rules.violations(rendered([*start(), again]))}
    assert "duplicate-object" in found
    assert "unsafe-sync-policy" not in found


def test_the_rules_run_once_per_synth(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Mock(wraps=rules.violations)
    monkeypatch.setattr("constructs_lib.kubernetes.app.violations", runs)
    dist.render()
    assert runs.call_count == 1
