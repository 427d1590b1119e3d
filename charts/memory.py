"""Caches a summary of the last synth, so that commands need not render again and start Node.

The cache is valid until one of the source files changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charts.output import replace_file
from constructs_lib.manifests.image import repository
from constructs_lib.manifests.workload import workloads
from constructs_lib.model import Parameter, Pending

if TYPE_CHECKING:
    from constructs_lib.kubernetes import Snapshot

_ROOT = Path(__file__).parents[1]
_FILE = _ROOT / ".synth.json"
_SOURCES = (
    *("catalogue", "charts", "constructs_lib", "overview"),
    *("package-lock.json", "requirements.txt"),
)


@dataclass(frozen=True)
class Service:
    """A chart that runs pods."""

    name: str
    namespace: str
    path: str
    """Its file below dist/."""
    images: tuple[str, ...]
    """The images of its pods, without tags."""
    pending: tuple[str, ...]
    """Workloads that it declares but does not render yet."""


@dataclass(frozen=True)
class Memory:
    """The summary of a synth."""

    files: Mapping[str, str]
    """The digest of each file of dist/, by path."""
    services: tuple[Service, ...]
    pending: tuple[Pending, ...]

    @classmethod
    def of(cls, snapshot: Snapshot, files: Mapping[str, str]) -> Memory:
        found = []
        for file in snapshot.files:
            every = workloads(file.objects)
            if every:
                images = [repository(image) for one in every for image in one.images]
                waiting = tuple(job.name for job in file.pending)
                unique = tuple(dict.fromkeys(images))
                home = file.namespace or ""
                found.append(Service(file.name, home, file.path, unique, waiting))
        digests = {path: digest(text) for path, text in files.items()}
        return cls(digests, tuple(found), tuple(snapshot.pending))

    def write(self) -> None:
        replace_file(_FILE, json.dumps({"sources": _sources(), **asdict(self)}, indent=1))


def recall() -> Memory | None:
    """The summary of the last synth; None if it is missing or outdated."""
    try:
        content = json.loads(_FILE.read_text("utf-8"))
        if content["sources"] != _sources():
            return None
        return Memory(
            content["files"],
            tuple(Service(**_tuples(one)) for one in content["services"]),
            tuple(_pending(one) for one in content["pending"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _pending(content: dict[str, Any]) -> Pending:
    parameters = tuple(Parameter(**one) for one in content["parameters"])
    return Pending(content["name"], tuple(content["settings"]), parameters)


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(one) if isinstance(one, list) else one for key, one in content.items()}


def _sources() -> str:
    """The digest of all source files of a synth."""
    found = hashlib.sha256()
    for source in _SOURCES:
        path = _ROOT / source
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                found.update(f"{file.relative_to(_ROOT)}\0".encode())
                found.update(file.read_bytes())
    return found.hexdigest()
