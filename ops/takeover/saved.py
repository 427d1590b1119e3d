"""The objects of an Application as they were before Argo CD, in a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from constructs_lib.manifests.objects import Key
from constructs_lib.manifests.objects import Object as Declared
from constructs_lib.wording import plural
from ops.cluster import Object
from ops.errors import OpsError
from ops.review.live.stored import plain

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True)
class Saved:
    """Objects that can be put back."""

    objects: tuple[Object, ...]

    @classmethod
    def of(cls, stored: Iterable[Object]) -> Saved:
        """Take from stored objects what people asked for."""
        return cls(tuple(map(_restorable, stored)))

    @classmethod
    def read(cls, file: Path) -> Saved:
        """Raises OpsError for a file that is not there, or was not saved by this."""
        try:
            objects = [one for one in yaml.safe_load_all(file.read_text("utf-8")) if one]
            found = cls(tuple(objects))
            _ = found.keys
        except OSError as error:
            raise OpsError(
                f"{file} cannot be read: {error.strerror}; name the file with --saved"
            ) from error
        except (yaml.YAMLError, UnicodeError, KeyError, TypeError, AttributeError) as error:
            raise OpsError(f"{file} does not hold saved objects; name another file") from error
        return found

    @property
    def keys(self) -> set[Key]:
        """Of the objects."""
        return {Declared.of(one).key for one in self.objects}

    @property
    def count(self) -> str:
        """`4 objects`."""
        return plural(len(self.objects), "object")

    def summary(self, application: str) -> str:
        """What is there, in a sentence."""
        named = ", ".join(str(Declared.of(one).key) for one in self.objects)
        return f"Of {application}, the cluster has: {named or 'nothing'}."

    def write(self, file: Path) -> None:
        """Raises OpsError where the file is there already: it may be the only way back."""
        header = (
            "# As the cluster had it before `ops takeover start`; `ops takeover undo` reads it.\n"
        )
        try:
            with file.open("x", encoding="utf-8") as opened:
                opened.write(header + yaml.safe_dump_all(self.objects))
        except FileExistsError as error:
            raise OpsError(
                f"{file} is there already, and may be the way back; delete it, or name another "
                "file with --saved"
            ) from error
        except OSError as error:
            raise OpsError(f"{file} cannot be written: {error.strerror}") from error


def _restorable(stored: Object) -> Object:
    item = plain(stored)
    applied = (stored["metadata"].get("annotations") or {}).get(_LAST_APPLIED)
    if applied:
        item["metadata"].setdefault("annotations", {})[_LAST_APPLIED] = applied
    return item
