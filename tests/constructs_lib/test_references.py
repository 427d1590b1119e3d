"""What objects refer to: hosts and backends, Secrets and their keys, images."""

import pytest

from constructs_lib.manifests.network import IngressPath, paths
from constructs_lib.manifests.objects import Object, Objects
from constructs_lib.manifests.references import (
    EVERY_KEY,
    ImageReference,
    readers_of_secret,
    secret_keys,
)
from constructs_lib.model import Manifest
from tests.conftest import manifest


def test_an_omitted_host_path_and_type_are_read_as_the_controller_reads_them() -> None:
    service, default = {"service": {"name": "one"}}, {"service": {"name": "two"}}
    spec = {
        "rules": [
            {"host": "example.org"},
            {"http": {"paths": [{"backend": service}]}},
            {
                "host": "example.org",
                "http": {"paths": [{"path": "/a", "pathType": "Exact", "backend": service}]},
            },
        ],
        "defaultBackend": default,
    }
    ingress = Object.of(manifest("networking.k8s.io/v1/Ingress", spec))
    every_host = IngressPath("*", "/*", "ImplementationSpecific", service, "")
    of_host = IngressPath("example.org", "/a", "Exact", service, "")
    assert list(paths(ingress)) == [
        *(every_host, of_host),
        IngressPath("*", "/", "Prefix", default, "", is_default=True),
    ]


SYNCED = "external-secrets.io/v1/ExternalSecret"
DATA = [{"secretKey": "A", "remoteRef": {"key": "/a"}}]


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        ({"data": DATA}, {"A": "/a"}),
        ({"dataFrom": [{"extract": {"key": "/b"}}]}, {EVERY_KEY: "/b"}),
        (
            {"data": DATA, "dataFrom": [{"extract": {"key": key}} for key in ("/b", "/c")]},
            {"A": "/a", EVERY_KEY: "/b", f"{EVERY_KEY} of /c": "/c"},
        ),
        (
            {"data": DATA, "target": {"template": {"data": {"a": "{{ .A }}", "b": "{{ .A }}!"}}}},
            {"a": "/a"},
        ),
        (
            {
                "dataFrom": [{"extract": {"key": "/b"}}],
                "target": {"template": {"data": {"user": "{{ .name }}"}}},
            },
            {"user": "/b"},
        ),
    ],
)
def test_the_parameter_of_each_key_of_a_secret(spec: Manifest, parameters: dict[str, str]) -> None:
    assert secret_keys(manifest(SYNCED, spec)) == parameters


def test_a_workload_that_starts_without_a_secret_reads_it_too() -> None:
    container = {"name": "one", "envFrom": [{"secretRef": {"name": "one", "optional": True}}]}
    workload = manifest("apps/v1/Deployment", {"template": {"spec": {"containers": [container]}}})
    objects = Objects.of([manifest(SYNCED, {}), workload])
    assert [str(reader) for reader in readers_of_secret(objects, "space", "one")] == ["space/one"]
    assert readers_of_secret(objects, "space", "two") == []


@pytest.mark.parametrize(
    ("reference", "host", "parts", "build"),
    [
        ("one", "docker.io", ("one", "", ""), "latest"),
        ("ghcr.io/a/one:v1", "ghcr.io", ("ghcr.io/a/one", "v1", ""), "v1"),
        ("localhost/one@sha256:ab", "localhost", ("localhost/one", "", "sha256:ab"), "sha256:ab"),
        ("h:5000/one:v1@sha256:ab", "h:5000", ("h:5000/one", "v1", "sha256:ab"), "v1"),
        ("h:5000/one", "h:5000", ("h:5000/one", "", ""), "latest"),
    ],
)
def test_the_parts_of_an_image_reference(
    reference: str, host: str, parts: tuple[str, str, str], build: str
) -> None:
    image = ImageReference.of(reference)
    assert (image, image.host, image.name, image.build) == (parts, host, "one", build)
