"""The cluster as two revisions: what it stores now, and what it stores after a sync."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

import yaml

from constructs_lib.manifests.argocd import covers
from constructs_lib.manifests.objects import Object as Declared
from constructs_lib.manifests.workload import HOOK
from constructs_lib.model import Manifest
from ops.review.live.snapshot import Snapshot
from ops.review.live.stored import plain
from ops.review.live.trial import Trial
from ops.review.revisions import Revision

OUTSIDE = "outside-dist"
"""The folder for objects that are not in dist/."""
_Files = dict[str, list[Manifest]]


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    def ignore_aliases(self, _: Any) -> bool:
        return True


def revisions(snapshot: Snapshot, head: Revision, context: str) -> tuple[Revision, Revision]:
    """The cluster before and after a sync of `head`."""
    before: _Files = defaultdict(list)
    after: _Files = defaultdict(list)
    for trial in snapshot.trials:
        if trial.unreadable:
            continue
        file = trial.declared.file
        if trial.after:
            after[file].append(trial.after)
        stored = trial.after if _runs_with_the_next_sync(trial, snapshot) else trial.before
        if stored:
            before[file].append(stored)
    files = list(dict.fromkeys(trial.declared.file for trial in snapshot.trials))
    for name, item in snapshot.leaving:
        before[_file_of(snapshot.applications[name], files)].append(plain(item))
    for item in snapshot.neighbors:
        if snapshot.is_read(item):
            file = f"{OUTSIDE}/{item['metadata']['namespace']}.yaml"
            unchanged = plain(item)
            before[file].append(unchanged)
            after[file].append(unchanged)
    return (
        Revision(
            name=f"the cluster of context {context}", commit=None, files=_texts(before), stored=True
        ),
        Revision(name=head.name, commit=head.commit, files=_texts(after), stored=True),
    )


def _runs_with_the_next_sync(trial: Trial, snapshot: Snapshot) -> bool:
    """Whether it is a hook that was deleted after its last run, as Jobs are."""
    declared = trial.declared
    return (
        HOOK in declared.annotations
        and not trial.stored
        and any(covers(Declared.of(one), declared.file) for one in snapshot.applications.values())
    )


def _file_of(application: Manifest, files: Iterable[str]) -> str:
    """A file that an Application syncs, in dist/ if possible."""
    item = Declared.of(application)
    found = next((file for file in files if covers(item, file)), None)
    if found:
        return found
    source = item.spec.get("source") or {}
    include = (source.get("directory") or {}).get("include") or f"{item.name}.yaml"
    return str(PurePosixPath(str(source.get("path") or "")) / include)


def _texts(files: _Files) -> dict[str, str]:
    return {file: _yaml(items) for file, items in files.items()}


def _yaml(items: Iterable[Manifest]) -> str:
    text: str = yaml.dump_all(items, Dumper=_Dumper, allow_unicode=True, width=100)
    return text
