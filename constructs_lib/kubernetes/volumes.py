"""Volumes of a pod, and how its containers mount them."""

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
    """Of the claim, and of the volume in the pod."""
    path: str
    """Where it is mounted."""


@cache
def scratch(name: str, size: str) -> k8s.Volume:
    """An emptyDir that holds `size` at the most."""
    return k8s.Volume(name=name, empty_dir=k8s.EmptyDirVolumeSource(size_limit=quantity(size)))


def claimed(claim: Claim) -> k8s.Volume:
    """A disk that outlives the pod."""
    return k8s.Volume(
        name=claim.name,
        persistent_volume_claim=k8s.PersistentVolumeClaimVolumeSource(claim_name=claim.name),
    )


def file_key(path: str) -> str:
    """The key of a file in its ConfigMap or Secret: `/etc/app.toml` is `etc_app.toml`."""
    return path.strip("/").replace("/", "_")


@cache
def mount_file(volume: str, path: str) -> k8s.VolumeMount:
    """One file of a volume at `path`, which hides nothing beside it."""
    return k8s.VolumeMount(name=volume, mount_path=path, sub_path=file_key(path), read_only=True)


def configuration(name: str, config_map: str) -> k8s.Volume:
    """The files of a ConfigMap."""
    return k8s.Volume(
        name=name,
        config_map=k8s.ConfigMapVolumeSource(name=config_map, default_mode=_READ_BY_GROUP),
    )


def secret(name: str, of: str) -> k8s.Volume:
    """The files of the Secret `of`."""
    return k8s.Volume(
        name=name,
        secret=k8s.SecretVolumeSource(secret_name=of, default_mode=_READ_BY_GROUP),
    )


@cache
def mount(volume: str, path: str) -> k8s.VolumeMount:
    """All of a volume at `path`, read-write."""
    return k8s.VolumeMount(name=volume, mount_path=path)
