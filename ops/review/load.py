"""From files to objects: every document of dist/ and every entry of the stack's template."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
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
_DEEPEST = 250
"""How many levels a document may have; Kubernetes' own objects have some twenty."""
_LONGEST_NUMBER = 30
"""How many characters a number may have; the API server's have 64 bits."""
_TAG = "tag:yaml.org,2002:"
_DOCUMENT = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_RESTORE = "restore it with `make synth`"
_FROM_GIT = "restore it from Git"
_TOO_DEEP = "it is nested too deeply"


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
    room = 0
    """How many more nodes the document may have."""

    def take(self, node: yaml.Node) -> None:
        """Count a node. Each is a character at least: more can only be aliases of aliases."""
        self.room -= 1
        if self.room < 0:
            problem = "its aliases stand for more than the whole document; write it without them"
            raise _refused(node, problem)


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


def of_cluster(objects: Iterable[Object]) -> Iterator[Object]:
    """Those that Argo CD syncs; the others are of the stack."""
    return (item for item in objects if item.key.group != STACK_GROUP)


def _objects(file: str, text: str, revision: str) -> Iterator[Object]:
    if file == STACK:
        yield from _stack(file, text, revision)
    elif PurePosixPath(file).suffix in MANIFESTS:
        first = 1
        for document in _split(text):
            try:
                manifests = _parse(document)
            except (yaml.YAMLError, RecursionError) as error:
                below, why = _told(error)
                place = f"{file}:{first + below} at {revision}"
                raise ReviewError(f"{place}: {why}; {_RESTORE}") from error
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
    """Refuse what is nested so deeply that reading it would end the interpreter.

    Most documents have too few brackets, dashes and colons for that; counting them is quick.
    """
    if sum(map(document.count, "[{-?:")) < 2 * _DEEPEST:
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

    PyYAML's own way takes a third longer, and lets the second of two keys win.
    """
    loader.take(node)
    match node:
        case yaml.ScalarNode(tag="tag:yaml.org,2002:str"):
            return node.value
        case yaml.MappingNode(tag="tag:yaml.org,2002:map") if all(map(_is_plain, node.value)):
            content = {key.value: _content(loader, inner) for key, inner in node.value}
            if len(content) < len(node.value):
                raise _twice(node)
            return {name: inner for name, inner in content.items() if inner is not None}
        case yaml.SequenceNode(tag="tag:yaml.org,2002:seq"):
            return [_content(loader, inner) for inner in node.value]
    return _constructed(loader, node)


def _constructed(loader: Any, node: yaml.Node) -> Any:
    """What PyYAML makes of a number, of a mapping that merges others, and of other tags."""
    _weigh(loader, node)
    try:
        return loader.construct_object(node, deep=True)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _refused(node, f"it is no !!{node.tag.removeprefix(_TAG)}") from error


def _weigh(loader: Any, node: yaml.Node) -> None:
    """Count what PyYAML would put together, and refuse a number that it would compute for long."""
    if isinstance(node, yaml.CollectionNode):
        pairs = isinstance(node, yaml.MappingNode)
        for inner in chain.from_iterable(node.value) if pairs else node.value:
            loader.take(inner)
            _weigh(loader, inner)
    elif node.tag in (f"{_TAG}int", f"{_TAG}float") and len(node.value) > _LONGEST_NUMBER:
        raise _refused(node, f"a number of {len(node.value)} characters is more than 64 bits hold")


def _is_plain(pair: tuple[yaml.Node, yaml.Node]) -> bool:
    key = pair[0]
    return isinstance(key, yaml.ScalarNode) and key.tag != f"{_TAG}merge"


def _twice(node: yaml.Node) -> yaml.YAMLError:
    names = [key.value for key, _ in node.value]
    key = next(key for key, _ in node.value if names.count(key.value) > 1)
    return _refused(key, f"{key.value!r} stands here twice")


def _refused(node: yaml.Node, problem: str) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


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
        _check_levels(template)
        json.dumps(template, ensure_ascii=False).encode("utf-8")  # half a character is none
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        problem = error if isinstance(error, ValueError) else _TOO_DEEP
        raise ReviewError(f"{file}:{line} at {revision}: {problem}; {_FROM_GIT}") from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise ReviewError(f"{file}:1 at {revision}: is no CloudFormation template; {_FROM_GIT}")
    for section, entries in template.items():
        named = entries if isinstance(entries, dict) else {section: entries}
        for name, entry in named.items():
            content = entry if isinstance(entry, dict) else {"Value": entry}
            kind = str(content.get("Type")) if section == "Resources" else section
            manifest = {"metadata": {"name": name}, **content}
            yield Object(Key(STACK_GROUP, kind, STACK_NAME, name), manifest, file, 1, "")


def _check_levels(content: Any, left: int = _DEEPEST) -> None:
    if left < 0:
        raise RecursionError
    inside = content.values() if isinstance(content, dict) else content
    for inner in inside if isinstance(content, dict | list) else ():
        _check_levels(inner, left - 1)


def _place(item: Object) -> str:
    return f"{item.file}:{item.line}"


def _told(error: yaml.YAMLError | RecursionError) -> tuple[int, str]:
    """The line in the document, counted from 0, and what is wrong there."""
    if isinstance(error, RecursionError):
        return 0, _TOO_DEEP
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return mark.line if mark else 0, problem
