"""The report of a review against a cluster.

Read the cluster, dry-run the sync of each object, write both states as revisions, and report.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

import yaml

from constructs_lib.manifests.argocd import covers
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.schema import unreadable
from constructs_lib.manifests.workload import HOOK
from constructs_lib.model import Manifest
from ops.cluster.client import Client
from ops.review.live.dry_run import DryRun, dry_runs, normalized
from ops.review.live.findings import cluster_findings, unserved
from ops.review.live.reading import READ_KINDS, ClusterState, Server, read_cluster
from ops.review.load import of_cluster, read_all
from ops.review.model import ReviewError
from ops.review.report import Report
from ops.review.revisions import Revision

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def compare(client: Client, head: Revision) -> Report:
    """Report what a sync of `head` would do; changes nothing. Raises ClusterError."""
    declared = Objects(of_cluster(read_all(head)))
    if not declared.every:
        raise ReviewError(f"{head.name} has no dist/; run `make synth`")
    server = Server(client)
    state = read_cluster(server, declared)
    runs = dry_runs(server, state)
    report = Report(*_revisions(state, runs, head, client.context))
    before, after = report.comparison.before, report.comparison.after
    report.added += cluster_findings(state, runs, before, after)
    report.incomplete = unserved(runs) or report.incomplete
    return report


def _revisions(
    state: ClusterState, runs: list[DryRun], head: Revision, context: str
) -> tuple[Revision, Revision]:
    """The cluster before and after a sync of `head`."""
    before: dict[str, list[Manifest]] = defaultdict(list)
    after: dict[str, list[Manifest]] = defaultdict(list)
    applications = list(map(Object.of, state.applications.values()))
    for run in runs:
        if run.unreadable:
            continue
        if run.after:
            after[run.declared.file].append(run.after)
        # a hook that was deleted after its last run, as Jobs are, runs with the next sync
        runs_again = (
            HOOK in run.declared.annotations
            and not run.stored
            and any(covers(app, run.declared.file) for app in applications)
        )
        stored = run.after if runs_again else run.before
        if stored:
            before[run.declared.file].append(stored)
    files = list(dict.fromkeys(item.file for item in state.declared))
    for key, name in state.leaving.items():
        file = _file_of(state.applications[name], files)
        before[file].append(normalized(state.stored[key]))
    read = ((key, item) for key, item in state.outside.items() if key[:2] in READ_KINDS)
    for key, item in read:
        manifest = normalized(item)
        if not any(unreadable(manifest)):
            for side in (before, after):
                side[f"outside-dist/{key.namespace}.yaml"].append(manifest)
    name = f"the cluster of context {context}"
    return (
        Revision(name=name, commit=None, files=_texts(before), stored=True),
        Revision(name=head.name, commit=head.commit, files=_texts(after), stored=True),
    )


def _file_of(application: Manifest, files: Iterable[str]) -> str:
    """A file that an Application syncs, in dist/ if possible."""
    item = Object.of(application)
    source = item.spec.get("source") or {}
    include = (source.get("directory") or {}).get("include") or f"{item.name}.yaml"
    other = str(PurePosixPath(str(source.get("path") or "")) / include)
    return next((file for file in files if covers(item, file)), other)


def _texts(files: dict[str, list[Manifest]]) -> dict[str, str]:
    return {
        file: yaml.dump_all(items, Dumper=_DUMPER, allow_unicode=True, width=100)
        for file, items in files.items()
    }
