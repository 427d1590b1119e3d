"""A waiver without a reason, a date or a matching finding is rejected with its line."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from constructs_lib.errors import DeclarationError
from constructs_lib.model import waivers
from constructs_lib.model.waivers import Waiver
from tests.constructs_lib import declarations as base

_VALID = """\
# test

[[waiver]]
checks = ["writable-root-filesystem"]
objects = ["Deployment space/*"]
reason = "A test"
expires = 2999-01-01
"""
_WRITABLE = Waiver(
    checks=["writable-root-filesystem"],
    objects=["Deployment space/one"],
    reason="A test",
    expires=date(2999, 1, 1),
    where="catalogue/waivers.toml:3",
)


def render(*accepted: Waiver, writable: bool = True) -> list[str]:
    """The problems of a web service with a writable root file system."""
    chart, web = base.accepted(waivers=accepted)
    context = {"name": "one", "securityContext": {"readOnlyRootFilesystem": not writable}}
    web.deployment.merge({"spec": {"template": {"spec": {"containers": [context]}}}})
    return base.refusals(chart)


def test_a_violation_names_lines_object_remedy_and_rule() -> None:
    (problem,) = render()
    assert re.sub(r"\d+", "1", problem) == (
        "tests/constructs_lib/declarations.py:1: Deployment space/one (changed at "
        "tests/constructs_lib/test_waivers.py:1): container one can write to its root file system; "
        "set securityContext.readOnlyRootFilesystem: true, and mount a volume to write to "
        "[writable-root-filesystem]"
    )


def test_a_waiver_accepts_only_its_violation() -> None:
    assert render(_WRITABLE) == []
    elsewhere = replace(_WRITABLE, objects=["Deployment space/two"])
    assert len(render(elsewhere)) == 2  # the violation, and the unused waiver


@pytest.mark.parametrize(
    ("waiver", "writable", "problem"),
    [
        (
            _WRITABLE,
            False,
            "writable-root-filesystem has no findings that this waiver covers; remove it",
        ),
        (replace(_WRITABLE, expires=date(2020, 1, 1)), True, "expired on 2020-01-01"),
        (
            replace(_WRITABLE, checks=["checkov:CKV_1"], expires=date(2020, 1, 1)),
            False,
            "the waiver of checkov:CKV_1 expired on 2020-01-01",
        ),
        (
            replace(_WRITABLE, checks=["root-is-readonly"]),
            False,
            "root-is-readonly has no findings that this waiver covers",
        ),
        (
            replace(_WRITABLE, objects=["Deployment space/one", "Job *"]),
            True,
            "no findings for Job *; remove the pattern",
        ),
    ],
)
def test_an_unused_waiver_is_rejected(waiver: Waiver, *, writable: bool, problem: str) -> None:
    found = render(waiver, writable=writable)
    assert any(problem in one and "catalogue/waivers.toml:3" in one for one in found), found


def test_a_file_is_read_with_the_lines_of_its_waivers(tmp_path: Path) -> None:
    file = tmp_path / "waivers.toml"
    file.write_text(_VALID)
    (waiver,) = waivers.read(file)
    assert (waiver.where, waiver.expires) == (f"{tmp_path.name}/waivers.toml:3", date(2999, 1, 1))
    assert waiver.covers("writable-root-filesystem", "Deployment space/one")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('reason = "A test"\n', "", "Waiver requires reason"),
        ('"A test"', '" "', "Waiver.reason: ' ' is empty; write checks, objects and a reason"),
        ("expires = 2999-01-01\n", "", "Waiver requires expires"),
        ("2999-01-01", '"soon"', "Waiver.expires must be a date such as 2027-11-30"),
        ("2999-01-01", "2999-01-01T00:00:00", "Waiver.expires must be a date"),
        ('["writable-root-filesystem"]', "[]", "has no checks or no objects; remove it"),
        ('["Deployment space/*"]', "[1]", "Waiver.objects[0] must be a string, not the number 1"),
        ("reason", "because", "Waiver has no prop 'because'; "),
        ("expires", 'where = "here"\nexpires', "has no field 'where'"),
        ("[[waiver]]", "[waiver]", "write each waiver as a table [[waiver]]"),
        ("[[waiver]]", "[[waver]]", "unknown table 'waver'"),
        ("checks = [", "checks = ", "cannot be read (Expected newline"),
    ],
)
def test_an_invalid_waiver_is_rejected(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = tmp_path / "waivers.toml"
    file.write_text(_VALID.replace(old, new))
    with pytest.raises(DeclarationError) as raised:
        waivers.read(file)
    assert message in str(raised.value)
    assert "waivers.toml" in str(raised.value)
