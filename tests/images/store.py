"""buildah with a separate storage for built images and their base images."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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

    def __init__(self, cache: Path, scratch: Path) -> None:
        self.scratch = scratch
        self._logs = cache / "logs"
        self._driver = _driver(scratch)
        temporary = cache / "tmp"  # for buildah's cache mounts
        for folder in (self._logs, temporary):
            folder.mkdir(parents=True, exist_ok=True)
        self._environment = os.environ | {"TMPDIR": str(temporary)}
        self._buildah = ["nice", "-n", "19", "buildah", f"--storage-driver={self._driver}"]
        self._buildah += [f"--root={cache / 'storage'}", f"--runroot={scratch / 'storage'}"]

    def build(
        self,
        tag: str,
        context: Path,
        dockerfile: Path,
        *,
        contexts: Mapping[str, Path] | None = None,
        arguments: Mapping[str, str] | None = None,
        label: str | None = None,
        volumes: tuple[str, ...] = (),
        cached: bool = True,
    ) -> float:
        """Builds `tag`, and returns the duration in seconds."""
        ignored = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
        options = (
            *("--format=docker", "--pull-never", "--network=host", "--isolation=chroot"),
            f"--layers={str(cached and self._driver == 'overlay').lower()}",
            *(f"--build-context={name}={path}" for name, path in (contexts or {}).items()),
            *(f"--build-arg={name}={value}" for name, value in (arguments or {}).items()),
            *(f"--volume={volume}" for volume in volumes),
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

    def sweep(self) -> None:
        """Removes working containers of interrupted runs."""
        self._run("rm", "--all")

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            [*self._buildah, *words],
            capture_output=True,
            text=True,
            env=self._environment,
            check=False,
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
    mount = subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", options, merged],
        capture_output=True,
        check=False,
    )
    if mount.returncode:
        return "vfs"
    subprocess.run(["umount", merged], check=True)
    return "overlay"
