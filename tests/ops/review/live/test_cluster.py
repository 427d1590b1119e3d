"""`ops review --cluster`: findings about a cluster."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from constructs_lib.manifests.objects import Object as Declared
from constructs_lib.model import Manifest
from constructs_lib.rules.model import declared
from ops.cluster.client import Response
from ops.review.formats import to_json
from ops.review.live import findings
from ops.review.live.report import compare
from ops.review.model import Effect
from ops.review.report import Report
from ops.review.revisions import raw_diff
from tests.ops.day_two.api_server import ApiServer, Fixed, place
from tests.ops.review.edits import editing, rendered, revision
from tests.ops.review.live.server import (
    API,
    ARGOCD,
    DECLARED,
    NAMESPACE,
    WIDGET,
    WIDGETS_DENIED,
    changed,
    cluster,
    find,
    made,
    refused,
    review,
    said,
)


def differences(report: Report) -> list[tuple[str, object]]:
    """The fields that a sync changes, with their values before it."""
    changes = report.comparison.changes.values()
    return [(str(each), each.before) for change in changes for each in change.differences]


def warning(text: str) -> Fixed:
    return 200, find(NAMESPACE), (text,)


def test_a_cluster_that_is_in_sync_has_no_findings() -> None:
    server = cluster()
    report = review(server)
    assert report.verdict == "No change between the cluster of context test and the working tree."
    assert len(server.tried) == len(DECLARED)


def test_a_manual_change_is_reported_as_a_change() -> None:
    report = review(cluster(changed(API, lambda item: item["spec"].update(replicas=1))))
    assert differences(report) == [("spec.replicas", 1)]
    assert any("better: runs 2 pods" in text for text in said(report, API))


NO_DRY_RUN = 'admission webhook "one" does not support dry run'
FAILS = "replace high: the API server refuses to change it, so the sync fails: "


@pytest.mark.parametrize(
    ("key", "response", "expected"),
    [
        (API, refused(422, 'Deployment.apps "cerebro-api" is invalid: spec.selector: Invalid '
                      'value: {"matchLabels":{"a":"b"}}: field is immutable'),
         f"{FAILS}spec.selector: field is immutable; delete it first, or leave the field "
         "unchanged (`kubectl delete --cascade=orphan` keeps its pods running; delete the old "
         "ReplicaSet when the new pods are ready)"),
        (API, refused(403, 'deployments.apps "cerebro-api" is forbidden: exceeded quota: hand'),
         f"{FAILS}exceeded quota: hand; raise the quota of the namespace, or free capacity in it"),
        (API, refused(500, 'failed calling webhook "one": refused'),
         f'{FAILS}failed calling webhook "one": refused; check the controller that serves the '
         "webhook"),
        (API, refused(400, NO_DRY_RUN), f"unknown high: could not be checked: {NO_DRY_RUN}"),
        (NAMESPACE, warning('existing pods in namespace "cerebro" violate the new PodSecurity'),
         "downtime high: running pods are rejected at their next start, for example on another "
         'node: existing pods in namespace "cerebro" violate the new PodSecurity; the sync '
         "replaces pods of dist/; correct or remove the others first"),
        (NAMESPACE, warning('unknown field "spec.typo"'),
         'unknown high: the API server warns: unknown field "spec.typo"'),
        (NAMESPACE, warning("this is deprecated"), None),
    ],
)  # fmt: skip
def test_refusals_and_warnings_of_the_api_server(
    key: str, response: Fixed, expected: str | None
) -> None:
    server = cluster()
    server.answers[f"PATCH {place(find(key))}"] = response
    assert said(review(server), key) == ([expected] if expected else [])


def test_an_unserved_version_is_reported_with_the_served_one() -> None:
    kinds = [one for one in DECLARED if one["kind"] != "ExternalSecret"]
    newer = made("ExternalSecret", "x") | {"apiVersion": "external-secrets.io/v1"}
    key = "ExternalSecret cerebro/cerebro-api-secrets"
    assert said(review(ApiServer(kinds, kinds)), key) == [
        "replace high: the cluster does not serve external-secrets.io/v1beta1: install its CRD"
    ]
    assert said(review(ApiServer([*kinds, newer], kinds)), key) == [
        "replace high: the cluster does not serve external-secrets.io/v1beta1: it serves "
        "external-secrets.io/v1; set the version in catalogue/target.py"
    ]


def test_a_missing_namespace() -> None:
    inside = [one for one in DECLARED if "cerebro" in (
        one["metadata"].get("namespace"), one["metadata"]["name"])]  # fmt: skip
    report = review(ApiServer(DECLARED, [one for one in DECLARED if one not in inside]))
    assert said(report, "Namespace cerebro")[0] == (
        "unknown medium: does not exist yet, so "
        f"{sum('namespace' in one['metadata'] for one in inside)} objects in it could not be "
        "checked; the review shows them as in dist/"
    )


def test_fields_that_others_own_are_taken_over_or_stay() -> None:
    server = cluster(
        changed(API, lambda item: item["metadata"].update(managedFields=[
            {"manager": "kubectl-edit", "fieldsV1": {"f:spec": {"f:paused": {}}}},
            {"manager": "Reloader", "fieldsV1": {"f:spec": {"f:one": {}}}},
        ]))
    )  # fmt: skip
    path = place(find(API))
    causes = [{"message": 'conflict with "kubectl-edit" using apps/v1', "field": ".spec.replicas"}]
    once = iter([refused(409, "Apply failed with 1 conflict", causes=causes)])
    exchange = server.exchange

    def conflicting(method: str, at: str, **options: Any) -> Response:
        if (method, at) == ("PATCH", path) and (answer := next(once, None)):
            assert options["query"]["force"] == "false"
            return Response(*answer)
        return exchange(method, at, **options)

    server.exchange = conflicting  # type: ignore[assignment,method-assign]
    assert said(review(server), API) == [
        "update medium: fields set by kubectl-edit stay, because dist/ does not set them: "
        "spec.paused",
        "update low: Argo CD takes over fields from kubectl-edit: spec.replicas",
    ]


def test_the_first_sync_removes_fields_that_only_kubectl_apply_owns() -> None:
    def by_hand(item: Manifest) -> None:
        item["spec"]["paused"] = True
        item["metadata"]["managedFields"] = [
            {"manager": "kubectl-client-side-apply", "operation": "Update",
             "fieldsV1": {"f:spec": {"f:paused": {}, "f:replicas": {}}}},
            {"manager": "argocd-controller", "operation": "Apply",
             "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        ]  # fmt: skip

    assert differences(review(cluster(changed(API, by_hand)))) == [("spec.paused", True)]


def test_a_hook_is_checked_under_an_unused_name() -> None:
    server = cluster()
    review(server)
    job = find("Job crawlers/beacon-indexer-migrations")
    assert place(job) not in server.tried
    assert place(job).rpartition("/")[0] in server.tried


def test_a_hook_that_was_deleted_after_its_run_is_not_a_change() -> None:
    server = cluster()
    del server.objects[place(find("Job crawlers/beacon-indexer-migrations"))]
    assert not review(server).findings


def application(name: str, *resources: Manifest) -> Manifest:
    listed = [
        {"group": key.group, "version": "v1", "kind": key.kind, "namespace": key.namespace,
         "name": key.name}
        for key in (Declared.of(one).key for one in resources)
    ]  # fmt: skip
    return made("Application", name, "argocd", spec={}, status={"resources": listed})


@pytest.mark.parametrize(
    ("gone", "severity"),
    [
        (made("ConfigMap", "gone", data={}), "medium"),
        (made("Secret", "gone", "elsewhere", type="Opaque", data={"A": "eA=="}), "high"),
    ],
)
def test_an_object_removed_from_dist_is_pruned_by_its_application(
    gone: Manifest, severity: str
) -> None:
    nebula = find("Application argocd/nebula")
    nebula["status"] = application("", gone)["status"]
    report = review(ApiServer([*DECLARED, gone], [*DECLARED, ARGOCD, gone, nebula]))
    assert said(report, str(Declared.of(gone).key)) == [f"delete {severity}: Argo CD prunes it"]


CLICK = "CronJob crawlers/click-runner-ember"
UNMANAGED = "noise low: is not in dist/; Argo CD does not change it"
GIVEN = tuple(
    one["secretKey"] for one in find("ExternalSecret cerebro/cerebro-api-secrets")["spec"]["data"]
)
BY_HAND = (
    "was created by hand: ExternalSecret cerebro-api-secrets takes it over and sets its values "
    "from SSM; "
)
SYNCED_TWICE = (
    "replace high: Application legacy syncs it too: they overwrite each other, and legacy may "
    "delete it; remove it from legacy first, with Prune=false on the object"
)
PULL_TYPE = "kubernetes.io/dockerconfigjson"


def other(key: str, name: str, change: Callable[[Manifest], object] = lambda _: None) -> Manifest:
    item = changed(key, change)
    item["metadata"]["name"] = name
    return item


def run_other(item: Manifest) -> None:
    for container in item["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]:
        container["args"] = ["other"]


def run_hourly(item: Manifest) -> None:
    item["spec"]["schedule"] = "@every 1h"


def track(item: Manifest) -> None:
    item["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = "legacy:apps/Deployment"


def secret(
    *keys: str, name: str = "cerebro-api-secrets", type_: str = "Opaque", **metadata: Any
) -> Manifest:
    fields: Manifest = {"f:data": {f"f:{key}": {} for key in keys}}
    managed = [{"manager": "kubectl-create", "fieldsV1": fields}]
    metadata = {"managedFields": managed, **metadata}
    return made("Secret", name, "cerebro", metadata=metadata, type=type_)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([changed(API, track)], [SYNCED_TWICE]),
        ([find(API), application("legacy", find(API))], [SYNCED_TWICE]),
        ([made("ServiceAccount", "hand")], [UNMANAGED]),
        ([made("ServiceAccount", "default")], []),
        ([made("ServiceAccount", "elsewhere", "kube-system")], []),
        ([made("ServiceAccount", "of-a-controller", metadata={
            "ownerReferences": [{"kind": "Deployment", "name": "x"}]})], []),
        ([made("ServiceAccount", "one"), application("legacy", made("ServiceAccount", "one"))],
         ["noise low: is not in dist/; Application legacy syncs it"]),
        ([other("Ingress cerebro/cerebro-api", "second")],
         ["exposure high: serves api.analytics.gnosis.io, as Ingress cerebro/cerebro-api does: ",
          UNMANAGED]),
        ([other(CLICK, "twin")],
         ["schedule high: runs the same command as crawlers/click-runner-ember: ", UNMANAGED]),
        ([other(CLICK, "kin", run_other)],
         ["schedule medium: runs the same image as crawlers/click-runner-ember, ", UNMANAGED]),
        ([other("Deployment crawlers/cryo-indexer", "old")],
         ["capacity high: runs the same image as crawlers/cryo-indexer, which must not run ",
          UNMANAGED]),
        ([other(API, "old")],
         ["capacity medium: runs the same image as cerebro/cerebro-api: ", UNMANAGED]),
        ([other(CLICK, "unreadable", run_hourly)], [UNMANAGED]),
        ([secret(*GIVEN)], [f"secret medium: {BY_HAND}it keeps all its keys"]),
        ([secret(*GIVEN, "EXTRA")], [f"secret high: {BY_HAND}it loses EXTRA: "]),
        ([secret(managedFields=[])], [f"secret high: {BY_HAND}the review cannot see which keys "]),
        ([secret("EXTRA", ownerReferences=[
            {"kind": "ExternalSecret", "name": "cerebro-api-secrets"}])], []),
        ([secret(".dockerconfigjson", name="ghcr-pull-secret", type_=PULL_TYPE)],
         ["secret medium: was created by hand: ExternalSecret ghcr-pull-secret takes it over and "
          "sets its values from SSM; it keeps all its keys"]),
        ([secret(".dockerconfigjson", name="ghcr-pull-secret")],
         ["secret high: has type Opaque, but ExternalSecret ghcr-pull-secret creates "
          f"{PULL_TYPE}: the type cannot change, so its sync fails until the Secret is deleted",
          "secret medium: was created by hand: "]),
    ],
)  # fmt: skip
def test_objects_of_others(items: list[Manifest], expected: list[str]) -> None:
    texts = said(review(cluster(*items)), str(Declared.of(items[0]).key))
    ends = [len(text) if text.endswith(" ") else None for text in expected]  # where a text is cut
    assert [text[:end] for text, end in zip(texts, ends, strict=True)] == expected


def test_each_effect_can_be_found_by_its_id() -> None:
    def owned_by_hand(item: Manifest) -> None:
        track(item)
        owner = {"manager": "kubectl-edit", "fieldsV1": {"f:spec": {"f:paused": {}}}}
        item["metadata"]["managedFields"] = [owner]

    items = [
        changed(API, owned_by_hand),
        other("Ingress cerebro/cerebro-api", "second"),
        other(API, "old"),
        secret(*GIVEN),
    ]
    inside = [one for one in DECLARED if one["metadata"].get("namespace") != "crawlers"]
    inside.remove(find("Namespace crawlers"))
    server = ApiServer([*DECLARED, WIDGET], [*inside, ARGOCD, *items])
    server.answers = WIDGETS_DENIED | {
        f"PATCH {place(find('Service cerebro/cerebro-api'))}": refused(422, "field is immutable"),
        f"PATCH {place(find('Service cerebro/cerebro-mcp'))}": refused(400, NO_DRY_RUN),
        f"PATCH {place(find(NAMESPACE))}": warning('unknown field "spec.typo"'),
    }
    report = review(server)
    named = {finding.rule for finding in report.findings}
    assert {effect.id for effect in declared(Effect, findings)} - named == set()


def test_a_secret_in_a_namespace_outside_dist_is_read_without_its_type() -> None:
    head = revision(editing({"Namespace cerebro": None})(rendered()))
    tracked = find("Application argocd/cerebro-api")
    tracked["status"] = application("", secret(*GIVEN))["status"]
    report = compare(cluster(secret(*GIVEN), tracked), head)  # type: ignore[arg-type]
    assert said(report, "Secret cerebro/cerebro-api-secrets") == ["delete high: Argo CD prunes it"]


def test_no_value_of_a_secret_in_dist_is_shown() -> None:
    native = secret("KEY", name="native") | {"data": {"KEY": "aGlkZGVu"}}
    declared = {**native, "metadata": {"name": "native", "namespace": "cerebro"}}
    text = yaml.safe_dump(declared)
    files = {**rendered(), "cerebro/native.yaml": text}
    server = ApiServer(DECLARED, [*DECLARED, ARGOCD, {**native, "data": {"OLD": "Zm9ybWVy"}}])
    report = compare(server, revision(files))  # type: ignore[arg-type]
    expected = (
        "unknown medium: is in dist/, but its values are not compared: the review does not read "
        "Secret values"
    )
    assert expected in said(report, "Secret cerebro/native")
    diff = raw_diff(report.base, report.head)
    shown = to_json(report, diff) + diff.text
    assert "KEY" in shown
    assert not [one for one in ("aGlkZGVu", "Zm9ybWVy") if one in shown]


def test_an_object_that_the_rules_cannot_read_is_reported() -> None:
    texts = said(review(cluster(changed(CLICK, run_hourly))), CLICK)
    assert any(text.startswith("unknown high: cannot be compared") for text in texts)
