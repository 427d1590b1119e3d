"""Any text that a person can type renders to the same value, or is refused with a clear message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from constructs_lib.errors import DeclarationError, PlatformError
from constructs_lib.kubernetes import App, Chart, Options, ScheduledJob
from constructs_lib.kubernetes.external_secret import SecretFiles
from constructs_lib.model import Egress, Host, HttpGet, Parameter, Pin, Probe, Resources
from tests.api_server import read
from tests.constructs_lib import declarations as base

_TOGETHER = 10
_EXAMPLES = 170
_SINGLE = 40
"""Examples of each prop alone; with 13 props and the examples above, 2,220 declarations."""


def _tried(examples: int) -> settings:
    """The same examples on every machine, however slow it is."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


_ODD = st.sampled_from(
    [
        *("0o17", "0B1", "1e3", ".5", "1_0", "yes", "null", "~", "<<", "2001-01-01", "0x1F", "-"),
        *("---", "--- a", "\n---\n", "...", "&a", "*a", "!!int 3", "# a", "a: b", "- a", "{a}"),
        *(
            "\x85",
            "\u2028",
            "\x7f",
            "\ufeff",
            "\t\na",
            " \n",
            "\r\n",
            "'",
            '"',
            "\\",
            "%",
            "@",
            "`",
        ),
    ]
)
_TEXT = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    st.text("01_.xoObBeE+-: #\n\t'\"", max_size=8),
    st.builds(lambda one, other: one + other, _ODD, _ODD),
    _ODD,
)


@st.composite
def _jobs(draw: st.DrawFn) -> list[dict[str, str]]:
    one = st.fixed_dictionaries(
        {"value": _TEXT, "argument": _TEXT, "content": _TEXT, "note": _TEXT}
    )
    return draw(st.lists(one, min_size=_TOGETHER, max_size=_TOGETHER))


@_tried(_EXAMPLES)
@given(_jobs())
def test_texts_of_a_declaration_are_read_as_they_were_typed(jobs: list[dict[str, str]]) -> None:
    app = App(replace(base.PLATFORM, hosts=(), parameters=(), images={"one": Pin("latest")}))
    chart = Chart(app, "chart", namespace="space")
    declared, refused = {}, []
    for place, job in enumerate(jobs):
        name = f"job-{place}"
        try:
            _declare(chart, name, job)
            declared[name] = job
        except DeclarationError as error:
            refused.append(str(error))
    text = next(iter(app.render().values()))
    objects = {(one["kind"], one["metadata"]["name"]): one for one in read(text) if one}
    assert len(objects) == len(app.snapshot().objects)
    assert all("secret" in one for one in refused)  # nothing else of a text is refused
    for name, job in declared.items():
        template = objects["CronJob", name]["spec"]["jobTemplate"]["spec"]["template"]
        container = template["spec"]["containers"][0]
        values = {one["name"]: one["value"] for one in container["env"]}
        config = next(one for (kind, _), one in objects.items() if _is_of(one, kind, name))
        assert values == {"A": job["value"]}
        assert container["args"] == [job["argument"]]
        assert template["metadata"]["annotations"]["example.org/note"] == job["note"]
        assert list(config["data"].values()) == [job["content"]]


def _declare(chart: Chart, name: str, job: dict[str, str]) -> None:
    program = replace(
        base.PROGRAM,
        image="one",
        env={"A": job["value"]},
        args=(job["argument"],),
        files={"/etc/app/app.conf": job["content"]},
    )
    options = Options(pod_annotations={"example.org/note": job["note"]})
    ScheduledJob(chart, name, program=program, schedule="0 2 * * *", options=options)


def _is_of(item: dict[str, Any], kind: str, name: str) -> bool:
    return kind == "ConfigMap" and item["metadata"]["labels"]["app"] == name


def _job(chart: Chart, **changes: Any) -> None:
    name = changes.pop("name", "one")
    schedule = changes.pop("schedule", "0 2 * * *")
    options = changes.pop("options", None)
    program = replace(base.ONE, **changes)
    ScheduledJob(chart, name, program=program, schedule=schedule, options=options)


_PROPS: dict[str, Callable[[Chart, str], Any]] = {
    "name": lambda chart, text: _job(chart, name=text),
    "schedule": lambda chart, text: _job(chart, schedule=text),
    "image": lambda chart, text: _job(chart, image=text),
    "variable": lambda chart, text: _job(chart, env={text: "b"}),
    "file": lambda chart, text: _job(chart, files={text: "b"}),
    "disk": lambda chart, text: _job(chart, scratch={text: "1Mi"}),
    "size": lambda chart, text: _job(chart, scratch={"/data": text}),
    "cpu": lambda chart, text: _job(
        chart, resources=Resources(cpu=(text, "1"), memory=("1Mi", "1Mi"))
    ),
    "parameter": lambda chart, text: SecretFiles(chart, "one", {"a": Parameter(text, "a", "b")}),
    "host": lambda chart, text: base.alb(chart, host=Host(text)),
    "path": lambda chart, text: base.web_service(chart, readiness=Probe(HttpGet(text))),
    "label": lambda chart, text: _job(chart, options=Options(labels={"example.org/a": text})),
    "annotation": lambda chart, text: _job(chart, options=Options(annotations={text: "a"})),
    "port": lambda chart, text: _job(chart, egress=(Egress((text,)),)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("prop", [*_PROPS])
@_tried(_SINGLE)
@given(text=_TEXT)
def test_a_text_in_any_prop_is_written_or_refused_by_name(prop: str, text: str) -> None:
    app = App(replace(base.PLATFORM, parameters=(), images={"one": Pin("latest")}))
    chart = Chart(app, "chart", namespace="space")
    try:
        _PROPS[prop](chart, text)
        files = app.render()
    except (DeclarationError, PlatformError) as error:
        refused = str(error).splitlines()
    else:
        refused = []
        (written,) = files.values()
        assert read(written) == app.snapshot().objects
    assert all(len(line) > len("refused") for line in refused)
