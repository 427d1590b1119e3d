"""The report as JSON; docs/review.md has the schema."""

from __future__ import annotations

import json
from typing import Any

from ops.review.diff import ObjectPair
from ops.review.model import ABSENT
from ops.review.report import Report
from ops.review.revisions import RawDiff

VERSION = 1
"""Of the schema; increases when a field is removed or changes its meaning."""


def render(report: Report, diff: RawDiff) -> str:
    document = {
        "version": VERSION,
        "base": {"name": report.base.name, "commit": report.base.commit},
        "head": {"name": report.head.name, "commit": report.head.commit},
        "verdict": report.verdict,
        "severity": report.severity,
        "findings": [
            {
                "class": finding.risk,
                "rule": finding.rule,
                "severity": finding.severity,
                "object": finding.key._asdict(),
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
        "objects": [_object(report, pair) for pairs in report.services.values() for pair in pairs],
        "diff": {"files": diff.files, "added": diff.added, "removed": diff.removed},
    }
    return json.dumps(document, indent=2, ensure_ascii=False, default=str)


def _object(report: Report, pair: ObjectPair) -> dict[str, Any]:
    differences = []
    for difference in report.comparison.differences(pair.item.key, ()):
        values = {"before": difference.before, "after": difference.after}
        present = {name: value for name, value in values.items() if value is not ABSENT}
        differences.append({"path": str(difference), **present})
    return {
        "object": pair.item.key._asdict(),
        "file": pair.item.file,
        "change": pair.change,
        "differences": differences,
    }
