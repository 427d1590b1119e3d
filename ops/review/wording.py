"""Wording that the findings share."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from constructs_lib.manifests.objects import Key
from ops.review.model import ABSENT, TEMPLATE, Difference, Path, spell

_COMMIT = re.compile(r"\b([0-9a-f]{7})[0-9a-f]{33}\b")


def listed(names: Sequence[str], most: int = 3, separator: str = ", ") -> str:
    """The first names, and the number of the others."""
    few = separator.join(names[:most])
    return f"{few} and {len(names) - most} more" if len(names) > most else few


def value(content: Any, longest: int = 0) -> str:
    """A value on one line, truncated to `longest` characters; 0: not truncated."""
    if content is ABSENT:
        return "(none)"
    if isinstance(content, str):
        text = content if content.strip() == content and content.isprintable() else repr(content)
    else:
        text = json.dumps(content, ensure_ascii=False, default=str)
    if not longest:
        return text
    text = _COMMIT.sub(r"\1", text)
    return f"{text[: longest - 1]}…" if len(text) > longest else text


def before_after(difference: Difference, longest: int = 0) -> str:
    """A field before and after, formatted by `value`."""
    return f"{value(difference.before, longest)} → {value(difference.after, longest)}"


def objects(keys: Sequence[Key], most: int = 4) -> str:
    """`Deployment, Service cerebro/api; Job crawlers/migrations and 3 more`."""
    kinds: dict[str, list[str]] = {}
    for key in keys:
        name = f"{key.namespace}/{key.name}" if key.namespace else key.name
        kinds.setdefault(name, []).append(key.kind)
    names: dict[str, list[str]] = {}
    for name, of_name in list(kinds.items())[:most]:
        names.setdefault(", ".join(of_name), []).append(name)
    shown = "; ".join(f"{of_names} {', '.join(named)}" for of_names, named in names.items())
    hidden = sum(map(len, list(kinds.values())[most:]))
    return f"{shown} and {hidden} more" if hidden else shown


def brief(kind: str, path: Path) -> str:
    """A path without the steps to the pod spec."""
    pod = (*TEMPLATE.get(kind, ()), "spec")
    return spell(path[len(pod) :] if path[: len(pod)] == pod and len(pod) > 1 else path)
