"""Gives builds this machine's configuration of pip, npm and go, to reach the same registries.

Configuration files, settings from the environment, and trusted certificates are mounted read-only
during RUN steps. Images keep only empty mount points. buildah itself passes on proxies.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

_CERTIFICATES = Path("/etc/ssl/certs")


def mounts(scratch: Path) -> tuple[str, ...]:
    """Values for buildah's --volume, as HOST:BUILD:ro; generated files are in `scratch`."""
    scratch.mkdir(parents=True)
    settings = {
        "/etc/pip.conf": _pip(),
        "/root/.npmrc": _npm(),
        "/root/.config/go/env": _go(),
    }
    volumes = []
    for target, text in settings.items():
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
    names = ("INDEX_URL", "EXTRA_INDEX_URL", "TRUSTED_HOST", "PROXY")
    lines = [
        f"{name.lower().replace('_', '-')} = {os.environ[f'PIP_{name}']}\n"
        for name in names
        if f"PIP_{name}" in os.environ
    ]
    return text + ("\n[global]\n" + "".join(lines) if lines else "")


def _npm() -> str:
    text = _first(Path("/etc/npmrc")) + "\n" + _first(Path.home() / ".npmrc")
    lines = [
        f"{name.lower().removeprefix('npm_config_')}={value}\n"
        for name, value in os.environ.items()
        if name.lower() in ("npm_config_registry", "npm_config_cafile")
    ]
    return (text + "\n" + "".join(lines)).strip()


def _go() -> str:
    if shutil.which("go") is None:
        return ""
    names = ["GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GOINSECURE"]
    answer = subprocess.run(
        ["go", "env", "-json", *names], check=True, capture_output=True, text=True
    ).stdout
    return "".join(f"{name}={value}\n" for name, value in json.loads(answer).items() if value)
