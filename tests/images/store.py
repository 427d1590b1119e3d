"""buildah with a separate storage for built images and their base images.

Builds reach the same registries as this machine: its configuration of pip, npm and go, settings
from the environment, and trusted certificates are mounted read-only during RUN steps. Images keep
only empty mount points. buildah itself passes on proxies.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_CERTIFICATES = Path("/etc/ssl/certs")
_LOG_TAIL = 30


class BuildError(Exception):
    """A command failed; the message ends with the last lines of its log."""


@dataclass(frozen=True)
class ImageConfig:
    """The image's configuration for the container runtime."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    user: str
    health: tuple[str, ...]
    """The program of HEALTHCHECK; empty without one."""
    stop_signal: str
    labels: Mapping[str, str]


class Store:
    """buildah's storage under `cache`, its running state and mounts under `scratch`."""

    def __init__(self, cache: Path, scratch: Path, *, cached: bool) -> None:
        """A store without working containers of interrupted runs; `cached` keeps layers."""
        self.scratch = scratch
        self._logs = cache / "logs"
        temporary = cache / "tmp"  # for buildah's cache mounts
        for folder in (self._logs, temporary):
            folder.mkdir(parents=True, exist_ok=True)
        self._environment = os.environ | {"TMPDIR": str(temporary)}
        driver = _driver(scratch)
        self._buildah = ["nice", "-n", "19", "buildah", f"--storage-driver={driver}"]
        self._buildah += [f"--root={cache / 'storage'}", f"--runroot={scratch / 'storage'}"]
        self._layers = cached and driver == "overlay"
        self._volumes = mounts(scratch / "clients")
        self._run("rm", "--all")

    def build(
        self,
        tag: str,
        context: Path,
        dockerfile: Path,
        *,
        arguments: Mapping[str, str] | None = None,
        label: str | None = None,
        volumes: tuple[str, ...] = (),
    ) -> float:
        """Builds `tag`, and returns the duration in seconds.

        The build context `config` is the directory of the Dockerfile.
        """
        ignored = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
        options = (
            *("--format=docker", "--pull-never", "--network=host", "--isolation=chroot"),
            f"--layers={str(self._layers).lower()}",
            f"--build-context=config={dockerfile.parent}",
            *(f"--build-arg={name}={value}" for name, value in (arguments or {}).items()),
            *(f"--volume={volume}" for volume in (*self._volumes, *volumes)),
            *((f"--label={label}",) if label else ()),
            *((f"--ignorefile={ignored}",) if ignored.is_file() else ()),
        )
        start = time.monotonic()
        log = self._logs / f"{tag.rsplit('/', 1)[-1].replace(':', '-')}.log"
        with log.open("w", encoding="utf-8") as out:
            done = subprocess.run(
                [*self._buildah, "bud", *options, f"--tag={tag}", f"--file={dockerfile}", context],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self._environment,
                check=False,
            )
        if done.returncode:
            tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL:]
            raise BuildError("\n".join([f"{tag}: the build failed; last lines of {log}:", *tail]))
        return time.monotonic() - start

    def config(self, tag: str) -> ImageConfig:
        config = json.loads(self._run("inspect", "--type=image", tag))["Docker"]["config"]
        kind, *words = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
        return ImageConfig(
            entrypoint=tuple(config.get("Entrypoint") or ()),
            cmd=tuple(config.get("Cmd") or ()),
            env=tuple(config.get("Env") or ()),
            cwd=config.get("WorkingDir") or "/",
            user=config.get("User") or "",
            health=tuple(["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words),
            stop_signal=config.get("StopSignal") or "SIGTERM",
            labels=config.get("Labels") or {},
        )

    def label(self, tag: str, name: str) -> str | None:
        """A label of an image; None if the image or the label does not exist."""
        try:
            return self.config(tag).labels.get(name)
        except BuildError as error:
            if "not known" in str(error):
                return None
            raise

    @contextmanager
    def root(self, tag: str) -> Iterator[Path]:
        """The image's root file system, mounted during the context."""
        container = self._run("from", "--pull-never", tag).strip()
        try:
            yield Path(self._run("mount", container).strip())
        finally:
            self._run("umount", container)
            self._run("rm", container)

    def _run(self, *words: str) -> str:
        command = [*self._buildah, *words]
        done = subprocess.run(
            command, capture_output=True, text=True, env=self._environment, check=False
        )
        if done.returncode:
            raise BuildError(f"buildah {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout


def _driver(scratch: Path) -> str:
    """Select overlay if this file system supports it, otherwise the slower vfs."""
    folders = [scratch / "overlay" / name for name in ("lower", "upper", "work", "merged")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    lower, upper, work, merged = map(str, folders)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    mount = ["mount", "-t", "overlay", "overlay", "-o", options, merged]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        return "vfs"
    subprocess.run(["umount", merged], check=True)
    return "overlay"


def mounts(scratch: Path) -> tuple[str, ...]:
    """Values for buildah's --volume, as HOST:BUILD:ro; generated files are in `scratch`."""
    scratch.mkdir(parents=True)
    files = {"/etc/pip.conf": _pip(), "/root/.npmrc": _npm(), "/root/.config/go/env": _go()}
    volumes = []
    for target, text in files.items():
        if text:
            source = scratch / Path(target).name
            source.write_text(text, encoding="utf-8")
            volumes.append(f"{source}:{target}:ro")
    if _CERTIFICATES.is_dir():
        volumes.append(f"{_CERTIFICATES}:{_CERTIFICATES}:ro")
    return tuple(volumes)


def _first(*files: Path) -> str:
    return next((file.read_text(encoding="utf-8") for file in files if file.is_file()), "")


def _pip() -> str:
    home = Path.home()
    text = _first(home / ".config/pip/pip.conf", home / ".pip/pip.conf", Path("/etc/pip.conf"))
    names = ("index-url", "extra-index-url", "trusted-host", "proxy")
    settings = {name: os.environ.get(f"PIP_{name.upper().replace('-', '_')}") for name in names}
    lines = [f"{name} = {value}\n" for name, value in settings.items() if value is not None]
    return text + ("\n[global]\n" + "".join(lines) if lines else "")


def _npm() -> str:
    lines = [
        f"{name.lower().removeprefix('npm_config_')}={value}"
        for name, value in os.environ.items()
        if name.lower() in ("npm_config_registry", "npm_config_cafile")
    ]
    files = (_first(Path("/etc/npmrc")), _first(Path.home() / ".npmrc"))
    return "\n".join((*files, *lines)).strip()


def _go() -> str:
    if shutil.which("go") is None:
        return ""
    names = ("GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GOINSECURE")
    printed = subprocess.check_output(("go", "env", "-json", *names))
    return "".join(f"{name}={value}\n" for name, value in json.loads(printed).items() if value)
