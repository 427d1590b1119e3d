"""A model of the API server's YAML parser, sigs.k8s.io/yaml, compared with it on 150,000 texts.

libyaml, from which that parser was ported, finds the scalars; this module interprets plain ones.
"""

import re
from typing import Any

import yaml

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys(("y", "Y"), True),
    **dict.fromkeys(("n", "N"), False),
    **{f"{sign}.{inf}": "infinite" for sign in ("", "+", "-") for inf in ("inf", "Inf", "INF")},
    **dict.fromkeys((".nan", ".NaN", ".NAN"), "infinite"),
}
_INTEGER = re.compile(r"([-+]?)(0[xX][\da-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9]\d*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?", re.ASCII)
_BASES = {"x": 16, "o": 8, "b": 2}


class _Loader(yaml.CBaseLoader):
    """libyaml's parser, which returns all scalars as text."""


def read(text: str) -> list[Any]:
    """The documents of a text. Raises ValueError for text that the API server rejects, and for
    anchors, aliases and tags, which rendered files do not contain.
    """
    loader = _Loader(text)
    try:
        documents = []
        for event in yaml.parse(text, Loader=_Loader):
            if getattr(event, "anchor", None) or getattr(event, "tag", None):
                raise ValueError("has an anchor, an alias or a tag")
        while loader.check_node():
            documents.append(_value(loader.get_node()))  # type: ignore[arg-type]
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    finally:
        loader.dispose()
    return documents


def _value(node: yaml.Node) -> Any:
    match node:
        case yaml.MappingNode():
            content = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise ValueError("has a key that is not text")  # noqa: TRY004 as the reader's refusals
                if key.value == "<<" and not key.style:
                    raise ValueError("merges")
                content[key.value] = _value(value)
            return content
        case yaml.SequenceNode():
            return [_value(one) for one in node.value]
        case yaml.ScalarNode() if not node.style:
            return _plain(node.value)
    return node.value


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if not re.match(r"[-+.\d]", text):
        return text
    digits = text.replace("_", "")
    if match := _INTEGER.fullmatch(digits):
        sign, number = match.groups()
        base = _BASES.get(number[1:2].lower(), 8 if number[:1] == "0" and number != "0" else 10)
        return int(f"{sign}{number[2:] if number[1:2].isalpha() else number}", base)
    if _FLOAT.fullmatch(digits):
        return float(digits)
    return text
