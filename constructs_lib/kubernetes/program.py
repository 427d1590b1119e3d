"""What runs in a container: the part of a declaration that every kind of workload shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from constructs_lib.checks import checked
from constructs_lib.errors import DeclarationError
from constructs_lib.kubernetes.external_secret import ExternalSecret
from constructs_lib.model import Calls, Egress, Parameter, Port, Probe, Resources
from constructs_lib.names import (
    check_file_path,
    check_mount_path,
    check_object_name,
    check_variable,
    looks_secret,
)
from constructs_lib.quantity import amount, check_canonical, spell

_MOST_CONFIGURATION_BYTES = 1_000_000
"""A ConfigMap holds 1 MiB, its names included."""


@checked
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
    files: Mapping[str, str | Path] = field(default_factory=dict)
    """Configuration files by their path in the container, read-only: the text, or a file to read
    it from, `{"/etc/app/app.toml": Path(__file__).with_name("app.toml")}`. They become a ConfigMap;
    a change of it restarts the pods."""
    secrets: Mapping[str, Parameter] = field(default_factory=dict)
    """Variables read from SSM, through an ExternalSecret of this workload's own,
    `<workload>-secrets`."""
    secret_files: Mapping[str, Parameter] = field(default_factory=dict)
    """Files read from SSM by their path in the container, read-only, through an ExternalSecret of
    this workload's own, `<workload>-secret-files`."""
    shared_secrets: tuple[ExternalSecret, ...] = ()
    """ExternalSecrets of the same chart, all of whose keys become variables."""
    scratch: Mapping[str, str] = field(default_factory=dict)
    """Writable paths beside /tmp and the most each may hold, `{"/data": "1Gi"}`: emptyDir
    volumes, lost with the pod. The root file system is read-only."""
    tmp: str = "64Mi"
    """The most that /tmp may hold."""
    egress: tuple[Egress | Calls, ...] = ()
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
                    "declare it under secrets with a Parameter"
                )
        self._refuse_duplicates()
        self._refuse_overflow()
        self._check_files()

    @property
    def disks(self) -> dict[str, str]:
        """Every emptyDir, by mount path."""
        return {"/tmp": self.tmp, **self.scratch}  # noqa: S108 a path inside the container

    @property
    def configuration(self) -> dict[str, str]:
        """The text of every configuration file, by its path in the container."""
        return {path: _text(source) for path, source in self.files.items()}

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

    def _check_files(self) -> None:
        for path in (*self.files, *self.secret_files):
            check_file_path(path)
        if twice := sorted(set(self.files) & set(self.secret_files)):
            raise DeclarationError(f"{twice[0]} is a file and a secret file; keep one")
        texts = self.configuration
        for path, text in texts.items():
            if looks_secret("", text):
                raise DeclarationError(
                    f"{path} looks like a secret and would be published in dist/; declare it "
                    "under secret_files with a Parameter"
                )
        size = sum(len(text.encode(errors="surrogatepass")) for text in texts.values())
        if size > _MOST_CONFIGURATION_BYTES:
            raise DeclarationError(
                f"{', '.join(texts)} hold more than the 1 MB that a ConfigMap takes; build what is "
                "large into the image"
            )


def _text(source: str | Path) -> str:
    if isinstance(source, str):
        return source
    try:
        return source.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(
            f"cannot be read as UTF-8 text ({error}); name a text file beside the chart, as "
            'Path(__file__).with_name("app.toml")',
            where=source,
        ) from error


@checked
@dataclass(frozen=True, kw_only=True)
class Container:
    """One container of a pod: a program and how its health is seen."""

    program: Program
    """What runs in it."""
    port: Port | None = None
    """What it listens on; named `http` in the pod. Default: nothing."""
    ports: Mapping[str, Port] = field(default_factory=dict)
    """Further ports that it listens on, by name: `{"metrics": 9090}`. Default: none."""
    readiness: Probe | None = None
    """Whether it gets traffic. Default: as soon as it runs."""
    liveness: Probe | None = None
    """Whether it is left running. Default: as long as its process does."""
    startup: Probe | None = None
    """What the other two wait for. Default: nothing."""

    def __post_init__(self) -> None:
        for name in self.ports:
            check_object_name(name, longest=15)
            if "--" in name:
                raise DeclarationError(f"port name {name!r} has two hyphens in a row; use one")
        every = list(self.all_ports.values())
        if twice := sorted({port for port in every if every.count(port) > 1}):
            raise DeclarationError(f"port {twice[0]} is declared twice; keep one")
        if "http" in self.ports:
            raise DeclarationError("http is the name of `port`; give a further port another name")

    @property
    def all_ports(self) -> dict[str, int]:
        """Every port by name."""
        return {**({"http": self.port} if self.port else {}), **self.ports}
