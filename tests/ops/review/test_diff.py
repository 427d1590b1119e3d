"""What a report shows of two values: always what differs."""

from typing import Any

import pytest

from ops.review.diff import ABSENT, contrast

ARN = "arn:aws:acm:eu-central-1:111122223333:certificate/11111111-2222-3333-4444-55555555555"
COMMIT = 40 * "a"
CONFIG = "server:\n  port: 80\n  log: info\n"


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (1, 2, "1 → 2"),
        (ABSENT, "a", "(none) → a"),
        ("a ", "a", "'a ' → a"),
        ("80", 80, "'80' → 80"),
        (["-a", "1", "-b", "2"], ["-a", "2", "-b", "1", "-v"],
         '["-a", "1", "-b", "2"] → ["-a", "2", "-b", "1", "-v"]'),
        (f"{ARN}1", f"{ARN}2", "…4-555555555551 → …4-555555555552"),
        ("a" * 50 + "b" + "c" * 50, "a" * 50 + "c" * 50,
         f"…{13 * 'a'}b{24 * 'c'}… → …{13 * 'a'}{25 * 'c'}…"),
        (f"sha-{COMMIT}", f"sha-{COMMIT[:-1]}b", f"…{14 * 'a'} → …{13 * 'a'}b"),
        (f"sha-{COMMIT}", f"sha-b{COMMIT[1:]}", "sha-aaaaaaa → sha-baaaaaa"),
        (["a", "b"], ["a", "c"], "+c, -b"),
        (["a"], ["a", "b"], "+b"),
        (["a", "b"], ["b", "a"], '["a", "b"] → ["b", "a"]'),
        ([f"{ARN}{at}" for at in range(9)], [f"{ARN}{at}" for at in range(8)], f"-{ARN[:39]}…"),
        ([f"{ARN}1", "a"], [f"{ARN}2", "a"], "+…4-555555555552, -…4-555555555551"),
        (list("abcde"), list("f"), "+f, -a, -b, -c and 2 more"),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}, "+b: 3, +c: 4, -b: 2"),
        (CONFIG, CONFIG.replace("info", "debug"), "+'  log: debug', -'  log: info'"),
        (CONFIG, f"{CONFIG}\n", "+''"),
    ],
)  # fmt: skip
def test_values_are_shown_from_where_they_differ(before: Any, after: Any, text: str) -> None:
    assert contrast(before, after, 40) == text


def test_nothing_is_cut_without_a_maximum() -> None:
    assert contrast(list(range(9)), [], 0) == ", ".join(f"-{number}" for number in range(9))
    assert contrast(f"{ARN}1", f"{ARN}2") == f"{ARN}1 → {ARN}2"
