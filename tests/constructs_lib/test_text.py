"""The API server reads strings as declared."""

from itertools import product
from unicodedata import category

import pytest

from constructs_lib.errors import PlatformError
from constructs_lib.kubernetes.app import to_yaml
from constructs_lib.manifests.text import quoted
from tests.constructs_lib import declarations as base
from tests.kubernetes_yaml import read

# Strings that sigs.k8s.io/yaml 1.4 misreads as written by the YAML library of cdk8s.
MISREAD = [
    *("0o17", "0O17", "0B1", "+0B1", "-0o7", "0X1E", "0X_F", "0o1_7", "0_x9", "1E_7", "9E1_"),
    *("+_.7", "+_79", "-_0.", "a\x85b", "\u2028", "a\u2029b", "\x7f", "a\x80", "\x9f"),
    *("\ufeffa", " \n", "\t\na", "\n\tB", "\n\t_"),
]
ORDINARY = [
    *("yes", "No", "null", "~", "1", "1.5", "0x1F", "017", "1_000", ".inf", "2001-01-01", "<<"),
    *("", " ", "a: b", "a #b", "- a", "---", "...", "&a", "*a", "!!str a", "%a", "{a}", "it's"),
    *('"', "\\", "\\n", "a\nb\n", "a\n\n", "a\tb", "\r\n", "\x1b[0m", "é", "😀", "\u200b"),
    *("text-in-quotes-0-", "text-in-quotes-7-0o17", "__proto__", "constructor", "$jsii.map"),
    "1.2.3.4",
]


@pytest.mark.parametrize("text", [*MISREAD, *ORDINARY], ids=ascii)
def test_a_string_is_read_as_declared(text: str) -> None:
    item = {"value": text, "list": [text, "0o17"], text or "key": "value"}
    assert read(to_yaml([item])) == [item]


@pytest.mark.parametrize("sign", ["a", "a b ", "\n", "\x85", "a\x85 b"])
@pytest.mark.parametrize("length", [80, 1_000, 1_024, 1_025, 5_000])
def test_a_long_string_is_read_as_declared(sign: str, length: int) -> None:
    text = sign * (length // len(sign))
    item = {"value": text, text: "value", "list": [{"name": text, "value": text}]}
    assert read(to_yaml([item])) == [item]


@pytest.mark.parametrize(
    ("alphabet", "length"),
    [("a0 :-#\n\t'\".", 3), ("01_x.eo+-", 4), ("aA\x01\x1f\x7f\x85\xa0\u2028\ufeff\uffff\r\n", 3)],
    ids=ascii,
)
def test_every_short_string_is_read_as_declared(alphabet: str, length: int) -> None:
    texts = ["".join(signs) for signs in product(alphabet, repeat=length)]
    item = {"list": texts, **dict.fromkeys(texts, "value")}
    assert read(to_yaml([item])) == [item]


def test_a_quoted_scalar_is_one_printable_line() -> None:
    every = "".join(map(chr, range(1, 0x100)))
    written = quoted(every)
    assert not any(category(sign) == "Cc" for sign in written)
    assert read(f"a: {written}\n") == [{"a": every}]


@pytest.mark.parametrize(
    ("value", "message"),
    [("a\0b", "contains U+0000 (NUL)"), ("\ud800", "contains U+D800 (a surrogate)")],
)
def test_an_impossible_character_is_rejected_with_its_field(value: str, message: str) -> None:
    chart, web = base.accepted()
    web.deployment.merge({"metadata": {"annotations": {"a": value}}})
    (problem,) = base.refusals(chart)
    assert "Deployment space/one" in problem
    assert f"metadata.annotations.a: {message}" in problem


@pytest.mark.parametrize("number", [2**53 + 1, float("inf"), float("nan"), 1e300])
def test_a_number_that_would_change_is_rejected(number: float) -> None:
    chart, web = base.accepted()
    web.deployment.merge({"spec": {"revisionHistoryLimit": number}})
    with pytest.raises(PlatformError, match=r"spec.revisionHistoryLimit: .* write it as a string"):
        base.app_of(chart).render()
