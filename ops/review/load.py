"""From files to objects: every document of dist/ and every entry of the stack's template."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import yaml

from constructs_lib.manifests.objects import Key, Object, Objects
from constructs_lib.model import Manifest
from ops.review.model import ReviewError
from ops.review.revisions import STACK, Revision
from ops.review.shapes import misshapen

STACK_GROUP = "cloudformation"
STACK_NAME = "SecretsStack"
MANIFESTS = (".yaml", ".yml", ".json")
"""The endings of the files that Argo CD reads."""
_DEEPEST = 500
"""How many levels a document may have; Kubernetes' own objects have some twenty."""
_MERGE = "tag:yaml.org,2002:merge"
_DOCUMENT = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_RESTORE = "restore it with `make synth`"
_FROM_GIT = "restore it from Git"


class Parsed(NamedTuple):
    """A manifest of a text."""

    line: int
    """Where it starts there, counted from 0."""
    manifest: Any
    problem: str | None
    """What is wrong with it, if anything is."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """As the API server reads YAML: a date is text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 as PyYAML declares it
        first: [(tag, form) for tag, form in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read(revision: Revision) -> Objects:
    """Every object of a revision.

    Raises ReviewError, naming file, line and revision, for what cannot be parsed, is no
    Kubernetes object, or stands there twice.
    """
    objects: dict[Key, Object] = {}
    for file, text in revision.files.items():
        for item in _objects(file, text, revision.name):
            twin = objects.setdefault(item.key, item)
            if twin is not item:
                raise ReviewError(
                    f"{item.key} stands twice at {revision.name}: {_place(twin)} and "
                    f"{_place(item)}; rename one, or remove it"
                )
    return Objects(objects.values())


def _objects(file: str, text: str, revision: str) -> Iterator[Object]:
    if file == STACK:
        yield from _stack(file, text, revision)
    elif PurePosixPath(file).suffix in MANIFESTS:
        first = 1
        for document in _split(text):
            try:
                manifests = _parse(document)
            except yaml.YAMLError as error:
                raise ReviewError(_complaint(error, file, first, revision)) from error
            except RecursionError as error:
                place = f"{file}:{first} at {revision}"
                raise ReviewError(f"{place}: it is nested too deeply; {_RESTORE}") from error
            for line, manifest, problem in manifests:
                if problem:
                    place = f"{file}:{first + line} at {revision}"
                    raise ReviewError(f"{place}: {problem}; {_RESTORE}")
                written = document.removeprefix("---").strip()
                yield Object(_key(manifest), manifest, file, first + line, written)
            first += document.count("\n")


def _split(text: str) -> Iterator[str]:
    """The documents of a file, each with the `---` before it; together they are the text."""
    if re.search(r"^%", text, re.MULTILINE):  # a directive belongs to the document after it
        yield text
        return
    starts = [0, *(match.start() for match in _DOCUMENT.finditer(text) if match.start())]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield text[start:end]


@cache
def _parse(document: str) -> tuple[Parsed, ...]:
    """The manifests of a document; one that both revisions share is parsed once."""
    _check_depth(document)
    loader = _Loader(document)
    loader.room = len(document)
    try:
        return tuple(_parsed(loader))
    finally:
        loader.dispose()


def _check_depth(document: str) -> None:
    """Refuse what is nested so deeply that reading it would end the interpreter."""
    if sum(map(document.count, "[{-?:")) < _DEEPEST:
        return
    depth = 0
    for event in yaml.parse(document, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise RecursionError


def _parsed(loader: Any) -> Iterator[Parsed]:
    while loader.check_node():
        node = loader.get_node()
        for manifest in _expanded(_content(loader, node)):
            yield Parsed(node.start_mark.line, manifest, misshapen(manifest))


def _content(loader: Any, node: yaml.Node) -> Any:
    """What a node holds; null is nothing, and a key that stands twice is an error.

    PyYAML's own way takes a third longer, and lets the second of two keys win. Every node takes
    a character at least, so that only aliases of aliases can be more than the document is long.
    """
    loader.room -= 1
    if loader.room < 0:
        problem = "its aliases stand for more than the whole document; write it without them"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
    match node.tag:
        case "tag:yaml.org,2002:str":
            return node.value
        case "tag:yaml.org,2002:map" if all(_is_plain(key) for key, _ in node.value):
            content = {key.value: _content(loader, inner) for key, inner in node.value}
            if len(content) < len(node.value):
                raise _twice(node)
            return {name: inner for name, inner in content.items() if inner is not None}
        case "tag:yaml.org,2002:seq":
            return [_content(loader, inner) for inner in node.value]
    return loader.construct_object(node, deep=True)


def _is_plain(key: yaml.Node) -> bool:
    return isinstance(key, yaml.ScalarNode) and key.tag != _MERGE


def _twice(node: yaml.Node) -> yaml.YAMLError:
    names = [key.value for key, _ in node.value]
    key = next(key for key, _ in node.value if names.count(key.value) > 1)
    problem = f"{key.value!r} stands here twice"
    return yaml.constructor.ConstructorError(None, None, problem, key.start_mark)


def _expanded(content: Any) -> list[Any]:
    """A List is its items; an empty document is nothing."""
    if isinstance(content, dict) and isinstance(content.get("items"), list):
        return list(content["items"])
    return [] if content is None else [content]


def _key(manifest: Manifest) -> Key:
    metadata = manifest["metadata"]
    group = manifest["apiVersion"].rpartition("/")[0]
    return Key(group, manifest["kind"], metadata.get("namespace") or "", metadata["name"])


def _stack(file: str, text: str, revision: str) -> Iterator[Object]:
    """Resources by their type, and the entries of every other section by its name."""
    try:
        template = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise ReviewError(f"{file}:{line} at {revision}: {error}; {_FROM_GIT}") from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise ReviewError(f"{file}:1 at {revision}: is no CloudFormation template; {_FROM_GIT}")
    for section, entries in template.items():
        named = entries if isinstance(entries, dict) else {section: entries}
        for name, entry in named.items():
            content = entry if isinstance(entry, dict) else {"Value": entry}
            kind = str(content.get("Type")) if section == "Resources" else section
            manifest = {"metadata": {"name": name}, **content}
            yield Object(Key(STACK_GROUP, kind, STACK_NAME, name), manifest, file, 1, "")


def _place(item: Object) -> str:
    return f"{item.file}:{item.line}"


def _complaint(error: yaml.YAMLError, file: str, first: int, revision: str) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = first + (mark.line if mark else 0)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{file}:{line} at {revision}: {problem}; {_RESTORE}"
