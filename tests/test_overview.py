"""dist/README.md is complete, and does not cause merge conflicts."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from catalogue.parameters import Parameters
from catalogue.platform import AnalyticsPlatform
from charts.registry import render
from constructs_lib.model import Manifest, Pin
from overview import FILE
from tests.conftest import run

_BUMPS = ("cerebro-api", "cerebro-mcp")  # adjacent on the page


@pytest.fixture(scope="module")
def page(platform: AnalyticsPlatform) -> str:
    return render(platform)[FILE]


def test_everything_that_runs_is_on_the_page(page: str, objects: list[Manifest]) -> None:
    named = {o["metadata"]["name"] for o in objects if o["kind"] in ("CronJob", "Service")}
    hosts = {r["host"] for o in objects if o["kind"] == "Ingress" for r in o["spec"]["rules"]}
    images = set(re.findall(r"image: (\S+):", str(objects).replace("'", "")))
    parameters = {parameter.path for parameter in Parameters}
    services = {o["metadata"]["labels"]["app"] for o in objects if o["kind"] == "Deployment"}
    assert not {one for one in named | hosts | images | parameters | services if one not in page}


def test_every_arrow_of_a_diagram_connects_two_nodes(page: str, objects: list[Manifest]) -> None:
    diagrams = re.findall(r"```mermaid\n(flowchart.*?)```", page, re.DOTALL)
    namespaces = {o["metadata"]["namespace"] for o in objects if o["kind"] == "ServiceAccount"}
    assert len(diagrams) == len(namespaces) + 1  # the last shows the parameters
    for diagram in diagrams:
        nodes = set(re.findall(r'^  (\w+)[\[({]+"', diagram, re.MULTILINE))
        ends = {end for arrow in re.findall(r"(\w+) --> (\w+)", diagram) for end in arrow}
        assert ends <= nodes


def test_two_bumps_merge(platform: AnalyticsPlatform, tmp_path: Path) -> None:
    pins = {name: Pin(f"sha-{number:040x}") for number, name in enumerate(_BUMPS)}

    def bumped(*names: str) -> str:
        images = {**platform.images, **{name: pins[name] for name in names}}
        return render(replace(platform, images=images))[FILE]

    versions = {"ours": bumped(_BUMPS[0]), "base": bumped(), "theirs": bumped(_BUMPS[1])}
    for name, text in versions.items():
        (tmp_path / name).write_text(text, "utf-8")
    merged = run("git", "merge-file", "--stdout", *versions, folder=tmp_path)
    assert merged.returncode == 0  # the number of conflicts
    assert merged.stdout == bumped(*_BUMPS)


def test_an_open_item_is_on_the_page_until_it_is_set(
    platform: AnalyticsPlatform, page: str
) -> None:
    known = replace(platform.installation, cluster_name="production")
    without = render(replace(platform, installation=known))[FILE]
    gone = set(page.splitlines()) - set(without.splitlines())
    assert [line.split(" | ")[0] for line in gone] == ["| `cluster_name`"]


def test_argo_cd_reads_no_file_in_the_root_of_dist(objects: list[Manifest]) -> None:
    sources = [o["spec"]["source"] for o in objects if o["kind"] == "Application"]
    assert all(re.fullmatch(r"dist/\w+", source["path"]) for source in sources)
    assert not any(source.get("directory", {}).get("recurse") for source in sources)
