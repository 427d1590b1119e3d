"""`image`: which build runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from constructs_lib.manifests.workload import Workload
from ops.review.comparison import Comparison
from ops.review.model import TEMPLATE, Finding, Risk, Severity

_IMAGE = re.compile(r"(?P<repository>.+?)(?::(?P<tag>[^:/@]+))?(?:@(?P<digest>.+))?")
_OURS = re.compile(r"ghcr\.io/(?P<source>[\w.-]+/[\w.-]+)")
_COMMIT = re.compile(r"sha-([0-9a-f]{40})")
_FLOATING = "latest"


def images(comparison: Comparison) -> Iterator[Finding]:
    """Containers that run another build, or another image."""
    for change in comparison.changed(*TEMPLATE):
        before, after = Workload(change.before), Workload(change.after)
        for name, container in after.named_containers.items():
            was, now = before.named_containers.get(name, {}).get("image"), container.get("image")
            if was and now and was != now:
                differences = tuple(
                    each
                    for each in change.at(*TEMPLATE[change.key.kind])
                    if each.path[-2:] == (f"[{name}]", "image")
                )
                severity, text = told(was, now)
                yield Finding(Risk.IMAGE, severity, change.key, text, differences)


def told(was: str, now: str) -> tuple[Severity, str]:
    """How much a change of image asks for, and in words."""
    before, after = _parts(was), _parts(now)
    if before["repository"] != after["repository"]:
        return Severity.HIGH, f"another image: {was} → {now}"
    name = after["repository"].rpartition("/")[2]
    tags = f"{name}: {_brief(before)} → {_brief(after)}"
    if _floats(after):
        return Severity.HIGH, f"{tags}: back to a tag that names another build tomorrow"
    ours = _OURS.fullmatch(after["repository"])
    commits = [_COMMIT.fullmatch(side["tag"] or "") for side in (before, after)]
    if ours and all(commits):
        old, new = (commit[1] for commit in commits if commit)
        return Severity.LOW, f"{tags}: https://github.com/{ours['source']}/compare/{old}...{new}"
    source = (
        f": https://github.com/{ours['source']}/commit/{commits[1][1]}"
        if ours and commits[1]
        else ""
    )
    return Severity.LOW, f"{tags}{', pinned from now on' if _floats(before) else ''}{source}"


def _parts(image: str) -> dict[str, str]:
    match = _IMAGE.fullmatch(image)
    return {name: part or "" for name, part in match.groupdict().items()} if match else {}


def _floats(image: dict[str, str]) -> bool:
    return not image["digest"] and image["tag"] in ("", _FLOATING)


def _brief(image: dict[str, str]) -> str:
    """A tag, or a digest, of which a few digits say enough."""
    shown = image["tag"] or image["digest"] or _FLOATING
    return re.sub(r"([0-9a-f]{7})[0-9a-f]{33,}", r"\1", shown)


RULES = (images,)
