"""The three formats of a report, with any values."""

import html
import io
import json
import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import jsonschema
import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from ops.review.formats import LIMIT, to_json, to_markdown
from ops.review.report import Report
from ops.review.revisions import RawDiff, raw_diff
from ops.review.terminal import to_terminal
from tests.bench.services import app
from tests.conftest import ROOT
from tests.ops.review.cases import CASES
from tests.ops.review.edits import Edit, Files, editing, rendered, review, together, unchanged

NASTY = "a|b ```x``` ` </details> <script>alert(1)</script> @team [x](y) *z* \\\\| ~~~"


@cache
def many() -> Files:
    """315 objects of 45 services."""
    return app(45).render()


def changed_everywhere(files: Files) -> Files:
    """Every object with another label, every pod with another variable."""
    return {
        path: text.replace("part-of: gnosis-analytics", "part-of: other").replace(
            'value: "1"', f"value: '{NASTY}'"
        )
        for path, text in files.items()
    }


def comment(report: Report, limit: int = LIMIT) -> str:
    diff = raw_diff(report.base, report.head)
    return to_markdown(report, diff, full="in the artifact", limit=limit)


def page(text: str) -> str:
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))


def screen(report: Report, *, whole_diff: bool = False) -> str:
    console = Console(file=io.StringIO(), width=80, highlight=False)
    to_terminal(report, raw_diff(report.base, report.head), console, whole_diff=whole_diff)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


REPORTS: dict[str, tuple[Callable[[], Files], Edit]] = {
    "no change": (rendered, unchanged),
    "noise": (rendered, editing({"write cluster/aws-ssm": {r"\A": "# the store\n"}})),
    "a pin": (rendered, editing({"pin cerebro-api": "sha-a"})),
    "nasty values": (rendered, editing({"write cerebro/cerebro-api": {'"300"': f"'{NASTY}'"}})),
    "everything": (many, changed_everywhere),
    "the first commit": (dict, lambda _: rendered()),
}


@pytest.fixture(params=REPORTS)
def report(request: pytest.FixtureRequest) -> Report:
    files, edit = REPORTS[request.param]
    return review(files(), edit(files()))


def test_markdown_is_a_valid_comment_on_github(report: Report) -> None:
    text = comment(report)
    assert len(text.encode("utf-16-le")) // 2 <= 65_536
    assert text.splitlines()[0] == "<!-- ops review -->"
    shown = page(text)
    assert shown.count("<details>") == shown.count("</details>") == shown.count("<summary>")
    assert "<script>" not in shown
    cells = {row.count("<t") for row in re.findall(r"<tr>(.*?)</tr>", shown, re.DOTALL)}
    assert cells <= {4, 5}  # of the findings, and of the capacity
    assert not re.search(r"@team", re.sub(r"<code.*?</code>", "", shown, flags=re.DOTALL))


def test_markdown_shows_values_as_they_are() -> None:
    shown = page(comment(review(rendered(), REPORTS["nasty values"][1](rendered()))))
    assert (
        f"<code>300 → {html.escape(NASTY.replace(chr(92) * 2, chr(92)), quote=False)}"
        in shown.replace("&quot;", '"')
    )


@pytest.mark.parametrize("limit", [2_000, 5_000, 20_000, LIMIT])
def test_what_does_not_fit_is_counted_and_linked(limit: int) -> None:
    text = comment(review(many(), changed_everywhere(many())), limit)
    assert len(text) <= limit
    assert re.search(r"Does not fit into a comment: .+ Full report: in the artifact\n$", text)
    assert page(text).count("<details>") == page(text).count("</details>")


def test_a_report_that_fits_is_whole() -> None:
    report = review(rendered(), REPORTS["a pin"][1](rendered()))
    assert "Does not fit" not in comment(report)
    assert raw_diff(report.base, report.head).text in comment(report)


def test_json_is_as_documented(report: Report) -> None:
    guide = (ROOT / "docs" / "review.md").read_text("utf-8")
    (schema,) = re.findall(r"```json\n(.*?)```", guide, re.DOTALL)
    text = to_json(report, raw_diff(report.base, report.head))
    jsonschema.validate(json.loads(text), json.loads(schema))


def test_json_is_complete() -> None:
    report = review(many(), changed_everywhere(many()))
    content = json.loads(to_json(report, RawDiff("", 0, 0, 0)))
    assert len(content["objects"]) == 315
    assert len(content["findings"]) == len(report.findings)


def test_a_terminal_shows_80_columns(report: Report) -> None:
    lines = screen(report).splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(" ".join(lines).split()).startswith(report.verdict)
    assert "\x1b" not in "".join(lines)


def test_a_terminal_shows_the_worst_first_and_the_diff_last() -> None:
    edit = editing({"write cerebro/cerebro-api": {"replicas: 2": "replicas: 0", '"300"': '"600"'}})
    shown = screen(review(rendered(), edit(rendered())), whole_diff=True)
    order = [
        "High risk",
        "High ─",
        "stops: runs no pods",
        "Low ─",
        "Capacity at",
        "dist/cerebro",
        "diff --git",
    ]
    assert all(shown.index(one) < shown.index(other) for one, other in pairwise(order))


def test_what_is_alike_for_many_objects_of_others_is_shown_once() -> None:
    (case,) = (case for case in CASES if case.name == "path change many objects of an unknown kind")
    (group,) = review(case.base(rendered()), case.edit(rendered()), case.path).groups
    assert group.objects == "Gadget a, b, c, d"
    assert group.sentence == "effect unknown: spec.size, spec.mode [effect-unknown]"


OPEN = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "open"}}
UNPROTECTED = editing({"add cluster/namespace-cerebro.k8s.yaml": [OPEN]})


@pytest.mark.parametrize(
    ("edit", "verdict"),
    [
        (unchanged, "No change between before and after."),
        (REPORTS["noise"][1],
         "No effect on the cluster between before and after: 1 object without effect."),
        (REPORTS["a pin"][1], "Low risk: 2 pods restarted, 1 image changed."),
        (REPORTS["nasty values"][1], "Medium risk: 2 pods restarted, 1 object updated in place."),
        (UNPROTECTED, "High risk: 1 object that could be deleted, "),
        (editing({"write cluster/aws-ssm": {"Prune=false,Delete=false": "Delete=false"}}),
         "High risk: 1 object that could be deleted"),
        (together(UNPROTECTED, editing({"PersistentVolumeClaim crawlers/ip-crawler": None})),
         "High risk: 1 object removed, 1 object that could be deleted, "),
    ],
)  # fmt: skip
def test_the_verdict_is_one_line(edit: Edit, verdict: str) -> None:
    assert review(rendered(), edit(rendered())).verdict.startswith(verdict)
