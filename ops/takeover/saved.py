"""The saved objects of an Application, from before the takeover."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from constructs_lib.manifests.objects import Key
from constructs_lib.manifests.objects import Object as Declared
from constructs_lib.model.text import plural
from ops.cluster import Object
from ops.errors import OpsError
from ops.review.live.stored import LAST_APPLIED, plain


@dataclass(frozen=True)
class Saved:
    """Objects that can be restored."""

    objects: tuple[Object, ...]

    @classmethod
    def of(cls, stored: Iterable[Object]) -> Saved:
        """Keep the fields of live objects that a user set."""
        return cls(tuple(map(_restorable, stored)))

    @classmethod
    def read(cls, file: Path, application: str) -> Saved:
        """Raises OpsError if the file is missing, or is not whole, or of another Application."""
        try:
            text = file.read_text("utf-8")
            objects = [one for one in yaml.safe_load_all(text) if one]
            found = cls(tuple(objects))
            _ = found.keys
        except OSError as error:
            raise OpsError(
                f"{file} cannot be read: {error.strerror}; pass the file with --saved"
            ) from error
        except (yaml.YAMLError, UnicodeError, KeyError, TypeError, AttributeError) as error:
            raise OpsError(
                f"{file} has no saved objects; pass another file with --saved"
            ) from error
        if not text.startswith(found._header(application)):
            raise OpsError(
                f"{file} does not have the saved objects of {application}, or not all of them; "
                "pass another file with --saved"
            )
        return found

    @property
    def keys(self) -> set[Key]:
        return {Declared.of(one).key for one in self.objects}

    @property
    def count(self) -> str:
        """`4 objects`."""
        return plural(len(self.objects), "object")

    def summary(self, application: str) -> str:
        return f"Objects of {application} in the cluster: {listed(self.objects) or 'none'}."

    def _header(self, application: str) -> str:
        return (
            f"# {self.count} saved by `ops takeover start {application}`, restored by "
            f"`ops takeover undo {application}`.\n"
        )

    def write(self, file: Path, application: str) -> None:
        """Raises OpsError if the file exists: it may be the only backup."""
        try:
            with open(file, "x", encoding="utf-8", opener=_private) as opened:
                opened.write(self._header(application) + yaml.safe_dump_all(self.objects))
        except FileExistsError as error:
            raise OpsError(
                f"{file} already exists and may be needed for `undo`; delete it, or pass another "
                "file with --saved"
            ) from error
        except OSError as error:
            raise OpsError(f"{file} cannot be written: {error.strerror}") from error


def listed(objects: Iterable[Object]) -> str:
    """`Deployment cerebro/api, Service cerebro/api`; empty without objects."""
    return ", ".join(str(Declared.of(one).key) for one in objects)


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner can read: a manifest applied by hand may have a password."""
    return os.open(path, flags, 0o600)


def _restorable(stored: Object) -> Object:
    item = plain(stored)
    applied = (stored["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    if applied:
        item["metadata"].setdefault("annotations", {})[LAST_APPLIED] = applied
    return item
