"""Quotes strings that the API server's YAML parser would misread.

The parser, sigs.k8s.io/yaml, reads `0o17` and `0B1` as numbers, folds U+0085 into a space, and
rejects unescaped DEL and C1 controls. It reads double-quoted strings with escapes correctly, except
for characters that cannot be passed to a process.
"""

import math
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

_MARK = "text-in-quotes-"
_MISREAD = re.compile(
    rf"""
    # a number in a notation that the YAML library of cdk8s does not know
      \A [-+]? 0_*[oObBxX] [\da-fA-F_]* \Z
    | \A (?=.*_) [-+]? (?=[\d_.]) [\d_]* \.? [\d_]* (?:[eE][-+]?[\d_]*)? \Z
    # a merge key, and a key that jsii rejects
    | \A (?: << | __proto__ ) \Z
    # several lines that start with white space
    | \A (?=.*\n) \s
    # Unicode line breaks and controls
    | [\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]
    | {_MARK}
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]')
_SHORT = {"\n": r"\n", "\t": r"\t", "\r": r"\r", '"': r"\"", "\\": r"\\"}
_IMPOSSIBLE = re.compile("[\0\ud800-\udfff]")
_LARGEST = 2**53
"""Up to this number, integers are the same in Python, JavaScript and JSON."""
_TOKEN = re.compile(rf"{_MARK}([\da-f]+)-")


def set_aside(content: Any) -> Any:
    """A copy with a token in place of each misread string, for a library that writes YAML.

    Raises ValueError for a value that `unwritable` reports.
    """
    match content:
        case str():
            return _aside(content)
        case dict():
            return {set_aside(key): set_aside(one) for key, one in content.items()}
        case list():
            return [set_aside(one) for one in content]
        case int() | float() if not abs(content) <= _LARGEST:  # also NaN
            raise ValueError(content)
    return content


@cache  # most strings occur in many objects
def _aside(text: str) -> str:
    if _IMPOSSIBLE.search(text):
        raise ValueError(text)
    return f"{_MARK}{text.encode().hex()}-" if _MISREAD.search(text) else text


def put_back(text: str) -> str:
    """The written text, with each token replaced with its string in double quotes."""
    return _TOKEN.sub(lambda match: quoted(bytes.fromhex(match[1]).decode()), text)


def quoted(text: str) -> str:
    """A string as a double-quoted YAML scalar on one line."""
    escaped = _ESCAPED.sub(lambda char: _SHORT.get(char[0]) or f"\\u{ord(char[0]):04x}", text)
    return f'"{escaped}"'


def unwritable(content: Any, path: str = "") -> Iterator[str]:
    """The values of an object that cannot be written to a file, with their field."""
    field = path.removeprefix(".")
    match content:
        case str():
            if found := _IMPOSSIBLE.search(content):
                name = unicodedata.name(found[0], "NUL" if found[0] == "\0" else "a surrogate")
                sign = f"U+{ord(found[0]):04X} ({name})"
                yield f"{field}: contains {sign}, which cannot be passed to a process; remove it"
        case dict():
            for key, one in content.items():
                yield from unwritable(key, f"{path} (a key)")
                yield from unwritable(one, f"{path}.{key}")
        case list():
            for place, one in enumerate(content):
                yield from unwritable(one, f"{path}[{place}]")
        case bool():
            return
        case float() if not math.isfinite(content):
            yield f"{field}: {content} is not a valid JSON number; write it as a string"
        case int() | float() if abs(content) > _LARGEST:
            yield f"{field}: {content} is too large for a number; write it as a string"
