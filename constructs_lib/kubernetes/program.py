"""What runs in a container: the part of a declaration that every kind of workload shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.external_secret import ExternalSecret
from constructs_lib.model import Egress, Parameter, Probe, Resources
from constructs_lib.names import check_mount_path, check_variable, looks_secret
from constructs_lib.quantity import amount, check_canonical, spell


@dataclass(frozen=True, kw_only=True)
class Program:
    """An image and what it needs: configuration, secrets, resources, disk, network.

    Raises DeclarationError for a variable declared twice, a plain value that looks like a
    secret, and disks that do not fit into the ephemeral storage.
    """

    resources: Resources
    """Requests and limits. Required: a container without them is never rendered."""
    image: str | None = None
    """The service whose pin to run. Default: the name of the workload."""
    command: tuple[str, ...] = ()
    """Replaces the image's ENTRYPOINT. Default: the image's own."""
    args: tuple[str, ...] = ()
    """Subcommands and flags after the ENTRYPOINT. Default: the image's CMD."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Plain variables."""
    secrets: Mapping[str, Parameter] = field(default_factory=dict)
    """Variables read from SSM, through an ExternalSecret of this workload's own,
    `<workload>-secrets`."""
    shared_secrets: tuple[ExternalSecret, ...] = ()
    """ExternalSecrets of the same chart, all of whose keys become variables."""
    scratch: Mapping[str, str] = field(default_factory=dict)
    """Writable paths beside /tmp and the most each may hold, `{"/data": "1Gi"}`: emptyDir
    volumes, lost with the pod. The root file system is read-only."""
    tmp: str = "64Mi"
    """The most that /tmp may hold."""
    egress: tuple[Egress, ...] = ()
    """Where it connects to, beside DNS. Default: nowhere."""
    ignores_sigterm: bool = False
    """Whether it has no SIGTERM handler: as PID 1 it would run until it is killed, so its pod
    shares one process namespace, in which it is not PID 1."""

    def __post_init__(self) -> None:
        for path, size in self.disks.items():
            check_mount_path(path)
            check_canonical(size, path)
        for argument in (*self.command, *self.args):
            if looks_secret("", argument):
                raise DeclarationError(
                    "an argument looks like a secret and would be published in dist/; let the "
                    "program read it from a variable, declared under secrets"
                )
        for name, value in self.env.items():
            check_variable(name)
            if looks_secret(name, value):
                raise DeclarationError(
                    f"{name} looks like a secret and would be published in dist/; "
                    "declare it under secrets with a parameter of the catalogue"
                )
        self._refuse_duplicates()
        self._refuse_overflow()

    @property
    def disks(self) -> dict[str, str]:
        """Every emptyDir, by mount path."""
        return {"/tmp": self.tmp, **self.scratch}  # noqa: S108 a path inside the container

    def _refuse_duplicates(self) -> None:
        declared = set(self.env)
        for source in (self.secrets, *(secret.keys for secret in self.shared_secrets)):
            if twice := declared & set(source):
                raise DeclarationError(
                    f"{', '.join(sorted(twice))} is declared twice, as a plain variable and as a "
                    "secret or in two secrets; keep one"
                )
            declared |= set(source)

    def _refuse_overflow(self) -> None:
        limit = self.resources.ephemeral_storage[1]
        total = sum(amount(size) for size in self.disks.values())
        if total > amount(limit):
            raise DeclarationError(
                f"its disks hold {spell(total, binary=True)} together, more than the limit of "
                f"{limit} for ephemeral storage, so the pod would be evicted; raise that limit"
            )


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container of a pod: a program and how its health is seen."""

    program: Program
    """What runs in it."""
    port: int | None = None
    """What it listens on; named `http` in the pod. Default: nothing."""
    readiness: Probe | None = None
    """Whether it gets traffic. Default: as soon as it runs."""
    liveness: Probe | None = None
    """Whether it is left running. Default: as long as its process does."""
    startup: Probe | None = None
    """What the other two wait for. Default: nothing."""
