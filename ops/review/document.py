"""The report as JSON; docs/review.md has the schema."""

from __future__ import annotations

import json
from typing import Any

from constructs_lib.manifests.objects import Key
from ops.review.diff import ObjectPair
from ops.review.model import ABSENT
from ops.review.report import Report
from ops.review.revisions import RawDiff, Revision

VERSION = 1
"""Of the schema; increases when a field is removed or changes its meaning."""


def render(report: Report, diff: RawDiff) -> str:
    document = {
        "version": VERSION,
        "base": _revision(report.base),
        "head": _revision(report.head),
        "verdict": report.verdict,
        "severity": report.severity,
        "findings": [
            {
                "class": finding.risk,
                "rule": finding.rule,
                "severity": finding.severity,
                "object": _object(finding.key),
                "text": finding.text,
                "pods": finding.pods,
            }
            for finding in report.findings
        ],
        "capacity": [
            {
                "namespace": demand.namespace,
                "resource": demand.resource,
                "before": demand.before,
                "after": demand.after,
                "quota": demand.quota or None,
            }
            for demand in report.capacity
        ],
        "objects": [
            _changed(report, pair) for changed in report.services.values() for pair in changed
        ],
        "diff": {"files": diff.files, "added": diff.added, "removed": diff.removed},
    }
    return json.dumps(document, indent=2, ensure_ascii=False, default=str)


def _revision(revision: Revision) -> dict[str, str | None]:
    return {"name": revision.name, "commit": revision.commit}


def _object(key: Key) -> dict[str, str]:
    return key._asdict()


def _changed(report: Report, pair: ObjectPair) -> dict[str, Any]:
    return {
        "object": _object(pair.item.key),
        "file": pair.item.file,
        "change": pair.change,
        "differences": [
            {"path": str(each), **_values(before=each.before, after=each.after)}
            for each in report.comparison.differences(pair.item.key, ())
        ],
    }


def _values(**values: Any) -> dict[str, Any]:
    """Omits absent values."""
    return {name: content for name, content in values.items() if content is not ABSENT}
