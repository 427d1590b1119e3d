"""Release jobs run in order, and a change to only the job is synced."""

from typing import Any

import pytest
from cdk8s import JsonPatch

from constructs_lib.manifests.argocd import FINGERPRINT, WAVE, needs, release_phases
from constructs_lib.manifests.objects import Objects
from constructs_lib.manifests.workload import HOOK, workloads
from constructs_lib.model import Manifest
from tests.constructs_lib import declarations as base


def objects(*patches: JsonPatch) -> dict[str, Manifest]:
    """The objects of a release job, by kind."""
    chart = base.chart()
    job = base.release_job(chart, program=base.program_with(secrets={"A": base.PASSWORD}))
    job.job.add_json_patch(*patches)
    return {one["kind"]: one for one in base.objects(chart)}


def test_the_dependencies_of_the_job_come_first() -> None:
    waves = {kind: one["metadata"]["annotations"][WAVE] for kind, one in objects().items()}
    assert waves.pop("Job") == "-1"
    assert waves == dict.fromkeys(("ServiceAccount", "NetworkPolicy", "ExternalSecret"), "-2")


def test_every_change_of_the_job_changes_its_fingerprint() -> None:
    args = JsonPatch.add("/spec/template/spec/containers/0/args", ["again"])
    before, again, after = (
        rendered["ServiceAccount"]["metadata"]["annotations"][FINGERPRINT]
        for rendered in (objects(), objects(), objects(args))
    )
    assert before == again != after


def problems(annotations: dict[str, Any]) -> list[str]:
    """The problems of a job with these additional annotations."""
    chart = base.chart()
    base.release_job(chart).job.merge({"metadata": {"annotations": annotations}})
    found = base.refusals(chart)
    assert found
    return [one for one in found if "[unordered-release]" in one]


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ({WAVE: "-2"}, "runs before or together with ServiceAccount space/one, which its pods"),
        ({HOOK: "PreSync"}, "runs in PreSync, before the sync creates its dependencies"),
    ],
)
def test_another_order_is_rejected(annotations: dict[str, Any], message: str) -> None:
    assert any(message in one for one in problems(annotations))


def test_a_kind_of_another_group_is_not_needed() -> None:
    chart = base.chart()
    base.release_job(chart)
    calico = {"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy"}
    rendered = [*base.objects(chart), {**calico, "metadata": {"name": "a", "namespace": "space"}}]
    declared = Objects.of(rendered)
    (release,) = filter(release_phases, workloads(declared))
    assert [item.kind for item in needs(declared, release)] == ["ServiceAccount", "NetworkPolicy"]


def test_a_hook_of_a_failed_sync_is_not_ordered() -> None:
    assert problems({HOOK: "SyncFail"}) == []
