"""Compare two revisions object by object and field by field."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from os.path import commonprefix
from typing import Any, Literal

from constructs_lib.errors import one_line
from constructs_lib.manifests.facts import STACK_GROUP
from constructs_lib.manifests.network import ALB
from constructs_lib.manifests.objects import GROUPS, POD_TEMPLATES, Key, Object, Objects
from constructs_lib.manifests.references import stored
from constructs_lib.manifests.workload import Workload
from constructs_lib.model.quantity import amount, seconds
from ops.review.model import listed

State = Literal["added", "changed", "removed"]
ANY_STATE: tuple[State, ...] = ("added", "changed", "removed")
TEMPLATE: dict[str, tuple[str, ...]] = {
    kind: path for (_, kind), path in POD_TEMPLATES.items() if path
}
"""The path of the pod template, by kind."""
PODS = tuple(TEMPLATE)
"""The kinds with a pod template."""
NOTHING = Object(Key("", "", "", ""), {"metadata": {}})
"""In place of an object that does not exist; has no fields."""
ABSENT: Any = object()
"""The value of a missing field."""
Path = tuple[str, ...]
_PLAIN = re.compile(r"[\w-]+")
_MOST_PARTS = 3
"""How many gains and how many losses of a long value are listed."""
_COMMIT = re.compile(r"\b([0-9a-f]{7})[0-9a-f]{33}\b")
ORDER = "[order]"
"""The last step of a path if only the order of a list differs."""

_NAMES = "name mountPath secretKey secretRef.name configMapRef.name host path containerPort port"
_ITEM_NAMES = [tuple(name.split(".")) for name in (*_NAMES.split(), "topologyKey", "type")]
"""The fields that identify an item of a list."""
_QUANTITIES = {"requests", "limits", "hard", "default", "defaultRequest", "sizeLimit"}
_DURATIONS = {"refreshInterval", "duration", "maxDuration"}
_OPTIONS = {
    "syncOptions",
    *(f"argocd.argoproj.io/{of}-options" for of in ("compare", "sync")),
    *(f"{ALB}{of}-attributes" for of in ("load-balancer", "target-group")),
}
"""Lists of options such as `Prune=false,Delete=false`, which are compared one by one."""


@dataclass(frozen=True, eq=False)
class Difference:
    """One field that differs; ABSENT on the side that lacks it."""

    path: Path
    """Field names; `[<name>]` for an item of a list."""
    before: Any
    after: Any
    item: Path = ()
    """The path of the item of a list that contains it, if the whole item is new or removed."""

    def __str__(self) -> str:
        return spell(self.path)

    def below(self, *prefix: str) -> bool:
        """Whether the difference is at that path or below."""
        return self.path[: len(prefix)] == prefix

    def values(self, longest: int = 0) -> str:
        """The field before and after, as `contrast`."""
        return contrast(self.before, self.after, longest)


def spell(path: Path) -> str:
    """A path as text: `spec.containers[api].image`."""
    steps = (
        step if step.startswith("[") else f".{step}" if _PLAIN.fullmatch(step) else f"[{step}]"
        for step in map(one_line, path)
    )
    return "".join(steps).removeprefix(".")


def shown(content: Any) -> str:
    """A value on one line."""
    if content is ABSENT:
        return "(none)"
    if isinstance(content, str):
        is_plain = content and content.strip() == content and content.isprintable()
        return content if is_plain else repr(content)
    return json.dumps(content, ensure_ascii=False, default=str)


def contrast(before: Any, after: Any, longest: int = 0) -> str:
    """How two values differ: `old → new`, or what a list, mapping or text of several lines gains
    and loses: `+new, -old`.

    `longest` is the maximum length of each value or part; longer ones start where they differ.
    0: no maximum.
    """
    old, new = _parts(before, after)
    gained, lost = ([one for one in new if one not in old], [one for one in old if one not in new])
    kept = [[one for one in side if one not in (*gained, *lost)] for side in (old, new)]
    is_moved = isinstance(before, list) and kept[0] != kept[1]
    if is_moved or not (gained or lost):  # another order, repeated parts, or one value
        whole = shown(before), shown(after)
        if whole[0] == whole[1]:  # a text and a number
            whole = repr(before), repr(after)
        return " → ".join(_cut(text, [whole[1 - at]], longest) for at, text in enumerate(whole))
    parts = (
        [f"{sign}{_cut(text, others, longest)}" for text in texts]
        for sign, texts, others in (("+", gained, lost), ("-", lost, gained))
    )
    most = _MOST_PARTS if longest else len(old) + len(new)
    return ", ".join(listed(texts, most) for texts in parts if texts)


def _parts(before: Any, after: Any) -> Iterable[list[str]]:
    """The parts of two values of the same type; none if they are compared as a whole."""
    sides = before, after
    match sides:
        case list(), list():
            return ([shown(item) for item in side] for side in sides)
        case dict(), dict():
            return ([f"{name}: {shown(item)}" for name, item in side.items()] for side in sides)
        case str(), str() if "\n" in before + after:
            return ([shown(line) for line in side.splitlines()] for side in sides)
    return [], []


def _cut(text: str, others: Sequence[str], longest: int) -> str:
    """The part of a text from where it differs from all others, with what is before it if short."""
    if not longest:
        return text
    short = _COMMIT.sub(r"\1", text)
    if short not in (_COMMIT.sub(r"\1", other) for other in others):
        text = short
    if len(text) <= longest:
        return text
    alike = max((len(commonprefix([text, o])) for o in others), default=0)  # noqa: RUF071 of texts
    start = max(0, alike - longest // 3)
    end = start + longest - 1 - bool(start)
    return f"{'…' if start else ''}{text[start:end]}{'…' if text[end:] else ''}"


@dataclass(frozen=True, eq=False)
class Change:
    """An object that is new, removed, or differs."""

    before: Object
    """NOTHING if it is new."""
    after: Object
    """NOTHING if it is removed."""
    differences: tuple[Difference, ...] = ()
    """None if it is new or removed."""

    @property
    def object(self) -> Object:
        """The object after the change; a removed one, before it."""
        return self.before if self.after is NOTHING else self.after

    @property
    def key(self) -> Key:
        return self.object.key

    @property
    def state(self) -> State:
        if self.before is NOTHING:
            return "added"
        return "removed" if self.after is NOTHING else "changed"

    @property
    def workloads(self) -> tuple[Workload, Workload]:
        """Both sides, of an object with a pod template."""
        return Workload.read(self.before), Workload.read(self.after)

    @property
    def template(self) -> Path:
        """The path of its pod template."""
        return TEMPLATE[self.key.kind]

    def brief(self, path: Path) -> str:
        """The path of one of its fields, without the steps to the pod spec."""
        pod = (*self.template, "spec") if self.key.kind in TEMPLATE else ()
        return spell(path[len(pod) :] if path[: len(pod)] == pod else path)

    def at(self, *prefix: str) -> tuple[Difference, ...]:
        """The differences at that path or below."""
        return tuple(field for field in self.differences if field.below(*prefix))

    def among(self, *paths: Path) -> tuple[Difference, ...]:
        """The differences at one of these paths or below."""
        fields = (field for path in paths for field in self.at(*path))
        return tuple(dict.fromkeys(fields))


class Comparison:
    """The objects of two revisions, and their changes."""

    def __init__(
        self, before: Objects, after: Objects, *, stored: bool = False, path: str | None = None
    ) -> None:
        """Compare two revisions.

        Args:
            before: Objects of the base.
            after: Objects of the head.
            stored: Whether both come from an API server, with its defaults.
            path: The compared path, of manifests of others; None: dist/ of this project.
        """
        self.before, self.after, self.stored = before, after, stored
        self.path = path
        self.folder = "the repository" if path == "." else path or "dist/"
        old, new = before.objects, after.objects
        changes = [
            Change(old[key], item, differences)
            for key, item in new.items()
            if key in old and (differences := tuple(compare(old[key].manifest, item.manifest)))
        ]
        changes += [Change(NOTHING, item) for key, item in new.items() if key not in old]
        changes += [Change(item, NOTHING) for key, item in old.items() if key not in new]
        self.changes = {change.key: change for change in changes}
        """Changed, then new, then removed objects."""

    def changed(
        self, kinds: Sequence[str], states: Sequence[State] = ("changed",), source: str = ""
    ) -> list[Change]:
        """The objects of some kinds in some states; all, if an object of kind `source` changes."""
        changes = self.changes.items()
        found = {key: one for key, one in changes if one.state in states and _is_of(key, kinds)}
        if source and any(_is_of(key, [source]) for key in self.changes):
            old = self.before.objects
            same = (one for one in self.after.of_kinds(*kinds) if one.key in old)
            found = {one.key: Change(old[one.key], one) for one in same} | found
        return list(found.values())

    def change_of(self, key: Key) -> Change:
        """The change of an object, without differences if it has none."""
        return self.changes.get(key, Change(NOTHING, NOTHING))

    def of_template(self, workload: Workload) -> tuple[Difference, ...]:
        """The differences of its pod template."""
        return self.change_of(workload.key).at(*TEMPLATE[workload.kind])


def _is_of(key: Key, kinds: Sequence[str]) -> bool:
    """Whether an object has one of these kinds, and not one of the same name in another group."""
    if key.group == STACK_GROUP:
        return STACK_GROUP in kinds
    return key.kind in kinds and GROUPS.get(key.kind, key.group) == key.group


def compare(before: Any, after: Any, path: Path = ()) -> Iterator[Difference]:
    """Every field in which two values differ, unless the API server stores both alike."""
    before = ABSENT if before is None else before
    after = ABSENT if after is None else after
    if before is after or (isinstance(before, str) and before == after):
        return
    if path and path[-1] in _OPTIONS:
        before, after = map(_options, (before, after))
    old = _empty(after) if before is ABSENT else before
    new = _empty(before) if after is ABSENT else after
    if isinstance(old, dict) and isinstance(new, dict):
        for name in {**old, **new}:
            yield from compare(stored(old, name), stored(new, name), (*path, str(name)))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _compare_lists(old, new, Difference(path, before, after))
    elif _as_stored(before, path) != _as_stored(after, path):
        yield Difference(path, before, after)


def _options(entries: Any) -> Any:
    """The value of each option, or `set`; all values of one that is stated several times."""
    entries = entries.split(",") if isinstance(entries, str) else entries
    if not isinstance(entries, list):
        return entries
    options: dict[str, str] = {}
    for entry in entries:
        name, _, value = str(entry).strip().partition("=")
        options[name] = " and ".join(filter(None, (options.get(name), value or "set")))
    return options


def _empty(other: Any) -> Any:
    """What to compare with a field that the other side lacks; one that is empty has no fields."""
    return type(other)() if other and isinstance(other, dict | list) else ABSENT


def _compare_lists(old: list[Any], new: list[Any], whole: Difference) -> Iterator[Difference]:
    """Compare items with the same name; without names, items at the same place."""
    path, are_mappings = whole.path, all(isinstance(item, dict) for item in (*old, *new))
    names = _ITEM_NAMES if are_mappings else ()
    field = next((f for f in names if _identifies(f, old) and _identifies(f, new)), None)
    if field:
        formers, items = ({_name(item, field): item for item in value} for value in (old, new))
    elif are_mappings and len(old) == len(new):
        formers, items = ({str(at): item for at, item in enumerate(v)} for v in (old, new))
    else:
        if old != new:
            yield whole
        return
    gone, added = [n for n in formers if n not in items], [n for n in items if n not in formers]
    for former, name in zip(gone, added, strict=False):
        if field == ("name",) and formers[former] | {"name": name} == items[name]:
            yield Difference((*path, f"[{former}]", "name"), former, name)
            del formers[former], items[name]
    for name in dict.fromkeys([*formers, *items]):
        former, item = (named.get(name, ABSENT) for named in (formers, items))
        if field and ABSENT in (former, item):  # the path has its name
            former, item = (_unnamed(one, field) for one in (former, item))
        own = (*path, f"[{name}]")
        for difference in compare(former, item, own):
            yield replace(difference, item=own) if ABSENT in (former, item) else difference
    was, now = ([n for n in names if n in formers and n in items] for names in (formers, items))
    if was != now:
        decides = path[-1:] == ("envFrom",) or (path[-1:] == ("env",) and "$(" in str(new))
        yield Difference(path if decides else (*path, ORDER), was, now)


def _identifies(field: Path, items: list[Any]) -> bool:
    """Whether a field has a different value in each item of a list."""
    names = {_name(item, field) for item in items}
    return "" not in names and len(names) == len(items)


def _name(item: Any, field: Path) -> str:
    for name in field:
        item = item.get(name) if isinstance(item, dict) else None
    return str(item) if isinstance(item, str | int) else ""


def _unnamed(item: Any, field: Path) -> Any:
    if item is ABSENT or len(item) == 1:
        return item
    return {name: content for name, content in item.items() if (name,) != field}


def _as_stored(value: Any, path: Path) -> object:
    """What the API server stores, to compare: External Secrets v1 stores `1h` as `1h0m0s`."""
    if _QUANTITIES.intersection(path):
        with suppress(ValueError):
            return amount(str(value))
    if path and path[-1] in _DURATIONS:
        with suppress(ValueError):
            return seconds(value)
    return type(value), value
