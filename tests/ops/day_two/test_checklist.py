"""Every item of the checklist passes, fails, or is not checked."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalogue import images, open_items
from catalogue.parameters import Parameters
from constructs_lib.model import Pin
from ops import rendered
from ops.checklist import services
from ops.checklist.results import CheckResult, Outcome, Report, results_of
from ops.checklist.services import CHECKS, CheckedService, Inputs
from tests import fixed
from tests.ops.day_two.api_server import ApiServer, Object
from tests.ops.day_two.conftest import SECRET, Run
from tests.ops.day_two.world import Account, World
from tests.ops.local_registry import LocalRegistry

Change = Callable[[Object], object]
FAILED, OPEN, PASSED = Outcome.FAILED, Outcome.OPEN, Outcome.PASSED
NOT_CHECKED, NOT_APPLICABLE = Outcome.NOT_CHECKED, Outcome.NOT_APPLICABLE
PINNED = dict.fromkeys(images.load(), Pin(f"sha-{40 * 'a'}", f"sha256:{64 * 'a'}"))
UPDATE = "Zero-downtime update"
API, NEBULA = "cerebro/cerebro-api.k8s.yaml", "crawlers/nebula.k8s.yaml"


def results(run: Run, *arguments: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(run("checklist", *arguments, "--json").stdout)
    return content


def outcomes(content: dict[str, Any], service: str) -> list[str]:
    return [item["outcome"] for item in content["services"][service]]


def test_offline_nothing_unchecked_counts_as_passed(run: Run) -> None:
    content = results(run)
    assert set(fixed.platform().images) <= set(content["services"])
    assert outcomes(content, "cerebro-api") == [
        *(NOT_CHECKED, OPEN, PASSED, NOT_CHECKED),
        *(PASSED, PASSED, PASSED, PASSED, PASSED),
    ]
    assert outcomes(content, "click-runner")[6:] == [NOT_APPLICABLE, PASSED, NOT_APPLICABLE]
    assert {"certificate", "image nebula"} <= {item["name"] for item in content["openItems"]}
    assert content["outcome"] == OPEN
    of_nebula = {item["name"] for item in results(run, "nebula")["openItems"]}
    assert "image nebula" in of_nebula
    assert not {"image cerebro-api", "click-runner-dune-labels"} & of_nebula


def test_the_status_distinguishes_failed_from_not_checked(
    run: Run, monkeypatch: pytest.MonkeyPatch, dist: dict[str, str]
) -> None:
    assert run("checklist").exit_code == 1  # because of the open items
    monkeypatch.setattr(open_items, "open_items", lambda *_: [])
    monkeypatch.setattr(images, "load", lambda: PINNED)
    assert run("checklist", "nebula").exit_code == 3
    monkeypatch.setattr(rendered, "files", lambda: {**dist, NEBULA: f"{dist[NEBULA]}# by hand\n"})
    failing = run("checklist", "nebula")
    assert failing.exit_code == 1
    assert f"dist/{NEBULA} differs from what the code renders; run `make synth`" in failing.stdout


def test_an_unknown_service(api: ApiServer, run: Run) -> None:
    message = run.refused("checklist", "nebulla", "--cluster")
    known = message.partition("service nebulla not found; use one of: ")[2]
    assert set(known.split(", ")) == set(fixed.platform().images)
    assert api.reads == ["/version"]  # before the prerequisites


def test_the_details_list_equal_results(capfd: pytest.CaptureFixture[str]) -> None:
    report = Report({"nebula": {"Image is pushed": 2 * [OPEN("no commit is pinned")]}}, {}, [])
    for details, lines in ((True, 2), (False, 1)):
        report.show(details=details)
        assert capfd.readouterr().out.count("no commit is pinned") == lines
    assert len(report.as_json()["services"]["nebula"][0]["findings"]) == 2


@pytest.fixture
def inputs(dist: dict[str, str]) -> Inputs:
    """The inputs of the checks without options."""
    return Inputs(
        platform=fixed.platform(),
        files=dist,
        rendered=dist,
        stored={},
        registry=False,
        cluster=None,
    )


def of_item(inputs: Inputs, item: str, **changes: Any) -> list[CheckResult]:
    """Return the results of cerebro-api with changed inputs."""
    inputs = replace(inputs, **changes)
    service = next(one for one in inputs.services() if one.name == "cerebro-api")
    return results_of(CHECKS, service, inputs)[item]


def edited(inputs: Inputs, change: Change) -> dict[str, str]:
    """Return dist/ with a change in the spec of cerebro-api's Deployment."""
    objects = list(yaml.safe_load_all(inputs.files[API]))
    for item in objects:
        if item["kind"] == "Deployment":
            change(item["spec"])
    return {**inputs.files, API: yaml.safe_dump_all(objects)}


def container(spec: Object) -> Object:
    found: Object = spec["template"]["spec"]["containers"][0]
    return found


def of_containers(place: str, field: str) -> Change:
    """Delete a field of the container, or of one of its fields."""
    return lambda spec: reduce(getitem, place.split(), container(spec)).pop(field)


def rolling(**strategy: object) -> Change:
    return lambda spec: spec["strategy"]["rollingUpdate"].update(strategy)


RESOURCES, PROBES = "Requests and limits", "Probes"
WITH_CONTAINER = "Deployment cerebro/cerebro-api: container cerebro-api has no"


@pytest.mark.parametrize(
    ("item", "change", "outcome", "detail"),
    [
        (RESOURCES, of_containers("resources limits", "memory"), FAILED,
         f"{WITH_CONTAINER} limit for memory; set requests and limits for cpu, memory"),
        (RESOURCES, of_containers("resources requests", "ephemeral-storage"), FAILED,
         f"{WITH_CONTAINER} request for ephemeral-storage; set requests"),
        (PROBES, of_containers("", "readinessProbe"), FAILED,
         f"{WITH_CONTAINER} readinessProbe, so it gets requests before it is ready"),
        (PROBES, of_containers("", "livenessProbe"), FAILED,
         f"{WITH_CONTAINER} livenessProbe, so it is not restarted if it hangs"),
        ("Nodes are arm64", lambda spec: spec["template"]["spec"].pop("nodeSelector"), FAILED,
         "Deployment cerebro/cerebro-api: its pods run on any nodes, but images are built for"),
        (UPDATE, rolling(maxUnavailable=1), FAILED,
         "Deployment cerebro/cerebro-api: an update leaves 1 of 2 pods missing; set maxUnavailab"),
        (UPDATE, rolling(maxUnavailable="0%"), PASSED,
         "Deployment cerebro-api: 2 pods, maxSurge 1, maxUnavailable 0%"),
        (UPDATE, lambda spec: spec.pop("strategy"), PASSED,  # 25% of two pods: rounded down to none
         "Deployment cerebro-api: 2 pods, maxSurge 25%, maxUnavailable 25%"),
    ],
)  # fmt: skip
def test_an_item_follows_its_rule(
    inputs: Inputs, item: str, change: Change, outcome: Outcome, detail: str
) -> None:
    (result,) = of_item(inputs, item, files=edited(inputs, change))
    assert (result.outcome, result.detail[: len(detail)]) == (outcome, detail)


def test_a_secret_that_no_external_secret_creates_fails(inputs: Inputs) -> None:
    files = {path: text for path, text in inputs.files.items() if "namespace" not in path}
    assert of_item(inputs, "ExternalSecrets", files=files) == [
        CheckResult(FAILED, "no ExternalSecret creates the Secret cerebro/ghcr-pull-secret")
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, " is missing"),
        ("# an image to be\n", " has no FROM instruction"),
        ("FROM --platform=linux/amd64 python:3.11 AS b\nFROM python:3.11\n",
         ": --platform=linux/amd64 is not arm64"),
    ],
)  # fmt: skip
def test_a_dockerfile_that_does_not_build_for_arm64_fails(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, problem: str
) -> None:
    monkeypatch.setattr(services, "ROOT", tmp_path)
    file = tmp_path / "docker" / "cerebro-api" / "Dockerfile"
    if text:
        file.parent.mkdir(parents=True)
        file.write_text(text)
    result, _ = of_item(inputs, "Image builds for arm64")
    assert result == CheckResult(FAILED, f"docker/cerebro-api/Dockerfile{problem}")


def of_images(inputs: Inputs, pins: dict[str, Pin]) -> list[tuple[Outcome, str]]:
    """Return the results for the pinned image, then for its tags."""
    services.check_image.cache_clear()
    service = CheckedService("cerebro-api", "cerebro", API, pins, "")
    of_items = results_of(CHECKS, service, inputs)
    results = [*of_items["Image builds for arm64"][len(pins) :], *of_items["Image is pushed"]]
    return [(result.outcome, result.detail) for result in results]


def test_images_are_looked_up_in_the_registry(inputs: Inputs, server: LocalRegistry) -> None:
    image, tag = f"{server.host}/gnosischain/cerebro-api", PINNED["cerebro-api"].tag
    looked_up = partial(of_images, replace(inputs, registry=True))
    digest = server.push("gnosischain/cerebro-api", tag, ("linux", "arm64"))
    (built, _), (latest, missing), (pinned, _) = looked_up({image: Pin(tag, digest)})
    assert (built, latest, pinned) == (PASSED, FAILED, PASSED)
    assert "latest does not exist" in missing

    server.push("gnosischain/cerebro-api", "latest", ("linux", "arm64"))
    (built, gone), _, (pinned, moved) = looked_up({image: PINNED["cerebro-api"]})
    assert (built, pinned) == (FAILED, FAILED)
    assert "does not exist" in gone
    assert f"{tag} was moved: it points to" in moved
    by_tag = [outcome for outcome, _ in looked_up({image: Pin(tag)})]
    assert by_tag == [PASSED, OPEN, PASSED, PASSED]
    server.answers["/token"] = (500, b"")
    assert {outcome for outcome, _ in looked_up({image: Pin(tag, digest)})} == {NOT_CHECKED}


def test_every_image_without_a_pinned_commit_is_open(inputs: Inputs) -> None:
    found = of_images(inputs, {"cerebro-api": PINNED["cerebro-api"], "nebula": Pin("latest")})
    assert [outcome for outcome, _ in found] == [NOT_CHECKED, OPEN, NOT_CHECKED]


def test_parameters_are_looked_up_in_ssm(account: Account, run: Run) -> None:
    assert outcomes(results(run, "--aws"), "cerebro-api")[3] == FAILED
    for parameter in Parameters:
        account.put(parameter, f"{SECRET}-{parameter.name}")
    assert outcomes(results(run, "--aws"), "cerebro-api")[3] == PASSED
    account.ssm.delete_parameter(Name=Parameters.API_KEYS.path)
    content = results(run, "--aws")
    assert outcomes(content, "cerebro-api")[3] == FAILED
    assert outcomes(content, "nebula")[3] == PASSED


def test_a_parameter_that_left_the_catalogue_fails(inputs: Inputs) -> None:
    text = inputs.files[API].replace(Parameters.API_KEYS.path, "/cerebro/old")
    found = of_item(inputs, "Parameters are set", files={**inputs.files, API: text})
    problem = "/cerebro/old is not in catalogue/parameters.py; run `make synth`"
    assert CheckResult(FAILED, problem) in found


@pytest.mark.usefixtures("credentials")
def test_without_a_response_a_live_item_is_not_checked(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    content = results(run, "nebula", "--aws", "--cluster")
    assert outcomes(content, "nebula")[3] == NOT_CHECKED
    (finding,) = content["services"]["nebula"][3]["findings"]
    assert finding["detail"].startswith("AWS cannot be reached")
    (cluster,) = content["cluster"]
    assert cluster["outcome"] == NOT_CHECKED
    assert cluster["detail"].startswith("cannot get the current context of")


def test_argo_cd_and_external_secrets_are_checked(world: World, run: Run) -> None:
    status = {"sync": {"status": "Synced", "revision": 40 * "a"}, "health": {"status": "Healthy"}}
    world.api.objects[world.path("Application", "argocd", "nebula")] = {"status": status}
    assert outcomes(results(run, "nebula", "--cluster"), "nebula")[2] == PASSED
    status["health"]["status"] = "Degraded"
    found = outcomes(results(run, "nebula", "--cluster"), "nebula")
    assert (found[2], found[4]) == (FAILED, PASSED)
    (secret,) = [path for path in world.api.objects if path.endswith("ecrets/nebula-secrets")][:1]
    world.api.objects[secret]["status"]["conditions"][0] |= {"status": "False", "message": "no key"}
    content = results(run, "nebula", "--cluster")
    assert outcomes(content, "nebula")[4] == FAILED
    assert "no key" in content["services"]["nebula"][4]["findings"][-2]["detail"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, f"dist/{NEBULA} is missing"),
        ("<<<<<<< ours\na: 1\n=======\n", f"dist/{NEBULA}:2 at the working tree: "),
        ("- a\n", f"dist/{NEBULA}:1 at the working tree: it is not a mapping; "),
    ],
)
def test_nothing_passes_for_an_unreadable_file(
    run: Run, monkeypatch: pytest.MonkeyPatch, dist: dict[str, str], text: str | None, why: str
) -> None:
    others = {path: content for path, content in dist.items() if path != NEBULA}
    monkeypatch.setattr(rendered, "files", lambda: others | ({NEBULA: text} if text else {}))
    content = results(run, "nebula")
    assert outcomes(content, "nebula")[2:] == [FAILED, *[NOT_CHECKED] * 6]
    assert content["services"]["nebula"][5]["findings"][0]["detail"].startswith(why)
