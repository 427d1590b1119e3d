"""Volumes of a pod and their mounts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from cdk8s_plus_27 import k8s

from constructs_lib.kubernetes.manifest import quantity

_READ_BY_GROUP = 0o440


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A PersistentVolumeClaim of the same chart, mounted read-write."""

    name: str
    """Name of the claim and the volume."""
    path: str
    """Mount path."""


@cache
def scratch(name: str, size: str) -> k8s.Volume:
    """An emptyDir with a size limit."""
    return k8s.Volume(name=name, empty_dir=k8s.EmptyDirVolumeSource(size_limit=quantity(size)))


def claimed(claim: Claim) -> k8s.Volume:
    return k8s.Volume(
        name=claim.name,
        persistent_volume_claim=k8s.PersistentVolumeClaimVolumeSource(claim_name=claim.name),
    )


def file_key(path: str) -> str:
    """The key of a file in its ConfigMap or Secret: `etc_app.toml` for `/etc/app.toml`."""
    return path.strip("/").replace("/", "_")


@cache
def mount_file(volume: str, path: str) -> k8s.VolumeMount:
    """Mounts one file of a volume at `path`, without hiding the rest of its folder."""
    return k8s.VolumeMount(name=volume, mount_path=path, sub_path=file_key(path), read_only=True)


def configuration(name: str, config_map: str) -> k8s.Volume:
    return k8s.Volume(
        name=name,
        config_map=k8s.ConfigMapVolumeSource(name=config_map, default_mode=_READ_BY_GROUP),
    )


def secret(name: str, of: str) -> k8s.Volume:
    return k8s.Volume(
        name=name,
        secret=k8s.SecretVolumeSource(secret_name=of, default_mode=_READ_BY_GROUP),
    )


@cache
def mount(volume: str, path: str) -> k8s.VolumeMount:
    """Mounts a whole volume at `path`, read-write."""
    return k8s.VolumeMount(name=volume, mount_path=path)
