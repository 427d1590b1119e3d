"""What the API server reads of a text: not always what a YAML library wrote.

Its reader is sigs.k8s.io/yaml. It takes `0o17` and `0B1` for numbers, folds U+0085 into a space,
and refuses a file that holds DEL or a C1 control as it is. In double quotes, with such characters
escaped, every text comes back as it was, but for what no process can be given.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from constructs_lib.model import Manifest

_MARK = "text-in-quotes-"
_MISREAD = re.compile(
    rf"""
    # a number in a dialect of which the library of cdk8s knows nothing
      \A [-+]? 0_*[oObBxX] [\da-fA-F_]* \Z
    | \A (?=.*_) [-+]? (?=[\d_.]) [\d_]* \.? [\d_]* (?:[eE][-+]?[\d_]*)? \Z
    # a merge, and what jsii refuses, where it is a key
    | \A (?: << | __proto__ ) \Z
    # a block that begins with white space
    | \A (?=.*\n) \s
    # line ends and controls of Unicode
    | [\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]
    | {_MARK}
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]')
_SHORT = {"\n": r"\n", "\t": r"\t", "\r": r"\r", '"': r"\"", "\\": r"\\"}
_IMPOSSIBLE = re.compile("[\0\ud800-\udfff]")
_LARGEST = 2**53
"""Up to here a whole number is the same in Python, JavaScript and JSON."""
_TOKEN = re.compile(rf"{_MARK}(\d+)-+")
_as_json = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode
_ODD_MARKS = (r"\u0000", "\x7f", "Infinity", "NaN", "e+", '"<<"', _MARK)
_ODD_FORMS = tuple(
    re.compile(form)
    for form in (
        r'"[-+]?0_*[oObBxX]',
        r'"[-+\d.][\d._eE+-]*_|"_',
        r'"(?:\s|\\[tnfr]|\\u00)',
        r": -?\d{16}",
        r", -?\d{16}",
        r"\[-?\d{16}",
    )
)
"""What a text or number below may be, as JSON has it; each begins with a literal, which is fast."""


def is_odd(objects: list[Manifest]) -> bool:
    """Whether some text or number in these objects may be misread, or not written at all.

    A quick look, which takes a tenth of the time of the thorough one, and errs to the safe side.
    """
    text = _as_json(objects)
    return (
        not text.isascii()
        or any(mark in text for mark in _ODD_MARKS)
        or any(form.search(text) for form in _ODD_FORMS)
    )


class Quoting:
    """Texts that a library would write so that they are misread, set aside in the meantime."""

    def __init__(self) -> None:
        self._aside: list[str] = []

    def set_aside(self, content: Any) -> Any:
        """The same, with a plain token in place of each such text; unchanged if there is none."""
        match content:
            case str():
                if not _MISREAD.search(content):
                    return content
                written = quoted(content)
                self._aside.append(written)
                # as long as what comes back: a key of more than 1,024 signs is written otherwise
                return f"{_MARK}{len(self._aside) - 1}-".ljust(len(written), "-")
            case dict():
                return {self.set_aside(key): self.set_aside(one) for key, one in content.items()}
            case list():
                return [self.set_aside(one) for one in content]
        return content

    def put_back(self, text: str) -> str:
        """The written text, with each token as the text that it stands for, in double quotes."""
        return _TOKEN.sub(lambda match: self._aside[int(match[1])], text)


def quoted(text: str) -> str:
    """A text as a double-quoted scalar on one line."""
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    return _SHORT.get(match[0]) or f"\\u{ord(match[0]):04x}"


def unreadable(objects: Iterable[Manifest]) -> Iterator[tuple[Manifest, str]]:
    """Each object with what no file can say of it, and where."""
    for item in objects:
        for path, problem in _unreadable(item, ""):
            yield item, f"{path.removeprefix('.')}: {problem}"


def _unreadable(content: Any, path: str) -> Iterator[tuple[str, str]]:
    match content:
        case str():
            if found := _IMPOSSIBLE.search(content):
                name = unicodedata.name(found[0], "NUL" if found[0] == "\0" else "a surrogate")
                yield path, f"holds U+{ord(found[0]):04X} ({name}), which no process can be given"
        case dict():
            for key, one in content.items():
                yield from _unreadable(key, f"{path} (a key)")
                yield from _unreadable(one, f"{path}.{key}")
        case list():
            for place, one in enumerate(content):
                yield from _unreadable(one, f"{path}[{place}]")
        case bool():
            return
        case float() if not math.isfinite(content):
            yield path, f"{content} is not a number that JSON has; write it as text"
        case int() | float() if abs(content) > _LARGEST:
            yield path, f"{content} is too large for a number; write it as text"
