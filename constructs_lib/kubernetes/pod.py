"""The pod template of every workload, hardened for the `restricted` profile."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.external_secret import PULL_SECRET
from constructs_lib.kubernetes.program import Container, Program, Toleration
from constructs_lib.manifests.argocd import fingerprint
from constructs_lib.model import Command, HttpGet, Manifest, Probe, TcpSocket
from constructs_lib.model.platform import Platform

if TYPE_CHECKING:
    from constructs_lib.kubernetes.workload import ProgramConstruct

USER = 1000
"""UID and GID of `appuser` in the images."""
_LONGEST_NAME = 63
SECRETS, CONFIG, SECRET_FILES = "secrets", "config", "secret-files"
"""Suffixes of the Secret with a container's variables, and of the objects with its files."""
_READ_BY_GROUP = 0o440

_POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
_CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def pod_template(
    workload: ProgramConstruct,
    *,
    annotations: Mapping[str, str] | None = None,
    claim_path: str | None = None,
    spread_over_zones: bool = False,
    pre_stop_seconds: int | None = None,
    **fields: Any,
) -> Manifest:
    """The pod template of a workload.

    Args:
        workload: Its containers, names, labels and options.
        annotations: Annotations in addition to those of the options. Default: none.
        claim_path: Where every container mounts the PersistentVolumeClaim with the workload's name.
            Default: no claim.
        spread_over_zones: Whether the scheduler prefers a zone with fewer of these pods.
        pre_stop_seconds: How long each container sleeps before it gets SIGTERM. Default: no preStop
            hook.
        fields: Other fields of the pod spec, with their names in Kubernetes.
    """
    options = workload.options
    # with a hash of the configuration files, so that a change restarts the pods
    data = {name: one.to_json()["data"] for name, one in workload.config_maps.items()}
    checksum = {"checksum/config": fingerprint(data)} if data else {}
    own = {**checksum, **(annotations or {})}
    spread = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": workload.selector,
    }
    shares_processes = any(one.program.ignores_sigterm for one in workload.containers.values())
    return {
        "metadata": {
            "labels": {**workload.labels, **options.pod_labels},
            "annotations": merged_annotations(own, options.pod_annotations) or None,
        },
        "spec": {
            "serviceAccountName": workload.name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "shareProcessNamespace": shares_processes or None,
            "nodeSelector": {"kubernetes.io/arch": "arm64", **options.node_selector},
            "tolerations": [_fields(one) for one in options.tolerations] or None,
            "priorityClassName": options.priority_class_name,
            "imagePullSecrets": [{"name": PULL_SECRET}],
            "securityContext": _POD_SECURITY,
            "topologySpreadConstraints": [spread] if spread_over_zones else None,
            "initContainers": [
                _container(workload, name, Container(program=program), claim_path)
                for name, program in options.init_containers.items()
            ]
            or None,
            "containers": [
                _container(workload, name, container, claim_path, pre_stop_seconds)
                for name, container in workload.containers.items()
            ],
            "volumes": _volumes(workload, claim_path),
            **fields,
        },
    }


def merged_annotations(ours: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, str]:
    """Both, unless the declaration contradicts the workload."""
    for key, value in theirs.items():
        if ours.get(key, value) != value:
            raise DeclarationError(
                f"annotation {key} is already {ours[key]!r} and cannot be {value!r}; remove it"
            )
    return {**ours, **theirs}


def _container(
    workload: ProgramConstruct,
    name: str,
    container: Container,
    claim_path: str | None,
    pre_stop_seconds: int | None = None,
) -> Manifest:
    program = container.program
    own = [workload.own(name, SECRETS)] if program.secrets else []
    secrets = [*own, *(secret.name for secret in program.shared_secrets)]
    ports = container.all_ports.items()
    mounts = _mounts(_disks(workload, name, program))
    if claim_path:
        mounts.append({"name": workload.name, "mountPath": claim_path})
    mounts += _mounts(_files(workload, name, program))
    # exec, because the Kubernetes 1.27 API has no sleep action
    sleep = {"preStop": {"exec": {"command": ["sleep", str(pre_stop_seconds)]}}}
    return {
        "name": name,
        "image": _image(workload.platform, program.image or name),
        "command": program.command or None,
        "args": program.args or None,
        "ports": [{"name": port, "containerPort": number} for port, number in ports] or None,
        "env": [{"name": key, "value": value} for key, value in program.env.items()] or None,
        "envFrom": [{"secretRef": {"name": secret}} for secret in secrets] or None,
        "readinessProbe": _probe(container.readiness, container.port),
        "livenessProbe": _probe(container.liveness, container.port),
        "startupProbe": _probe(container.startup, container.port),
        "lifecycle": sleep if pre_stop_seconds else None,
        "resources": {
            "requests": program.resources.requests,
            "limits": program.resources.limits,
        },
        "securityContext": _CONTAINER_SECURITY,
        "volumeMounts": mounts,
    }


_Volume = tuple[str, Manifest, list[Manifest]]
"""The name, source and mounts of a volume of one container."""


def _mounts(volumes: Iterable[_Volume]) -> list[Manifest]:
    return [{"name": volume, **mount} for volume, _, mounts in volumes for mount in mounts]


def _disks(workload: ProgramConstruct, name: str, program: Program) -> Iterator[_Volume]:
    for path, size in program.disks.items():
        folder = path.strip("/").replace("/", "-")  # `/app/logs` becomes `app-logs`
        volume = workload.prefixed(name, folder)
        yield volume, {"emptyDir": {"sizeLimit": size}}, [{"mountPath": path}]


def _files(workload: ProgramConstruct, name: str, program: Program) -> Iterator[_Volume]:
    config_map = {"name": workload.own(name, CONFIG), "defaultMode": _READ_BY_GROUP}
    secret = {"secretName": workload.own(name, SECRET_FILES), "defaultMode": _READ_BY_GROUP}
    for volume, source, files in (
        ("config-files", {"configMap": config_map}, program.files),
        (SECRET_FILES, {"secret": secret}, program.secret_files),
    ):
        if files:
            # by subPath, so that a file does not hide the rest of its folder
            mounts = [
                {"mountPath": path, "subPath": file_key(path), "readOnly": True} for path in files
            ]
            yield workload.prefixed(name, volume), source, mounts


def _volumes(workload: ProgramConstruct, claim_path: str | None) -> list[Manifest]:
    volumes = [
        {"name": volume, **source}
        for volumes_of in (_disks, _files)
        for name, program in workload.programs.items()
        for volume, source, _ in volumes_of(workload, name, program)
    ]
    if claim_path:
        claim = {"claimName": workload.name}
        volumes.append({"name": workload.name, "persistentVolumeClaim": claim})
    names = [volume["name"] for volume in volumes]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise DeclarationError(
            f"two volumes of its pod have the name {repeated[0]}, derived from their paths; "
            "change a path"
        )
    if long := [name for name in names if len(name) > _LONGEST_NAME]:
        raise DeclarationError(
            f"the volume name {long[0]} has more than {_LONGEST_NAME} characters; use a "
            "shorter path or name"
        )
    return volumes


def file_key(path: str) -> str:
    """The key of a file in its ConfigMap or Secret: `etc_app.toml` for `/etc/app.toml`."""
    return path.strip("/").replace("/", "_")


def _image(platform: Platform, service: str) -> str:
    """`<registry>/<service>:<pin>`. Raises DeclarationError for a service without a pin."""
    pin = platform.images.get(service)
    if not pin:
        known = ", ".join(sorted(platform.images)) or "none"
        raise DeclarationError(
            f"image {service!r} is not pinned; add catalogue/images/{service}.pin "
            f"containing `latest` or sha-<commit>, or use one of: {known}"
        )
    return f"{platform.registry}/{service}:{pin}"


def _probe(probe: Probe | None, port: int | None) -> Manifest | None:
    if probe is None:
        return None
    match probe.check:
        case HttpGet(path):
            action = {"httpGet": {"path": path, "port": _port_of(probe.check, port)}}
        case TcpSocket():
            action = {"tcpSocket": {"port": _port_of(probe.check, port)}}
        case Command(command):
            action = {"exec": {"command": command}}
    return {**_fields(probe), "check": None, **action}


def _port_of(check: HttpGet | TcpSocket, port: int | None) -> int:
    known = check.port or port
    if known is None:
        raise DeclarationError(
            f"{check} has no port; set the port of the workload, or {type(check).__name__}(port=…)"
        )
    return known


def _fields(props: Probe | Toleration) -> Manifest:
    """The props by their names in Kubernetes: `periodSeconds` for `period_seconds`."""
    return {
        re.sub("_(.)", lambda found: found[1].upper(), name): value
        for name, value in vars(props).items()
    }
