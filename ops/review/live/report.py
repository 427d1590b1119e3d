"""The report of a review against a cluster."""

from __future__ import annotations

from constructs_lib.manifests.objects import Objects
from ops.cluster import Cluster, ClusterError
from ops.cluster.client import Client
from ops.review.live import findings, sides, surroundings
from ops.review.live.server import Server
from ops.review.live.snapshot import take
from ops.review.load import of_cluster, read
from ops.review.model import ReviewError
from ops.review.report import Report
from ops.review.revisions import Revision


def compare(context: str | None, head: Revision) -> Report:
    """Report what a sync of `head` would do; changes nothing. Raises ReviewError."""
    try:
        return create(Cluster(context).client, head)
    except ClusterError as error:
        raise ReviewError(str(error)) from error


def create(client: Client, head: Revision) -> Report:
    """The report for one API server. Raises ClusterError."""
    declared = Objects(of_cluster(read(head)))
    if not declared.every:
        raise ReviewError(f"{head.name} has no dist/; run `make synth`")
    snapshot = take(Server(client), declared)
    report = Report(*sides.revisions(snapshot, head, client.context))
    before, after = report.comparison.before, report.comparison.after
    report.add(findings.observed(snapshot))
    report.incomplete = findings.unserved(snapshot)
    report.add(surroundings.observed(snapshot, before, after))
    return report
