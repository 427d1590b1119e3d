"""What load balancers answer, and the table of their settings."""

import json
from pathlib import Path

import pytest

from constructs_lib.manifests.facts import field_of
from constructs_lib.manifests.network import ALB
from constructs_lib.manifests.objects import GROUPS, Objects
from constructs_lib.manifests.routing import load_balancers
from constructs_lib.model import Manifest
from tests.mutants import start

_DOCUMENTED = Path(__file__).with_name("annotations.txt").read_text("utf-8").split()
"""The annotations in pkg/annotations/constants.go of the controller, and those with a free name."""
_ANNOTATIONS = ("metadata", "annotations")


def ingress(name: str, *rules: tuple[str, list[Manifest]], **annotations: str) -> Manifest:
    notes = {f"{ALB}{key.replace('_', '.')}": value for key, value in annotations.items()}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "web", "annotations": notes},
        "spec": {
            "rules": [
                {"http": {"paths": paths}} | ({"host": host} if host else {})
                for host, paths in rules
            ]
        },
    }


def to(service: str, path: str = "", type_: str = "ImplementationSpecific") -> Manifest:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    return {"pathType": type_, "backend": backend} | ({"path": path} if path else {})


@pytest.mark.parametrize(
    ("host", "path", "answer"),
    [
        ("one.example.org", "/a", "exact"),
        ("ONE.example.org", "/a/", "long"),
        ("one.example.org", "/a/b", "long"),
        ("one.example.org", "/ab", "root"),
        ("one.example.org", "/A", "root"),
        ("two.example.org", "/x.php", "pattern"),
        ("two.example.org", "/x.php5", "pattern"),
        ("two.example.org", "/x.php55", "404"),
        ("deep.two.example.org", "/", "first"),
        ("elsewhere", "/", "404"),
    ],
)
def test_the_first_rule_in_the_order_of_the_controller_answers(
    host: str, path: str, answer: str
) -> None:
    written = [to("root", "/", "Prefix"), to("late", "/a*"), to("long", "/a/", "Prefix")]
    one = ingress(
        "b",
        ("one.example.org", [*written, to("exact", "/a", "Exact")]),
        ("*.two.example.org", [to("second")]),
        ("two.example.org", [to("pattern", "*.php"), to("pattern", "*.php?")]),
        group_name="shared",
    )
    other = ingress("a", ("*.two.example.org", [to("last")]), group_name="shared", group_order="3")
    first = ingress(
        "c", ("*.two.example.org", [to("first")]), group_name="shared", group_order="-1"
    )
    (balancer,) = load_balancers(Objects.of([one, other, first]))
    (route,) = balancer.routes(("HTTP", 80), host, path)
    assert answer in route.detail


@pytest.mark.parametrize("kind", ["Ingress", "Service"])
def test_each_annotation_of_the_controller_has_a_row(kind: str) -> None:
    written = {name for item in start() for name in item.annotations if name.startswith(ALB)}
    assert f"{ALB}scheme" in written
    names = [*written, *_DOCUMENTED]
    if kind == "Ingress":
        names = [name for name in names if name.startswith(ALB)]
    rows = {name: field_of((GROUPS[kind], kind), (*_ANNOTATIONS, name)) for name in names}
    unknown = {name for name, row in rows.items() if row is None or row.unknown}
    assert unknown == {f"{ALB}load-balancer-attributes", f"{ALB}target-group-attributes"}


def test_conditions_are_not_evaluated() -> None:
    notes = {"conditions_one": json.dumps([{"field": "source-ip"}])}
    (balancer,) = load_balancers(
        Objects.of([ingress("a", ("", [to("one", "/", "Prefix"), to("two", "/*")]), **notes)])
    )
    kinds = [(r.detail, r.condition) for r in balancer.routes(("HTTP", 80), "any", "/a")]
    assert kinds == [
        ("by Service one:80", '[{"field": "source-ip"}]'),
        ("by Service two:80", ""),
    ]


def test_no_request_reaches_a_path_that_an_earlier_rule_takes_wholly() -> None:
    every = ("*.example.org", [to("every", "/a", "Prefix"), to("few", "/b?"), to("many", "/b*")])
    one = (
        "one.example.org",
        [to("never", "/a/b", "Exact"), to("every", "/a/c"), to("x", "/b12")],
    )
    any_host = ("", [to("reached", "/a/b", "Exact")])
    (balancer,) = load_balancers(Objects.of([ingress("one", every, one, any_host)]))
    shadowed = [f"{path} by {first}" for path, first in balancer.shadowed()]
    assert shadowed == [
        "one.example.org/a/b by *.example.org/a",
        "one.example.org/b12 by *.example.org/b*",
    ]
