"""The API server refuses the edited objects of the review's tests that the review calls refused,
and accepts the others.
"""

from collections.abc import Iterator

from constructs_lib.manifests.facts import STACK_GROUP
from constructs_lib.manifests.objects import Key, Object
from constructs_lib.manifests.workload import remade_with_each_sync
from constructs_lib.model import Manifest
from ops.cluster import APPLY_PATCH
from ops.cluster.client import Resource, Response
from ops.review.live.reading import Server
from ops.review.report import Report
from tests.e2e.conftest import Claimed
from tests.e2e.installed import Installed
from tests.ops.review.cases import CASES
from tests.ops.review.edits import rendered, review

_RULES = {
    *("contradicting-range", "duplicate-port", "immutable-field-changed", "invalid-field"),
    "unknown-time-zone",
}
"""Rules and an effect that say that the API server refuses the object."""
_WORDS = ("the API server rejects it", "the API server refuses")
_OF_THE_CLUSTER = {403, 404}
"""Refusals that depend on the cluster: quota or storage class, missing namespace or kind."""

_CUSTOM = ("argoproj.io", "external-secrets.io")
"""Groups whose fields depend on the version in the cluster."""


def _applied(server: Server, resource: Resource, manifest: Manifest) -> Response:
    """A dry run of what a sync does: hooks are deleted and created again."""
    if remade_with_each_sync(Object.of(manifest)):
        unused = {**manifest["metadata"], "name": "unused"}
        return server.dry_run(resource, {**manifest, "metadata": unused})
    return server.dry_run(resource, manifest, APPLY_PATCH, force="true")


def edited(report: Report) -> Iterator[tuple[Key, Manifest]]:
    """The objects that a sync of the edit applies."""
    for change in report.comparison.changes.values():
        is_custom = change.key.group.endswith(_CUSTOM)
        if change.state != "removed" and not is_custom and change.key.group != STACK_GROUP:
            yield change.key, change.after.manifest


def test_the_api_server_refuses_what_the_review_calls_refused(
    installation: Installed, claim: Claimed
) -> None:
    server = Server(installation.cluster)
    wrong, asked, refusals = [], 0, 0
    with claim("`ops review`: objects are refused as predicted") as measured:
        for case in CASES:
            if case.base(rendered()) != rendered():  # the cluster has what the charts render
                continue
            report = review(rendered(), case.edit(rendered()))
            for key, manifest in edited(report):
                resource = server.client.resources.get(manifest["apiVersion"], key.kind)
                if not resource:
                    continue
                response = _applied(server, resource, manifest)
                if response.status in _OF_THE_CLUSTER:
                    continue
                predicted = any(
                    finding.rule in _RULES or finding.text.startswith(_WORDS)
                    for finding in report.findings
                    if finding.key == key and finding.severity == "high"
                    if "the controller" not in finding.text
                )
                asked, refusals = asked + 1, refusals + predicted
                if predicted == response.accepted:
                    says = "accepts" if response.accepted else f"refuses: {response.message}"
                    wrong.append(f"{case.name}: {key}: the API server {says}")
        assert not wrong, "\n".join(wrong)
        assert refusals
        measured(f"{asked} objects, {refusals} refused")
