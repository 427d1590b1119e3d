"""Adds the documented examples to a copy of this repository, as described."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from charts.output import read
from constructs_lib.model import Manifest
from tests.conftest import ROOT, copy_checkout, edit, make_room, parse, run
from tests.test_schemas import problems as schema_problems

_EXAMPLES = ROOT / "docs/examples"


def renamed(text: str) -> str:
    """The text with other names for the services, because documented ones may exist."""
    for old, new in (("hello", "welcome"), ("greeter", "doorman")):
        for spell in (str.lower, str.title, str.upper):
            text = text.replace(spell(old), spell(new))
    return text


def add(checkout: Path, namespace: str, charts: Mapping[str, str]) -> None:
    """Add charts, text by service, with a line in the registry and a pin."""
    folder = checkout / "charts" / namespace
    folder.mkdir(exist_ok=True)
    for service, text in charts.items():
        (folder / f"{service}.py").write_text(renamed(text))
        (checkout / f"catalogue/images/{service}.pin").write_text("latest\n")
        line = f'    "charts.{namespace}.{service}:{service.title()}",\n'
        insert(checkout / "charts/registry.py", "CHARTS = (\n", line)


def add_examples(checkout: Path, namespace: str) -> None:
    names = {"welcome": "hello.py", "doorman": "greeter.py"}
    texts = {service: (_EXAMPLES / name).read_text() for service, name in names.items()}
    add(checkout, namespace, texts)
    configuration = renamed((_EXAMPLES / "hello.toml").read_text())
    (checkout / "charts" / namespace / "welcome.toml").write_text(configuration)
    insert(
        checkout / "catalogue/hosts.py",
        '    API = "api.analytics.gnosis.io"\n',
        '    WELCOME = "welcome.analytics.gnosis.io"\n',
    )


def insert(file: Path, after: str, lines: str) -> None:
    edit(file, after, after + lines)


def third_namespace(checkout: Path) -> None:
    readme = (_EXAMPLES / "README.md").read_text()
    (entry,) = re.findall(r"^    Limits\(.*?^    \),\n", readme, re.DOTALL | re.MULTILINE)
    entry = entry.replace('"labs"', '"trials"')
    insert(checkout / "charts/cluster/namespaces.py", "NAMESPACES = (\n", entry)


def rendered(checkout: Path) -> dict[str, str]:
    done = run(sys.executable, "app.py", folder=checkout)
    assert (done.returncode, done.stderr) == (0, "")
    return read(checkout / "dist")


def by_name(text: str) -> dict[str, Manifest]:
    return {f"{one['kind']} {one['metadata']['name']}": one for one in parse({"a.yaml": text})}


def admits(files: dict[str, str], namespace: str) -> bool:
    """Whether the AppProject admits the new kinds and the namespace."""
    project = by_name(files["argocd/root.k8s.yaml"])["AppProject gnosis-analytics"]["spec"]
    kinds = {one["kind"] for one in project["namespaceResourceWhitelist"]}
    places = {one["namespace"] for one in project["destinations"]}
    return {"ConfigMap", "HorizontalPodAutoscaler"} <= kinds and namespace in places


@pytest.mark.parametrize("namespace", ["cerebro", "trials"])
def test_an_example_changes_only_the_files_in_its_readme(tmp_path: Path, namespace: str) -> None:
    checkout = copy_checkout(tmp_path)
    make_room(checkout)
    before = rendered(checkout)
    add_examples(checkout, namespace)
    if namespace == "trials":
        third_namespace(checkout)
    files = rendered(checkout)
    added = {f"{namespace}/welcome.k8s.yaml", f"{namespace}/doorman.k8s.yaml"}
    follows = {"README.md", "argocd/applications.k8s.yaml"}
    if not admits(before, namespace):
        follows.add("argocd/root.k8s.yaml")
    if namespace == "trials":
        added.add("cluster/namespace-trials.k8s.yaml")
        follows.add("cluster/aws-ssm.k8s.yaml")
    assert files.keys() - before.keys() == added
    assert {path for path, text in before.items() if files[path] != text} == follows

    assert not schema_problems(list(parse({path: files[path] for path in added})))
    welcome = by_name(files[f"{namespace}/welcome.k8s.yaml"])
    deployment = welcome["Deployment welcome"]
    assert deployment["spec"]["minReadySeconds"] == 5
    assert deployment["spec"]["template"]["spec"]["initContainers"][0]["name"] == "warm-up"
    configuration = welcome["ConfigMap welcome-config"]["data"]
    assert configuration["etc_welcome_welcome.toml"].startswith("greeting")
    assert welcome["ConfigMap welcome-flags"]["metadata"]["namespace"] == namespace
    assert welcome["HorizontalPodAutoscaler welcome"]["spec"]["maxReplicas"] == 3
    assert welcome["Service welcome"]["metadata"]["annotations"] == {"example.org/owner": "data"}
    doorman = by_name(files[f"{namespace}/doorman.k8s.yaml"])
    callers = [
        rule["from"][0]["podSelector"]
        for rule in doorman["NetworkPolicy doorman"]["spec"]["ingress"]
    ]
    assert {"matchLabels": {"app": "welcome"}} in callers

    assert admits(files, namespace)
    store = by_name(files["cluster/aws-ssm.k8s.yaml"])["ClusterSecretStore aws-ssm"]
    assert namespace in store["spec"]["conditions"][0]["namespaces"]
    assert "2 to 3 pods" in files["README.md"]


def test_the_service_of_the_readme_is_one_chart_file_one_line_and_a_pin(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path)
    make_room(checkout)
    section = (ROOT / "README.md").read_text("utf-8").partition("## Adding a service")[2]
    chart = dedent("   " + section.partition("```python")[2].partition("```")[0].strip("\n "))
    add(checkout, "cerebro", {"welcome": chart})
    files = rendered(checkout)
    assert {title.split()[0] for title in by_name(files["cerebro/welcome.k8s.yaml"])} == {
        "Deployment",
        "ExternalSecret",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    }
    assert "include: welcome.k8s.yaml" in files["argocd/applications.k8s.yaml"]
