"""Parse dist/ and the stack's template into objects."""

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
"""Suffixes of the files that Argo CD reads."""
_MAX_DEPTH = 250
"""Maximum nesting of a document; Kubernetes objects have about 20 levels."""
_MAX_NUMBER_LENGTH = 30
"""Maximum length of a number, in characters; the API server stores 64 bits."""
_TAG = "tag:yaml.org,2002:"
_DOCUMENT = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_RESTORE = "restore it with `make synth`"
_FROM_GIT = "restore it from Git"
_TOO_DEEP = "it is nested too deeply"


class Parsed(NamedTuple):
    """A manifest and its place in the document."""

    line: int
    """The first line, counted from 0."""
    manifest: Any
    problem: str | None
    """What is wrong with it, if anything."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads YAML as the API server does: a date is a string."""

    yaml_implicit_resolvers = {  # noqa: RUF012 as PyYAML declares it
        first: [(tag, form) for tag, form in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    nodes_left = 0
    """How many more nodes the document may have."""

    def count(self, node: yaml.Node) -> None:
        """Count a node. A document has at most one node per character, unless it nests aliases."""
        self.nodes_left -= 1
        if self.nodes_left < 0:
            problem = "its aliases expand to more than the whole document; write it without aliases"
            raise _error(node, problem)


def read(revision: Revision) -> Objects:
    """Every object of a revision.

    Raises ReviewError with file, line and revision for a document that cannot be parsed or is not
    a Kubernetes object, and for duplicates.
    """
    objects: dict[Key, Object] = {}
    for file, text in revision.files.items():
        for item in _objects(file, text, revision.name):
            first = objects.setdefault(item.key, item)
            if first is not item:
                raise ReviewError(
                    f"duplicate object {item.key} at {revision.name}: {_place(first)} and "
                    f"{_place(item)}; rename or remove one"
                )
    return Objects(objects.values())


def of_cluster(objects: Iterable[Object]) -> Iterator[Object]:
    """The objects without those of the stack."""
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
                offset, why = _locate(error)
                place = f"{file}:{first + offset} at {revision}"
                raise ReviewError(f"{place}: {why}; {_RESTORE}") from error
            for line, manifest, problem in manifests:
                if problem:
                    place = f"{file}:{first + line} at {revision}"
                    raise ReviewError(f"{place}: {problem}; {_RESTORE}")
                written = document.removeprefix("---").strip()
                yield Object(_key(manifest), manifest, file, first + line, written)
            first += document.count("\n")


def _split(text: str) -> Iterator[str]:
    """The documents of a file, each with the `---` before it."""
    if re.search(r"^%", text, re.MULTILINE):  # a directive applies to the next document
        yield text
        return
    starts = [0, *(match.start() for match in _DOCUMENT.finditer(text) if match.start())]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield text[start:end]


@cache
def _parse(document: str) -> tuple[Parsed, ...]:
    """The manifests of a document; cached, because the revisions share most documents."""
    _check_depth(document)
    loader = _Loader(document)
    loader.nodes_left = len(document)
    try:
        return tuple(_parsed(loader))
    finally:
        loader.dispose()


def _check_depth(document: str) -> None:
    """Reject nesting that would crash the interpreter.

    Few documents have enough brackets, dashes and colons for that; counting them is fast.
    """
    if sum(map(document.count, "[{-?:")) < 2 * _MAX_DEPTH:
        return
    depth = 0
    for event in yaml.parse(document, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise RecursionError


def _parsed(loader: Any) -> Iterator[Parsed]:
    while loader.check_node():
        node = loader.get_node()
        for manifest in _expanded(_content(loader, node)):
            yield Parsed(node.start_mark.line, manifest, misshapen(manifest))


def _content(loader: Any, node: yaml.Node) -> Any:
    """The value of a node, without nulls. A duplicate key is an error.

    PyYAML takes a third longer, and lets the second of two keys win.
    """
    loader.count(node)
    match node:
        case yaml.ScalarNode(tag="tag:yaml.org,2002:str"):
            return node.value
        case yaml.MappingNode(tag="tag:yaml.org,2002:map") if all(map(_is_plain, node.value)):
            content = {key.value: _content(loader, inner) for key, inner in node.value}
            if len(content) < len(node.value):
                raise _duplicate(node)
            return {name: inner for name, inner in content.items() if inner is not None}
        case yaml.SequenceNode(tag="tag:yaml.org,2002:seq"):
            return [_content(loader, inner) for inner in node.value]
    return _constructed(loader, node)


def _constructed(loader: Any, node: yaml.Node) -> Any:
    """The value of a number, of a mapping with merge keys, or of another tag, by PyYAML."""
    _check_size(loader, node)
    try:
        return loader.construct_object(node, deep=True)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _error(node, f"not a valid !!{node.tag.removeprefix(_TAG)}") from error


def _check_size(loader: Any, node: yaml.Node) -> None:
    """Count the nodes that PyYAML would construct, and reject numbers that are slow to parse."""
    if isinstance(node, yaml.CollectionNode):
        pairs = isinstance(node, yaml.MappingNode)
        for inner in chain.from_iterable(node.value) if pairs else node.value:
            loader.count(inner)
            _check_size(loader, inner)
    elif node.tag in (f"{_TAG}int", f"{_TAG}float") and len(node.value) > _MAX_NUMBER_LENGTH:
        raise _error(node, f"a number of {len(node.value)} characters is too long for 64 bits")


def _is_plain(pair: tuple[yaml.Node, yaml.Node]) -> bool:
    key = pair[0]
    return isinstance(key, yaml.ScalarNode) and key.tag != f"{_TAG}merge"


def _duplicate(node: yaml.Node) -> yaml.YAMLError:
    names = [key.value for key, _ in node.value]
    key = next(key for key, _ in node.value if names.count(key.value) > 1)
    return _error(key, f"duplicate key {key.value!r}")


def _error(node: yaml.Node, problem: str) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _expanded(content: Any) -> list[Any]:
    """The manifest, or the items of a List. An empty document has no manifest."""
    if isinstance(content, dict) and isinstance(content.get("items"), list):
        return list(content["items"])
    return [] if content is None else [content]


def _key(manifest: Manifest) -> Key:
    metadata = manifest["metadata"]
    group = manifest["apiVersion"].rpartition("/")[0]
    return Key(group, manifest["kind"], metadata.get("namespace") or "", metadata["name"])


def _stack(file: str, text: str, revision: str) -> Iterator[Object]:
    """Resources with their type as kind, and entries of other sections with the section's name."""
    try:
        template = json.loads(text)
        _check_levels(template)
        json.dumps(template, ensure_ascii=False).encode("utf-8")  # rejects lone surrogates
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        problem = error if isinstance(error, ValueError) else _TOO_DEEP
        raise ReviewError(f"{file}:{line} at {revision}: {problem}; {_FROM_GIT}") from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise ReviewError(f"{file}:1 at {revision}: not a CloudFormation template; {_FROM_GIT}")
    for section, entries in template.items():
        named = entries if isinstance(entries, dict) else {section: entries}
        for name, entry in named.items():
            content = entry if isinstance(entry, dict) else {"Value": entry}
            kind = str(content.get("Type")) if section == "Resources" else section
            manifest = {"metadata": {"name": name}, **content}
            yield Object(Key(STACK_GROUP, kind, STACK_NAME, name), manifest, file, 1, "")


def _check_levels(content: Any, left: int = _MAX_DEPTH) -> None:
    if left < 0:
        raise RecursionError
    inside = content.values() if isinstance(content, dict) else content
    for inner in inside if isinstance(content, dict | list) else ():
        _check_levels(inner, left - 1)


def _place(item: Object) -> str:
    return f"{item.file}:{item.line}"


def _locate(error: yaml.YAMLError | RecursionError) -> tuple[int, str]:
    """The line in the document, counted from 0, and the problem."""
    if isinstance(error, RecursionError):
        return 0, _TOO_DEEP
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return mark.line if mark else 0, problem
