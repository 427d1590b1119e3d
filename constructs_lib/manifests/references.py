"""References of objects to other objects by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from constructs_lib.manifests.network import backends
from constructs_lib.manifests.objects import Key, Object, Objects, at, group, once_per_objects
from constructs_lib.manifests.workload import Workload, workloads
from constructs_lib.model import Manifest

_RBAC = "rbac.authorization.k8s.io"


def of_object(item: Object) -> Iterator[tuple[Key, str]]:
    """The objects that must exist for an object, each with the field that refers to it.

    The Secrets and ConfigMaps that pods read are omitted.
    """
    if isinstance(item, Workload):
        yield from _of_workload(item)
    match item.kind:
        case "ExternalSecret":
            store = at(item.spec, "secretStoreRef")
            kind = store.get("kind", "SecretStore")
            namespace = item.namespace if kind == "SecretStore" else ""
            if kind in ("ClusterSecretStore", "SecretStore"):
                yield Key(item.key.group, kind, namespace, str(store.get("name"))), "secretStoreRef"
        case "HorizontalPodAutoscaler":
            yield scaled_by(item), "scaleTargetRef"
        case "Ingress":
            for to, _ in backends(item):
                yield to, "a backend"
            secrets = (tls.get("secretName") for tls in item.spec.get("tls") or ())
            for secret in filter(None, secrets):
                yield Key("", "Secret", item.namespace, secret), "tls"
        case "RoleBinding" | "ClusterRoleBinding":
            yield from _bound(item)
        case "Application":
            yield project_of(item), "project"


def _of_workload(workload: Workload) -> Iterator[tuple[Key, str]]:
    pod, namespace = workload.pod, workload.namespace
    if workload.account != "default":
        yield Key("", "ServiceAccount", namespace, workload.account), "serviceAccountName"
    for secret in workload.pull_secrets:
        yield Key("", "Secret", namespace, secret), "imagePullSecrets"
    for volume in workload.volumes:
        if claim := at(volume, "persistentVolumeClaim").get("claimName"):
            yield Key("", "PersistentVolumeClaim", namespace, claim), f"volume {volume.get('name')}"
    priority = pod.get("priorityClassName")
    if priority and not priority.startswith("system-"):
        yield Key("scheduling.k8s.io", "PriorityClass", "", priority), "priorityClassName"
    if runtime := pod.get("runtimeClassName"):
        yield Key("node.k8s.io", "RuntimeClass", "", runtime), "runtimeClassName"
    if workload.kind == "StatefulSet" and (service := workload.spec.get("serviceName")):
        yield Key("", "Service", namespace, service), "serviceName"


def project_of(application: Object) -> Key:
    """The AppProject of an Application."""
    project = str(application.spec.get("project"))
    return Key(application.key.group, "AppProject", application.namespace, project)


def scaled_by(autoscaler: Object) -> Key:
    """The workload that a HorizontalPodAutoscaler scales."""
    target = at(autoscaler.spec, "scaleTargetRef")
    return Key(
        group(target), str(target.get("kind")), autoscaler.namespace, str(target.get("name"))
    )


def _bound(item: Object) -> Iterator[tuple[Key, str]]:
    role = item.manifest.get("roleRef") or {}
    namespace = item.namespace if role.get("kind") == "Role" else ""
    yield Key(_RBAC, str(role.get("kind")), namespace, str(role.get("name"))), "roleRef"
    for subject in item.manifest.get("subjects") or ():
        if subject.get("kind") == "ServiceAccount":
            of = subject.get("namespace") or item.namespace
            yield Key("", "ServiceAccount", of, str(subject.get("name"))), "subjects"


DOCKER_CONFIG = "kubernetes.io/dockerconfigjson"
"""The type of a pull secret."""
EVERY_KEY = "every key"
"""The key name if a whole parameter is extracted into keys."""
_COPIED = re.compile(r"\{\{ \.(\S+) \}\}")


def secret_of(external_secret: Manifest) -> str:
    """The name of the Secret that it creates."""
    name = at(external_secret, "spec", "target").get("name")
    return str(name or external_secret["metadata"]["name"])


def secret_type(external_secret: Manifest) -> str:
    """The type of the Secret that it creates."""
    return str(_template(external_secret).get("type") or "Opaque")


def _template(external_secret: Manifest) -> Manifest:
    return at(external_secret, "spec", "target", "template")


def remote_keys(external_secret: Manifest) -> Iterator[tuple[str, str]]:
    """Each key with the path of its parameter."""
    spec = at(external_secret, "spec")
    for entry in spec.get("data") or ():
        yield entry["secretKey"], entry["remoteRef"]["key"]
    for source in spec.get("dataFrom") or ():
        if path := at(source, "extract").get("key"):
            yield EVERY_KEY, path


def secret_keys(external_secret: Manifest) -> dict[str, str]:
    """The parameter of each key of the Secret that it creates.

    Keys that a template combines from several parameters are omitted.
    """
    read: dict[str, str] = {}
    for key, path in remote_keys(external_secret):
        read[f"{key} of {path}" if key in read else key] = path
    template = _template(external_secret).get("data")
    if template is None:
        return read
    copied = {key: _COPIED.fullmatch(str(text)) for key, text in template.items()}
    found = {key: read.get(match[1], read.get(EVERY_KEY)) for key, match in copied.items() if match}
    return {key: path for key, path in found.items() if path}


def readers_of_secret(objects: Objects, namespace: str, secret: str) -> list[Workload]:
    """The workloads that read a Secret, also those that start without it."""
    return [
        workload
        for workload in workloads(objects)
        if workload.namespace == namespace and secret in workload.secrets
    ]


@once_per_objects
def keys_of(objects: Objects) -> Mapping[Key, frozenset[str] | None]:
    """The keys of all ConfigMaps and Secrets, also of Secrets that ExternalSecrets create.

    None if the keys are known only in the cluster.
    """
    found: dict[Key, frozenset[str] | None] = {}
    for item in objects.of_kinds("ConfigMap", "Secret"):
        parts = (at(item.manifest, field) for field in ("data", "binaryData", "stringData"))
        found[item.key] = frozenset(key for part in parts for key in part)
    for item in objects.of_kinds("ExternalSecret"):
        template = _template(item.manifest).get("data")
        read = dict(remote_keys(item.manifest))
        unknown = EVERY_KEY in read or bool(item.spec.get("dataFrom"))
        secret = Key("", "Secret", item.namespace, secret_of(item.manifest))
        found[secret] = None if unknown else frozenset(template or read)
    return found


_IMAGE = re.compile(r"(?P<repository>.+?)(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>[\w+.:-]+))?")


class ImageReference(NamedTuple):
    """The parts of an image reference."""

    repository: str
    """`ghcr.io/example/one` of `ghcr.io/example/one:latest`."""
    tag: str
    """Empty if there is none."""
    digest: str
    """`sha256:…`; empty if there is none."""

    @classmethod
    def of(cls, reference: str) -> ImageReference:
        match = _IMAGE.fullmatch(reference)
        return cls(*match.groups("")) if match else cls(reference, "", "")

    @property
    def name(self) -> str:
        """`reloader` of `ghcr.io/stakater/reloader:v1.4@sha256:…`."""
        return self.repository.rpartition("/")[2]

    @property
    def build(self) -> str:
        """The tag, otherwise the digest, otherwise `latest`."""
        return self.tag or self.digest or "latest"

    @property
    def host(self) -> str:
        """The registry's host, such as `ghcr.io`. Default: Docker Hub's."""
        first, slash, _ = self.repository.partition("/")
        is_host = slash and (any(sign in first for sign in ".:") or first == "localhost")
        return first if is_host else "docker.io"


def stored(fields: Manifest, name: str) -> Any:
    """A field; if it is missing, what the API server stores because of another one."""
    match name, fields:
        case "imagePullPolicy", {"image": str(image), **others} if not others.get(name):
            return "Always" if ImageReference.of(image).build == "latest" else "IfNotPresent"
        case "serviceAccount" | "serviceAccountName", _:
            return fields.get("serviceAccountName") or fields.get("serviceAccount")
    return fields.get(name)


def repository(image: str) -> str:
    """The image without its tag and digest."""
    return ImageReference.of(image).repository
