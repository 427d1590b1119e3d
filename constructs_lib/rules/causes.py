"""One message for a mistake: the objects that it is in, and what may follow from it."""

import tomllib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from constructs_lib.errors import one_line
from constructs_lib.manifests.objects import Object
from constructs_lib.rules.model import Problem, Violation

EFFECTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
"""The rules that a mistake may also violate, by the rule that reports its cause."""
_Place = tuple[str, tuple[str, str]]
"""A rule, and a file in dist/ and a line."""
_NOWHERE = ("", "")


class _Mistake(NamedTuple):
    """What a rule finds in an object, or in several together, with one remedy."""

    rule: str
    remedy: str | None
    name: str
    """The object; empty for several."""
    places: tuple[tuple[str, str], ...]
    """The file in dist/ and the declaring line of each object; _NOWHERE without objects."""
    text: str = ""
    objects: tuple[str, ...] = ()
    """The name of each object."""

    def __str__(self) -> str:
        lines = ", ".join(dict.fromkeys(line for _, line in self.places))
        text = "; ".join(filter(None, (self.text, self.remedy)))
        return ": ".join(filter(None, (lines, self.name, f"{text} [{self.rule}]")))


def messages(
    violations: Iterable[Violation], locate: Callable[[Object], tuple[str, str]]
) -> Iterator[str]:
    """A message for each mistake, in the order of the rules.

    The same mistake in several objects is one. Below it are its EFFECTS in the same file, if the
    same line declares them, and (as it may be in a loop) their names start alike; an effect without
    objects may be of any cause. `locate` returns the declaring line of an object, and its name.
    """
    mistakes = _mistakes(violations, locate)
    known: dict[_Place, list[_Mistake]] = defaultdict(list)
    for one in mistakes:
        for place in {*one.places, _NOWHERE}:
            known[one.rule, place].append(one)
    effects: dict[_Mistake, list[_Mistake]] = defaultdict(list)
    for one in mistakes:
        effects[_cause(one, known)].append(one)
    for first, *others in _alike(one for one in mistakes if one in effects):
        lines = [str(first)]
        names: dict[str, list[str]] = defaultdict(list)
        for one in others:
            names[one.places[0][1]].append(one.name)
        lines += [f"  likewise {line}: {', '.join(of_line)}" for line, of_line in names.items()]
        all_effects = (it for one in (first, *others) for it in effects[one] if it is not one)
        for effect, *more in _alike(all_effects):
            also = "".join(f", {one.name}" for one in more)
            lines.append(f"  may follow from it: {effect}{also and f'; likewise{also[1:]}'}")
        yield "\n".join(map(one_line, lines))


def _mistakes(
    violations: Iterable[Violation], locate: Callable[[Object], tuple[str, str]]
) -> list[_Mistake]:
    problems: dict[_Mistake, list[Problem]] = defaultdict(list)
    for found in violations:
        places = [(item.file, locate(item)[0]) for item in found.problem.about] or [_NOWHERE]
        name = locate(found.object)[1] if found.object else ""
        subject = _Mistake(found.check, found.problem.remedy, name, tuple(places))
        problems[subject].append(found.problem)
    return [
        one._replace(
            text=", ".join(dict.fromkeys(problem.text for problem in parts)),
            objects=tuple(item.name for problem in parts for item in problem.about),
        )
        for one, parts in problems.items()
    ]


def _cause(one: _Mistake, known: Mapping[_Place, list[_Mistake]]) -> _Mistake:
    """The mistake that another may follow from; itself if there is none."""
    for rule, effects in EFFECTS.items():
        for place in one.places if one.rule in effects else ():
            for cause in known.get((rule, place), ()):
                if _are_related(one.objects, cause.objects):
                    return _cause(cause, known)
    return one


def _are_related(some: Sequence[str], others: Sequence[str]) -> bool:
    """Whether objects may be of one construct; a mistake without objects may be of any."""
    pairs = [(one, other) for one in some for other in others]
    return not pairs or any(a.startswith(b) or b.startswith(a) for a, b in pairs)


def _alike(mistakes: Iterable[_Mistake]) -> Iterable[list[_Mistake]]:
    """The mistakes with the same text and remedy together."""
    groups: dict[Hashable, list[_Mistake]] = defaultdict(list)
    for one in mistakes:
        groups[one.rule, one.remedy, one.text].append(one)
    return groups.values()
