"""Parse dist/ and the stack's template into objects."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import yaml

from constructs_lib.manifests.facts import STACK_GROUP
from constructs_lib.manifests.objects import Key, Object, Objects, is_identified
from constructs_lib.manifests.schema import unreadable
from ops.review.model import ReviewError
from ops.review.revisions import MANIFESTS, STACK, Revision

STACK_NAME = "SecretsStack"
_MAX_DEPTH = 250
"""Maximum nesting of a document; Kubernetes objects have about 20 levels."""
_MAX_NUMBER_LENGTH = 30
"""Maximum length of a number, in characters; the API server stores 64 bits."""
_TAG = "tag:yaml.org,2002:"
_PLAIN = {
    yaml.ScalarNode: f"{_TAG}str",
    yaml.SequenceNode: f"{_TAG}seq",
    yaml.MappingNode: f"{_TAG}map",
}
"""The tag of nodes whose value PyYAML need not construct."""


_RESOLVER = yaml.resolver.Resolver()
_RESOLVER.yaml_implicit_resolvers = {
    first: [one for one in resolvers if not one[0].endswith((":timestamp", ":value"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads YAML as the API server does: a date is a string, and a duplicate key is an error."""

    resolve = staticmethod(cache(_RESOLVER.resolve))
    """The tag of a node; cached, because most scalars are one of a few names of fields."""

    def __init__(self, document: str) -> None:
        super().__init__(document)
        self.nodes_left = len(document)
        """A document has at most one node per character, unless it nests aliases."""

    def manifests(self) -> Iterator[tuple[int, Any]]:
        """Each manifest, and each item of a List, with its line, counted from 0."""
        while self.check_node():
            node = self.get_node()
            content = self.content(node)
            if content is None:  # an empty document
                continue
            items = content.get("items") if isinstance(content, dict) else None
            for manifest in items if isinstance(items, list) else [content]:
                if problem := _problem(manifest):
                    raise _error(node, problem)
                yield node.start_mark.line, manifest

    def content(self, node: yaml.Node) -> Any:
        """The value of a node. PyYAML's constructor takes a third longer."""
        self.nodes_left -= 1
        if self.nodes_left < 0:
            problem = "its aliases expand to more than the whole document; write it without aliases"
            raise _error(node, problem)
        content = node.value
        if isinstance(node, yaml.MappingNode):
            content = self._mapping(node)
        elif isinstance(node, yaml.SequenceNode):
            content = [self.content(inner) for inner in node.value]
        if node.tag == _PLAIN[type(node)]:
            return content
        if node.tag in (f"{_TAG}int", f"{_TAG}float") and len(content) > _MAX_NUMBER_LENGTH:
            raise _error(node, f"a number of {len(content)} characters is too long for 64 bits")
        try:
            return self.construct_object(node, deep=True)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise _error(node, f"not a valid !!{node.tag.removeprefix(_TAG)}") from error

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        """The fields of a mapping, without nulls."""
        keys: dict[str, yaml.Node] = {}
        fields: dict[str, Any] = {}
        for key, inner in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _error(key, "found unhashable key")
            if key.value in keys:
                raise _error(keys[key.value], f"duplicate key {key.value!r}")
            keys[key.value] = key
            fields[key.value] = self.content(inner)
        if "<<" in keys and keys["<<"].tag == f"{_TAG}merge":
            merged = fields.pop("<<")
            for others in merged if isinstance(merged, list) else [merged]:
                if not isinstance(others, dict):
                    raise _error(node, "expected a mapping or list of mappings for merging")
                fields = {**others, **fields}
        return {name: content for name, content in fields.items() if content is not None}


def _problem(manifest: Any) -> str | None:
    """Why other modules cannot read a manifest, after its name; None if they can."""
    if not isinstance(manifest, dict):
        return "it is not a mapping"
    problem = next(unreadable(manifest), None)
    if problem and is_identified(manifest):
        return f"{Object.of(manifest).key}: {problem}"
    return problem


def _error(node: yaml.Node, problem: str) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def read(revision: Revision) -> Objects:
    """Every object of a revision.

    A document that cannot be parsed or is not a Kubernetes object, and a duplicate, is left out and
    added to `unread`.
    """
    objects: dict[Key, Object] = {}
    duplicates = set()
    for file, text in revision.files.items():
        is_stack = file == STACK and not revision.path
        for item in _objects_in(file, text, revision.unread, is_stack=is_stack):
            first = objects.setdefault(item.key, item)
            if first is not item:
                duplicates.add(item.key)
                places = (f"{one.file}:{one.line}" for one in (first, item))
                problem = f"duplicate object {item.key}; rename or remove one"
                revision.unread.update(dict.fromkeys(places, problem))
    return Objects(item for key, item in objects.items() if key not in duplicates)


def read_all(revision: Revision) -> Objects:
    """Every object of a revision. Raises ReviewError if a document cannot be read."""
    objects = read(revision)
    for place, problem in revision.unread.items():
        raise ReviewError(f"{place} at {revision.name}: {problem}; run `make synth template`")
    return objects


def of_cluster(objects: Iterable[Object]) -> Iterator[Object]:
    """The objects without those of the stack."""
    return (item for item in objects if item.key.group != STACK_GROUP)


def _objects_in(
    file: str, text: str, unread: dict[str, str], *, is_stack: bool
) -> Iterator[Object]:
    """The objects of a file. Adds what it cannot read to `unread`."""
    if not file.endswith(MANIFESTS):
        return
    first = 1
    for document in [text] if is_stack else _split(text):
        try:
            if is_stack:
                yield from _of_stack(document)
                continue
            for line, manifest in _parse(document):
                yield Object.of(manifest, file, first + line)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
            line = first + mark.line if mark else getattr(error, "lineno", first)
            problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
            if isinstance(error, RecursionError):
                problem = "it is nested too deeply"
            advice = "; if it is a template, render it" if "{{" in document else ""
            unread.setdefault(f"{file}:{line}", f"{problem}{advice}")
        first += document.count("\n")


def _split(text: str) -> list[str]:
    """The documents of a file, each with the `---` before it."""
    if text.startswith("%") or "\n%" in text:  # a directive applies to the next document
        return [text]
    # a line break is found ten times as fast as `^`
    starts = (found.start() + 1 for found in re.finditer(r"\n---(?=\s|$)", text))
    return [text[start:end] for start, end in pairwise((0, *starts, len(text)))]


@cache
def _parse(document: str) -> list[tuple[int, Any]]:
    """The manifests of a document; cached, because the revisions share most documents."""
    # deeper nesting crashes the interpreter; few documents have enough of these to check it
    if sum(map(document.count, "[{-?:")) >= 2 * _MAX_DEPTH:
        depth = 0
        for event in yaml.parse(document, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                raise RecursionError
    return list(_Loader(document).manifests())


def _of_stack(text: str) -> Iterator[Object]:
    """Resources with their type as kind, and entries of other sections with the section's name."""
    template = json.loads(text)
    indented = json.dumps(template, ensure_ascii=False, indent=1)
    indented.encode("utf-8")  # rejects lone surrogates
    if f"\n{_MAX_DEPTH * ' '}" in indented:
        raise RecursionError
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise ValueError("not a CloudFormation template")  # noqa: TRY004 reported like the others
    for section, entries in template.items():
        for name, entry in (entries if isinstance(entries, dict) else {section: entries}).items():
            content = entry if isinstance(entry, dict) else {"Value": entry}
            if not isinstance(content.get("Properties"), dict | None):
                raise ValueError(f"the Properties of {name} are not a mapping")  # noqa: TRY004
            kind = str(content.get("Type")) if section == "Resources" else section
            manifest = {"metadata": {"name": name}, **content}
            yield Object(Key(STACK_GROUP, kind, STACK_NAME, name), manifest, STACK, 1)
