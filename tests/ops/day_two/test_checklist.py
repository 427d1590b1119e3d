"""Every item of the checklist passes, fails, or is not checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from catalogue import images, open_items
from catalogue.parameters import Parameters
from charts.memory import digest
from constructs_lib.kubernetes import App
from constructs_lib.model import Pin
from ops import checklist
from ops.checklist import declared, live
from ops.checklist.model import Answer, Outcome, Service
from ops.secrets.readers import Source
from tests.ops.day_two.api_server import Object
from tests.ops.day_two.conftest import SECRET, Account, Run
from tests.ops.day_two.world import World
from tests.ops.local_registry import LocalRegistry

Change = Callable[[Object], None]
FAILED, OPEN, PASSED = Outcome.FAILED, Outcome.OPEN, Outcome.PASSED
NOT_CHECKED, NOT_APPLICABLE = Outcome.NOT_CHECKED, Outcome.NOT_APPLICABLE
PINNED = dict.fromkeys(images.load(), Pin(f"sha-{40 * 'a'}", f"sha256:{64 * 'a'}"))


def results(run: Run, *arguments: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(run("checklist", *arguments, "--json").stdout)
    return content


def outcomes(content: dict[str, Any], service: str) -> list[str]:
    return [item["outcome"] for item in content["services"][service]]


def test_offline_nothing_unchecked_counts_as_passed(run: Run) -> None:
    content = results(run)
    assert set(images.load()) <= set(content["services"])
    assert outcomes(content, "cerebro-api") == [
        *(NOT_CHECKED, OPEN, PASSED, NOT_CHECKED),
        *(PASSED, PASSED, PASSED, PASSED, PASSED),
    ]
    assert outcomes(content, "click-runner")[6:] == [NOT_APPLICABLE, PASSED, NOT_APPLICABLE]
    assert {"certificate", "image nebula"} <= {item["name"] for item in content["openItems"]}
    assert content["outcome"] == OPEN


def test_the_status_distinguishes_failed_from_not_checked(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("checklist").exit_code == 1  # because of the open items
    monkeypatch.setattr(open_items, "open_items", lambda *_: [])
    monkeypatch.setattr(images, "load", lambda: PINNED)
    assert run("checklist", "nebula").exit_code == 3
    monkeypatch.setattr(checklist, "committed", dict)
    failing = run("checklist", "nebula")
    assert failing.exit_code == 1
    assert "dist/crawlers/nebula.k8s.yaml is missing; run `make synth`" in failing.stdout


def test_an_unknown_service(run: Run) -> None:
    done = run("checklist", "nebulla")
    assert done.exit_code == 1
    known = done.stderr.partition("service nebulla not found; use one of: ")[2]
    assert set(known.strip().split(", ")) == set(images.load())


@pytest.fixture
def api_service(committed: dict[str, str], app: App, run: Run) -> Service:
    del app, run
    return next(one for one in checklist.services(committed) if one.name == "cerebro-api")


def changed(service: Service, change: Change) -> Service:
    """Return the service with a change in the spec of its Deployment."""
    objects = yaml.safe_load_all(yaml.safe_dump_all(service.objects))
    copies = tuple(objects)
    for item in copies:
        if item["kind"] == "Deployment":
            change(item["spec"])
    return Service(service.name, service.namespace, service.path, service.images, copies)


def container(spec: Object) -> Object:
    found: Object = spec["template"]["spec"]["containers"][0]
    return found


@pytest.mark.parametrize(
    ("check", "change", "detail"),
    [
        (declared.resources, lambda spec: container(spec)["resources"]["limits"].pop("memory"),
         "Deployment cerebro-api, container cerebro-api: no memory limits"),
        (declared.probes, lambda spec: container(spec).pop("readinessProbe"),
         "Deployment cerebro-api, container cerebro-api: no readinessProbe"),
        (declared.probes, lambda spec: container(spec).pop("livenessProbe"),
         "Deployment cerebro-api, container cerebro-api: no livenessProbe"),
        (declared.node_selector, lambda spec: spec["template"]["spec"].pop("nodeSelector"),
         "Deployment cerebro-api does not select kubernetes.io/arch: arm64"),
        (declared.update, lambda spec: spec["strategy"]["rollingUpdate"].update(maxUnavailable=1),
         "Deployment cerebro-api: maxUnavailable is 1, so an update stops old pods first"),
        (declared.update, lambda spec: spec.pop("strategy"),
         "Deployment cerebro-api: maxUnavailable is 25%, so an update stops old pods first"),
    ],
)  # fmt: skip
def test_a_manifest_that_lacks_something_fails_its_item(
    api_service: Service, check: Callable[[Service], list[Answer]], change: Change, detail: str
) -> None:
    assert {finding.outcome for finding in check(api_service)} == {PASSED}
    assert check(changed(api_service, change)) == [Answer(FAILED, detail)]


def test_what_is_edited_by_hand_or_missing_fails(
    api_service: Service, committed: dict[str, str], tmp_path: Any
) -> None:
    edited = {**committed, api_service.path: committed[api_service.path] + "# by hand\n"}
    digests = {path: digest(text) for path, text in committed.items()}
    assert declared.manifests(api_service, edited, digests).outcome is FAILED
    assert declared.manifests(api_service, committed, digests).outcome is PASSED
    sources = [Source("cerebro", "x", "cerebro-api-secrets", {})]
    assert declared.external_secrets(api_service, sources) == [
        Answer(FAILED, "no ExternalSecret creates the Secret cerebro/ghcr-pull-secret")
    ]
    (missing,) = declared.dockerfile(api_service, tmp_path)
    assert missing == Answer(FAILED, "docker/cerebro-api/Dockerfile is missing")
    file = tmp_path / "docker" / "cerebro-api" / "Dockerfile"
    file.parent.mkdir(parents=True)
    file.write_text("# an image to be\n")
    (empty,) = declared.dockerfile(api_service, tmp_path)
    assert empty == Answer(FAILED, "docker/cerebro-api/Dockerfile has no FROM instruction")
    file.write_text("FROM --platform=linux/amd64 python:3.11 AS b\nFROM python:3.11\n")
    (foreign,) = declared.dockerfile(api_service, tmp_path)
    assert foreign.detail == "docker/cerebro-api/Dockerfile: --platform=linux/amd64 is not arm64"


def test_images_are_asked_for_in_the_registry(api_service: Service, server: LocalRegistry) -> None:
    image, tag = f"{server.host}/gnosischain/cerebro-api", PINNED["cerebro-api"].tag
    service = Service("cerebro-api", "cerebro", api_service.path, (image,), ())
    digest = server.push("gnosischain/cerebro-api", tag, ("linux", "arm64"))
    pins = {"cerebro-api": Pin(tag, digest)}
    check = live.registry_check()
    assert [finding.outcome for finding in live.built(service, pins, check)] == [PASSED]
    latest, pinned = live.pushed(service, pins, check)
    assert (latest.outcome, pinned.outcome) == (FAILED, PASSED)
    assert "latest does not exist" in latest.detail

    server.push("gnosischain/cerebro-api", "latest", ("linux", "amd64"))
    (foreign, _) = live.pushed(service, pins, live.registry_check())
    assert "is not built for linux/arm64, only for linux/amd64" in foreign.detail
    server.token_status = 500
    (unknown,) = live.built(service, pins, live.registry_check())
    assert unknown.outcome is NOT_CHECKED


def test_a_tag_that_was_moved_or_a_digest_that_is_gone_fails(
    api_service: Service, server: LocalRegistry
) -> None:
    image, tag = f"{server.host}/gnosischain/cerebro-api", PINNED["cerebro-api"].tag
    service = Service("cerebro-api", "cerebro", api_service.path, (image,), ())
    for moved in ("latest", tag):
        server.push("gnosischain/cerebro-api", moved, ("linux", "arm64"))
    (gone,) = live.built(service, PINNED, live.registry_check())
    assert (gone.outcome, "does not exist" in gone.detail) == (FAILED, True)
    _, pushed = live.pushed(service, PINNED, live.registry_check())
    assert (pushed.outcome, f"{tag} was moved: it points to" in pushed.detail) == (FAILED, True)
    by_tag = {"cerebro-api": Pin(tag)}
    outcomes = [one.outcome for one in live.pushed(service, by_tag, live.registry_check())]
    assert outcomes == [Outcome.OPEN, PASSED, PASSED]


def test_parameters_are_asked_for_in_ssm(account: Account, run: Run) -> None:
    assert outcomes(results(run, "--aws"), "cerebro-api")[3] == FAILED
    for parameter in Parameters:
        account.put(parameter, f"{SECRET}-{parameter.name}")
    assert outcomes(results(run, "--aws"), "cerebro-api")[3] == PASSED
    account.ssm.delete_parameter(Name=Parameters.API_KEYS.path)
    content = results(run, "--aws")
    assert outcomes(content, "cerebro-api")[3] == FAILED
    assert outcomes(content, "nebula")[3] == PASSED


@pytest.mark.usefixtures("run")
def test_without_an_answer_a_live_item_is_not_checked(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    content = results(run, "nebula", "--aws", "--cluster")
    assert outcomes(content, "nebula")[3] == NOT_CHECKED
    (finding,) = content["services"]["nebula"][3]["findings"]
    assert finding["detail"].startswith("AWS cannot be reached")
    (cluster,) = content["cluster"]
    assert cluster["outcome"] == NOT_CHECKED
    assert cluster["detail"].startswith("cannot get the current context of")


def test_argo_cd_and_external_secrets_are_checked(world: World, run: Run) -> None:
    status = {"sync": {"status": "Synced", "revision": 40 * "a"}, "health": {"status": "Healthy"}}
    world.api.objects[f"{live.APPLICATIONS}/nebula"] = {"status": status}
    assert outcomes(results(run, "nebula", "--cluster"), "nebula")[2] == PASSED
    status["health"]["status"] = "Degraded"
    assert outcomes(results(run, "nebula", "--cluster"), "nebula")[2] == FAILED
    assert outcomes(results(run, "nebula", "--cluster"), "nebula")[4] == PASSED
    (secret,) = [path for path in world.api.objects if path.endswith("ecrets/nebula-secrets")][:1]
    world.api.objects[secret]["status"]["conditions"][0] |= {"status": "False", "message": "no key"}
    content = results(run, "nebula", "--cluster")
    assert outcomes(content, "nebula")[4] == FAILED
    assert "no key" in content["services"]["nebula"][4]["findings"][-2]["detail"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "dist/crawlers/nebula.k8s.yaml is missing"),
        ("<<<<<<< ours\na: 1\n=======\n", "dist/crawlers/nebula.k8s.yaml is not valid YAML: "),
        ("- a\n", "dist/crawlers/nebula.k8s.yaml contains a document that is not a"),
    ],
)
def test_nothing_passes_for_an_unreadable_file(
    run: Run, monkeypatch: pytest.MonkeyPatch, committed: dict[str, str], text: str, why: str
) -> None:
    path = "crawlers/nebula.k8s.yaml"
    others = {place: content for place, content in committed.items() if place != path}
    monkeypatch.setattr(checklist, "committed", lambda: others | ({path: text} if text else {}))
    content = results(run, "nebula")
    assert outcomes(content, "nebula")[2:] == [FAILED, *[NOT_CHECKED] * 6]
    assert content["services"]["nebula"][5]["findings"][0]["detail"].startswith(why)


def test_a_parameter_that_left_the_catalogue_fails() -> None:
    (finding,) = live.parameters(["/cerebro/old"], {})
    assert finding == Answer(
        FAILED, "/cerebro/old is not in catalogue/parameters.py; run `make synth`"
    )
