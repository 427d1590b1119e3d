"""Typical edits of charts and of dist/, and their review."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any
from unittest.mock import patch

from charts import registry
from constructs_lib.model import Pin
from ops.review.report import Report
from ops.review.revisions import STACK, Revision
from tests import fixed
from tests.conftest import ROOT

Files = dict[str, str]
"""dist/ as text by path below it, and the template of SecretsStack by its whole path."""
Edit = Callable[[Files], Files]

OLD, NEW = "sha-" + 40 * "a", "sha-" + 40 * "b"


PLATFORM = replace(fixed.platform(), images=dict.fromkeys(fixed.platform().images, Pin("latest")))
"""As committed, but with unpinned images."""
QUOTAS = {
    "cerebro": {
        "limits.cpu": "16",
        "limits.ephemeral-storage": "16Gi",
        "limits.memory": "16Gi",
        "persistentvolumeclaims": "0",
        "pods": "20",
        "requests.cpu": "4",
        "requests.ephemeral-storage": "2Gi",
        "requests.memory": "8Gi",
    },
    "crawlers": {
        "limits.cpu": "24",
        "limits.ephemeral-storage": "48Gi",
        "limits.memory": "40Gi",
        "persistentvolumeclaims": "2",
        "pods": "40",
        "requests.cpu": "6",
        "requests.ephemeral-storage": "8Gi",
        "requests.memory": "12Gi",
    },
}
"""The quotas in the expected findings; another service may need a larger one."""


@cache
def rendered() -> Files:
    """dist/ before an edit."""
    return _render(fixed.CHARTS)


def review(before: Files, after: Files) -> Report:
    return Report(revision(before, "before"), revision(after, "after"))


def revision(files: Files, name: str = "a test") -> Revision:
    paths = {path if path == STACK else f"dist/{path}": text for path, text in files.items()}
    return Revision(name=name, commit=None, files=paths)


def said(report: Report) -> set[str]:
    """Class and object of every finding: `delete Deployment crawlers/nebula`."""
    return {f"{finding.risk} {finding.key}" for finding in report.findings}


def write(service: str, *changes: tuple[str, str]) -> Edit:
    """Edit `dist/<service>.k8s.yaml`: replace every match of each `old`."""

    def edit(files: Files) -> Files:
        path = f"{service}.k8s.yaml"
        text = files[path]
        for old, new in changes:
            assert re.search(old, text), f"{path} has no {old!r}"
            text = re.sub(old, new, text)
        return {**files, path: text}

    return edit


def drop(service: str, *kinds: str) -> Edit:
    """Delete some kinds from `dist/<service>.k8s.yaml`, or the whole file."""

    def edit(files: Files) -> Files:
        path = f"{service}.k8s.yaml"
        rest = {other: text for other, text in files.items() if other != path}
        kept = [
            document
            for document in files[path].split("---\n")
            if not any(f"\nkind: {kind}\n" in document for kind in kinds)
        ]
        assert len(kept) < len(files[path].split("---\n")) or not kinds, f"{path} has no {kinds}"
        return {**rest, path: "---\n".join(kept)} if kinds else rest

    return edit


def together(*edits: Edit) -> Edit:

    def edit(files: Files) -> Files:
        for each in edits:
            files = each(files)
        return files

    return edit


def unchanged(files: Files) -> Files:
    return files


def declare(chart: str, old: str, new: str) -> Edit:
    """Edit `charts/<chart>.py` and render everything."""
    return lambda _: _rendered(chart, old, new)


@cache
def _rendered(chart: str, old: str, new: str) -> Files:
    source = (ROOT / "charts" / f"{chart}.py").read_text("utf-8")
    assert old in source, f"{chart}.py has no {old!r}"
    name = f"charts.{chart.replace('/', '.')}"
    edited = ModuleType(name)
    exec(compile(source.replace(old, new), f"{name}.py", "exec"), vars(edited))  # noqa: S102 our own
    with patch.dict(sys.modules, {name: edited}):
        return _render(fixed.CHARTS)


def without(chart: str, image: str) -> Edit:
    """Remove a chart from the registry, and its image from the catalogue."""
    charts = tuple(entry for entry in fixed.CHARTS if not entry.endswith(f":{chart}"))
    images = {name: pin for name, pin in PLATFORM.images.items() if name != image}
    return lambda _: _render(charts, images=images)


def platform(**changes: Any) -> Edit:
    return lambda _: _render(fixed.CHARTS, **changes)


def pinned(service: str, tag: str) -> Edit:
    return platform(images={**PLATFORM.images, service: Pin.parse(tag)})


def _render(charts: tuple[str, ...], **changes: Any) -> Files:
    with fixed.only(charts):
        files = registry.render(replace(PLATFORM, **changes))
    for namespace, quota in QUOTAS.items():
        path = f"cluster/namespace-{namespace}.k8s.yaml"
        for resource, hard in quota.items():
            value = hard if hard.endswith("Gi") else f'"{hard}"'
            files[path] = re.sub(rf"(    {resource}: ).+", rf"\g<1>{value}", files[path])
    return files
