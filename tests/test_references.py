"""Objects fit together: every name leads to an object, and deadlines leave time."""

from __future__ import annotations

import json
from collections.abc import Iterator

from constructs_lib.manifests.capacity import pod_template
from tests.conftest import Manifest

# Named like a Service, but answered by the load balancer from the annotation `actions.deny`.
_ACTIONS = {"deny"}


def dangling(objects: list[Manifest]) -> Iterator[str]:
    """What is referred to, but not there."""
    there = {
        (o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects
    } | {
        ("Secret", o["metadata"]["namespace"], o["spec"]["target"]["name"])
        for o in objects
        if o["kind"] == "ExternalSecret"
    }
    for item in objects:
        namespace = item["metadata"].get("namespace")
        for kind, name in references(item):
            home = None if kind == "ClusterSecretStore" else namespace
            if (kind, home, name) not in there:
                yield f"{item['kind']} {item['metadata']['name']} names {kind} {name}"
        yield from unserved_ports(item, objects)


def references(item: Manifest) -> Iterator[tuple[str, str]]:
    """Kind and name of everything that an object refers to."""
    if template := pod_template(item):
        yield from pod_references(template["spec"])
    if item["kind"] == "ExternalSecret":
        yield item["spec"]["secretStoreRef"]["kind"], item["spec"]["secretStoreRef"]["name"]
    if item["kind"] == "Ingress":
        for backend in backends(item):
            if backend["name"] not in _ACTIONS:
                yield "Service", backend["name"]


def pod_references(spec: Manifest) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", spec["serviceAccountName"]
    for secret in spec["imagePullSecrets"]:
        yield "Secret", secret["name"]
    for container in spec["containers"]:
        for source in container.get("envFrom", ()):
            yield "Secret", source["secretRef"]["name"]
    for volume in spec["volumes"]:
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]


def backends(ingress: Manifest) -> Iterator[Manifest]:
    for rule in ingress["spec"]["rules"]:
        for path in rule["http"]["paths"]:
            yield path["backend"]["service"]


def unserved_ports(item: Manifest, objects: list[Manifest]) -> Iterator[str]:
    """A Service, probe or Ingress whose port nothing listens on."""
    name = item["metadata"]["name"]
    if item["kind"] == "Service":
        selected = [
            template
            for o in objects
            if (template := pod_template(o))
            and item["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        ]
        for port in item["spec"]["ports"]:
            if not any(port["targetPort"] in listening(pods) for pods in selected):
                yield f"Service {name} sends to port {port['targetPort']}"
    if template := pod_template(item):
        yield from (f"{probe} of {name}" for probe in unserved_probes(template))
    if item["kind"] == "Ingress":
        ports = {
            (o["metadata"]["name"], port["port"])
            for o in objects
            if o["kind"] == "Service"
            for port in o["spec"]["ports"]
        }
        for backend in backends(item):
            wanted = (backend["name"], backend["port"].get("number"))
            if backend["name"] not in _ACTIONS and wanted not in ports:
                yield f"Ingress {name} sends to {wanted}"


def unserved_probes(template: Manifest) -> Iterator[str]:
    for container in template["spec"]["containers"]:
        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            for check in ("httpGet", "tcpSocket"):
                asked = container.get(probe, {}).get(check, {}).get("port")
                if asked is not None and asked not in listening(template):
                    yield f"port {asked} asked by {probe}"


def listening(template: Manifest) -> set[int]:
    """The ports of a pod."""
    return {
        port["containerPort"]
        for container in template["spec"]["containers"]
        for port in container.get("ports", ())
    }


def test_every_reference_resolves(objects: list[Manifest]) -> None:
    assert not list(dangling(objects))


def test_a_missing_object_is_noticed(objects: list[Manifest]) -> None:
    for kind in ("Service", "ServiceAccount", "ExternalSecret", "ClusterSecretStore"):
        assert list(dangling([o for o in objects if o["kind"] != kind])), kind


def test_a_port_that_nobody_listens_on_is_noticed(objects: list[Manifest]) -> None:
    text = json.dumps(next(o for o in objects if o["metadata"]["name"] == "nebula"
                           and o["kind"] == "Deployment"))  # fmt: skip
    moved = json.loads(text.replace('"containerPort": 9090', '"containerPort": 81'))
    assert "port 9090 asked by startupProbe of nebula" in list(unserved_ports(moved, []))


def test_a_moved_port_is_noticed(objects: list[Manifest]) -> None:
    moved = [
        {**o, "spec": {**o["spec"], "ports": [{**o["spec"]["ports"][0], "targetPort": 81}]}}
        if o["kind"] == "Service"
        else o
        for o in objects
    ]
    assert list(dangling(moved))


def test_no_deployment_is_called_failed_while_it_may_still_start(objects: list[Manifest]) -> None:
    for spec in (o["spec"] for o in objects if o["kind"] == "Deployment"):
        for container in spec["template"]["spec"]["containers"]:
            startup = container.get("startupProbe", {"failureThreshold": 0})
            waits = startup.get("periodSeconds", 10) * startup.get("failureThreshold", 3)
            assert waits < spec.get("progressDeadlineSeconds", 600), container["name"]
