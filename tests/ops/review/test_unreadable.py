"""Broken files lead to an error or a finding, never to `No change`."""

import random
import re
from collections.abc import Iterator
from copy import deepcopy
from time import process_time
from typing import Any

import pytest
import yaml

from tests.ops.review.edits import Files, rendered, review, said

FILE = "crawlers/nebula.k8s.yaml"
ONE = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\n"
_DEEP = 200_000
_LONG = 5_000 * "9"
BOMB = [
    "a0: &a0 {x: y}",
    *(f"a{level}: &a{level} [{', '.join(10 * [f'*a{level - 1}'])}]" for level in range(1, 11)),
]
MERGES = [line.replace(" [", " {<<: [").replace("]", "]}") for line in BOMB]
ALIASES = "its aliases expand to more than the whole document"


def edited(old: str, new: str) -> str:
    text, count = re.subn(old, new, rendered()[FILE])
    assert count, f"{FILE} has no {old!r}"
    return text


def with_file(text: str) -> Files:
    return {**rendered(), FILE: text}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{ONE}---\na: [", f"dist/{FILE}:7: did not find expected node content"),
        ("a: b: c", f"dist/{FILE}:1: mapping values are not allowed"),
        (f"{ONE}---\n{ONE}  name: two\n", f"dist/{FILE}:9: duplicate key 'name'"),
        (f"{ONE}---\n- a\n- b\n", f"dist/{FILE}:6: it is not a mapping"),
        (f"{ONE}---\nkind: Service\n", f"dist/{FILE}:6: apiVersion is missing"),
        (ONE.replace("one", "''"), "metadata.name: '' must be a string that is not empty"),
        (ONE.replace("one", "7"), "metadata.name is not a string"),
        (f"{ONE}---\n{ONE}", "duplicate object ConfigMap one; rename or remove one"),
        (rendered()[FILE].replace("replicas: 1", "replicas: one"), "is not an integer"),
        ("!!python/object:os.system {}", "could not determine a constructor"),
        (f"{ONE}data:\n  ? [a]\n  : b\n", f"dist/{FILE}:6: found unhashable key"),
        (ONE + "\n".join(BOMB), f"dist/{FILE}:5: {ALIASES}"),
        (ONE + "\n".join(["<<: {}", *BOMB]), ALIASES),
        (ONE + "\n  ".join(["data:", "<<: {}", *BOMB]), ALIASES),
        (ONE + "\n- ".join(["data: !!omap", *BOMB]), ALIASES),
        (ONE + "\n".join(MERGES), f"dist/{FILE}:5: {ALIASES}"),
        (f"{ONE}data: &self\n  again: *self\n", f"dist/{FILE}:5: {ALIASES}"),
        (f"{ONE}data: &self\n  <<: *self\n", f"dist/{FILE}:5: {ALIASES}"),
        (f"{ONE}data: {_DEEP * '['}{_DEEP * ']'}", f"dist/{FILE}:1: it is nested too"),
        (f"{ONE}data: {_DEEP * '{a: '}{_DEEP * '}'}", "it is nested too deeply"),
        (f"{ONE}data: {_DEEP * '[{name: a, x: '}", "it is nested too deeply"),
        (f"{ONE}data: {249 * '[{name: a, x: '}1{249 * '}]'}", "it is nested too deeply"),
        (f"{ONE}data:\n{_DEEP * '- '}x", "it is nested too deeply"),
        (f"{ONE}data: {_LONG}\n", f"dist/{FILE}:5: a number of 5000 characters is too"),
        (f"{ONE}data: 0x{_LONG}\n", "a number of 5002 characters"),
        (f"{ONE}data: 1{_DEEP * ':1'}\n", "a number of 400001 characters"),
        (f"{ONE}data: {{<<: {{a: 1{_DEEP * ':1'}.5}}}}\n", "a number of 400003 characters"),
        (f"{ONE}data: !!int x\n", f"dist/{FILE}:5: not a valid !!int"),
        (f"{ONE}data: !!bool x\n", "not a valid !!bool"),
        (f"{ONE}data: !!timestamp x\n", "not a valid !!timestamp"),
        (f"{ONE}data: !!str [x]\n", "expected a scalar node, but found sequence"),
        (f"{ONE}data: !!seq x\n", "expected a sequence node, but found scalar"),
        (f"{ONE}data: !!map [x]\n", "expected a mapping node, but found sequence"),
        (edited(r"cpu: 250m", "cpu: 1e999999"), "requests.cpu: '1e999999' must be a quantity"),
        (edited(r"cpu: 250m", "cpu: 1.0e+999999"), "requests.cpu is not a number or a string"),
        (edited(r"cpu: 250m", f"cpu: '{_LONG}'"), "must be a quantity such as"),
        (edited(r"cpu: 250m", f"cpu: '{_LONG[:41]}'"), "must be a quantity such as"),
        (edited(r"  replicas: 1", f"  replicas: 0x{_LONG}"), "a number of 5002 characters"),
    ],
)  # fmt: skip
def test_a_broken_file_is_reported_with_its_line_and_soon(text: str, message: str) -> None:
    start = process_time()
    report = review({FILE: ONE}, {FILE: text})
    problems = [f.text.replace("cannot be compared", f.key.name) for f in report.findings]
    assert any(message in problem for problem in problems)
    assert "or restore them with `make synth template`" in str(report.incomplete)
    assert process_time() - start < 2


FEW = f"{ONE}other:\n  a: &a {{b: [c, 'a text', {{d: e}}]}}\n  f: *a\n"
LEVELS = f"  g: {99 * '[{name: a, x: '}1{99 * '}]'}\n"
FOREIGN = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata:\n  name: one\n"
KRUISE = (
    "apiVersion: apps.kruise.io/v1\nkind: DaemonSet\nmetadata: {name: one}\n"
    "spec: {template: {spec: {containers: [{name: one, image: one:1}]}}}\n"
)


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        pytest.param(FEW, FEW + LEVELS, "unknown ConfigMap one", id="a few levels and aliases"),
        pytest.param(f"{ONE}data:\n  a: '1'\n  b: '2'\n",
                     f"{ONE}data:\n  <<: {{a: '1', b: '1'}}\n  b: '2'\n",
                     "noise File dist/one.yaml", id="a merged key"),
        pytest.param(FOREIGN, f"{FOREIGN}  labels:\n    a: b\nspec:\n  type: LoadBalancer\n",
                     "unknown Service one", id="a kind of another API group is not ours"),
        pytest.param(KRUISE, KRUISE.replace("one:1", "other:1"),
                     "unknown DaemonSet one", id="the pods of such a kind are unknown"),
    ],
)  # fmt: skip
def test_unusual_files_are_compared(before: str, after: str, finding: str) -> None:
    assert said(review({"one.yaml": before}, {"one.yaml": after})) == {*finding.split(", ")}


def test_the_rest_of_a_file_is_compared() -> None:
    path = "crawlers/beacon-indexer.k8s.yaml"
    text, count = re.subn("schedule: .*", "schedule: often", rendered()[path])
    broken = {**rendered(), path: text.replace("backoffLimit: 3", "backoffLimit: 4")}
    for sides, where in (((rendered(), broken), ""), ((broken, rendered()), " (at before)")):
        texts = [f"{f.key.kind}: {f.text}" for f in review(*sides).findings]
        refused = [text for text in texts if text.startswith("File: cannot be compared: CronJob")]
        assert len(refused) == count
        assert refused[0].endswith(f"must be a cron schedule of five fields{where}")
        assert any("backoffLimit" in text for text in texts)
        assert not any("is deleted" in text for text in texts)


def test_a_document_that_is_broken_at_both_revisions_is_reported() -> None:
    broken = with_file("a: b: c")
    assert said(review(broken, broken)) == {f"unknown File dist/{FILE}:1"}


def test_an_empty_file_is_read_as_one_without_objects() -> None:
    report = review(rendered(), with_file("# nothing is left\n---\n"))
    assert {finding.risk for finding in report.findings if finding.key.name == "nebula"} == {
        "delete"
    }


@pytest.mark.parametrize("seed", range(3))
def test_any_value_of_a_field_leads_to_an_error_or_a_report(seed: int) -> None:
    chosen = random.Random(seed)  # noqa: S311 reproducible
    files = {path: text for path, text in rendered().items() if path.endswith(".yaml")}
    for _ in range(60):
        path = chosen.choice(sorted(files))
        former = list(yaml.load_all(files[path], Loader=yaml.CSafeLoader))
        objects = deepcopy(former)
        chosen.choice(list(_fields(objects)))(chosen.choice(_CONTENTS))
        text = yaml.dump_all(objects, Dumper=yaml.CSafeDumper)
        pair = {path: files[path]}, {path: text}
        if objects != former:
            for before, after in (pair, pair[::-1]):
                assert review(before, after).findings, f"{path} {text}"


_CONTENTS: tuple[Any, ...] = (
    "text",
    7,
    -3.5,
    True,
    None,
    [],
    {},
    ["x"],
    [None],
    {"a": "b"},
    [{"a": "b"}],
)


def _fields(content: Any) -> Iterator[Any]:
    """For every field, a function that sets another value."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for name, inner in list(pairs):
        yield lambda value, name=name: content.__setitem__(name, deepcopy(value))
        if isinstance(inner, dict | list):
            yield from _fields(inner)
