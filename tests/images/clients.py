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
