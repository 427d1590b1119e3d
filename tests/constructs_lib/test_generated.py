"""Any string is rendered unchanged or rejected with a clear message."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import cdk8s
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from constructs_lib.errors import DeclarationError, PlatformError, explain
from constructs_lib.kubernetes import App, Chart, Options, Platform, WebService
from constructs_lib.model import Egress, Host, HttpGet, Parameter, Pin, Probe
from tests.constructs_lib import declarations as base
from tests.kubernetes_yaml import read

_EXAMPLES = 84
"""Examples per prop, so that there are more than 2,000 in all."""
_ODD = st.sampled_from(
    [
        *("0o17", "0B1", "1e3", ".5", "1_0", "yes", "null", "~", "<<", "2001-01-01", "0x1F", "-"),
        *("---", "--- a", "\n---\n", "...", "&a", "*a", "!!int 3", "# a", "a: b", "- a", "{a}"),
        *("\x85", "\u2028", "\x7f", "\ufeff", "\t\na", " \n", "\r\n", "\x1b[0m", "'", '"', "\\"),
        *("%", "@", "`", "|", ">", "?", ": ", " #", "\u202e", "😀", "\uffff", "a" * 1_025),
    ]
)
_TEXT = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    st.text("01_.xoObBeE+-: #\n\t'\"", max_size=8),
    st.builds(lambda one, other: one + other, _ODD, _ODD),
    _ODD,
)
_IMPOSSIBLE = st.sampled_from(["\0", "\ud800", "/a\0", "a\udfff\n"])


def _platform(*images: str, **changes: Any) -> Platform:
    pins = {image: Pin("latest") for image in images}
    return replace(base.PLATFORM, **{"hosts": (), "parameters": (), "images": pins, **changes})


def _web(chart: Chart, **changes: Any) -> WebService:
    return base.web_service(chart, program=base.ONE, **changes)


def _native(chart: Chart, note: str) -> cdk8s.ApiObject:
    metadata = cdk8s.ApiObjectMetadata(name="one", annotations={"example.org/a": note})
    return cdk8s.ApiObject(chart, "one", api_version="v1", kind="ConfigMap", metadata=metadata)


@dataclass(frozen=True)
class _Prop:
    """A prop that accepts a string."""

    valid: str
    """A valid value."""
    declare: Callable[[Chart, str], object]
    platform: Callable[[str], Platform] = field(default=lambda _: _platform("one"))
    """A platform on which only the string can be invalid."""


def _of_a_web_service(valid: str, declare: Callable[[Chart, str], object]) -> _Prop:
    return _Prop(valid, declare, lambda _: _platform("one", hosts=base.PLATFORM.hosts))


def _of_a_job(valid: str, props: Callable[[str], dict[str, Any]]) -> _Prop:
    minimal = partial(base.scheduled_job, program=base.ONE)
    return _Prop(valid, lambda chart, text: minimal(chart, **props(text)))


def _of_a_program(valid: str, props: Callable[[str], dict[str, Any]]) -> _Prop:
    return _of_a_job(valid, lambda text: {"program": replace(base.ONE, **props(text))})


def _merged(annotations: Callable[[str], dict[str, str]]) -> _Prop:
    def declare(chart: Chart, text: str) -> None:
        _web(chart).deployment.merge({"metadata": {"annotations": annotations(text)}})

    return _of_a_web_service("0o17", declare)


def _parameter(path: str) -> Parameter:
    return Parameter(path, "One", "two")


_PROPS = {
    "name": _Prop("one", lambda chart, text: base.scheduled_job(chart, text, program=base.ONE)),
    "schedule": _of_a_job("0 2 * * *", lambda text: {"schedule": text}),
    "image": _of_a_program("one", lambda text: {"image": text}),
    "variable": _of_a_program("A_B", lambda text: {"env": {text: "b"}}),
    "value": _of_a_program("0o17", lambda text: {"env": {"A": text}}),
    "argument": _of_a_program("0o17", lambda text: {"args": (text,)}),
    "command": _of_a_program("0o17", lambda text: {"command": (text,)}),
    "content": _of_a_program("0o17", lambda text: {"files": {"/etc/a": text}}),
    "file": _of_a_program("/etc/one.toml", lambda text: {"files": {text: "b"}}),
    "disk": _of_a_program("/data", lambda text: {"scratch": {text: "1Mi"}}),
    "size": _of_a_program("2Mi", lambda text: {"scratch": {"/data": text}}),
    "cpu": _of_a_program(
        "100m", lambda text: {"resources": replace(base.RESOURCES, cpu=(text, "1"))}
    ),
    "parameter": replace(
        _of_a_program("/one/two/three", lambda text: {"secrets": {"A": _parameter(text)}}),
        platform=lambda text: _platform("one", parameters=(_parameter(text).path,)),
    ),
    "host": _Prop(
        "two.example.org",
        lambda chart, text: _web(chart, ingress=replace(base.ALB, host=Host(text))),
        lambda text: _platform("one", hosts=(Host(text).fqdn,)),
    ),
    "path": _of_a_web_service(
        "/0o17: a #b", lambda chart, text: _web(chart, readiness=Probe(HttpGet(text)))
    ),
    "port name": _of_a_web_service("http-2", lambda chart, text: _web(chart, ports={text: 9090})),
    "label": _of_a_job("0o17", lambda text: {"options": Options(labels={"example.org/a": text})}),
    "annotation": _of_a_job("0o17", lambda text: {"options": Options(annotations={text: "a"})}),
    "note": _of_a_job("0o17", lambda text: {"options": Options(pod_annotations={"a": text})}),
    "port": _of_a_program(
        "",
        lambda text: {"egress": (Egress((text,)),)},  # type: ignore[arg-type]
    ),
    "merged value": _merged(lambda text: {"a": text}),
    "merged key": _merged(lambda text: {text: "a"}),
    "native": _Prop("0o17", _native, lambda _: _platform()),
    "native patch": _Prop(
        "0o17",
        lambda chart, text: _native(chart, "a").add_json_patch(
            cdk8s.JsonPatch.add("/data", {"a": text})
        ),
        lambda _: _platform(),
    ),
}
_FREE_TEXT = ("value", "argument", "command", "content", "note", "merged value", "native")
"""Props that reject only characters that are impossible everywhere."""


@pytest.mark.parametrize("prop", [*_PROPS])
def test_a_string_in_any_prop_is_rendered_or_rejected(prop: str) -> None:
    tried: list[str] = []

    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(text=st.one_of(_TEXT, _TEXT, _TEXT, _IMPOSSIBLE))
    def declare(text: str) -> None:
        tried.append(text)
        _check(prop, text)

    declare()
    assert len(tried) >= _EXAMPLES
    assert _check(prop, _PROPS[prop].valid) != (prop == "port")  # a port is not a string


def _check(prop: str, text: str) -> bool:
    """Whether the string is accepted. If so, it must be rendered unchanged."""
    try:
        app = App(_PROPS[prop].platform(text))
        _PROPS[prop].declare(Chart(app, "chart", namespace="space"), text)
        (written,) = app.render().values()
    except (DeclarationError, PlatformError) as error:
        problems = error.problems if isinstance(error, PlatformError) else (explain(error),)
        assert all(_is_clear(one, text) for one in problems), problems
        assert prop not in _FREE_TEXT or "cannot be passed to a process" in problems[0]
        return False
    content = app.files().objects
    assert read(written) == content
    assert text in (*_texts(content), "")  # an empty string may mean the default
    return True


def _is_clear(problem: str, text: str) -> bool:
    """Whether the message is one line with the error and the construct, object or line."""
    places = ("chart/one", "space/one", "tests/constructs_lib/")
    shown = (repr(text), "cannot be passed to a process", "patch directive", "not the string")
    return "\n" not in problem and _any_in(places, problem) and _any_in(shown, problem)


def _any_in(words: Iterable[str], text: str) -> bool:
    return any(word in text for word in words)


def _texts(content: Any) -> Iterator[str]:
    match content:
        case str():
            yield content
        case dict():
            for key, value in content.items():
                yield from (key, *_texts(value))
        case list():
            for one in content:
                yield from _texts(one)
