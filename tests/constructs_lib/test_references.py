"""What objects refer to: hosts and backends, Secrets and their keys, images."""

from __future__ import annotations

from constructs_lib.manifests.objects import Object
from constructs_lib.manifests.routes import IngressPath, paths, paths_by_rule


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
    metadata = {"name": "one", "namespace": "space"}
    manifest = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata}
    ingress = Object.of({**manifest, "spec": spec})
    every_host = IngressPath("", "/", "ImplementationSpecific", service)
    of_host = IngressPath("example.org", "/a", "Exact", service)
    assert list(paths_by_rule(ingress)) == [[every_host], [of_host]]
    assert list(paths(ingress)) == [every_host, of_host, IngressPath("", "/", "Prefix", default)]
