"""The build of each image that runs: one pin file per service, so that bumps do not conflict."""

from pathlib import Path

from constructs_lib.errors import reading
from constructs_lib.model import Pin

FOLDER = Path(__file__).parent


def load(folder: Path = FOLDER) -> dict[str, Pin]:
    """All pins by service. Raises DeclarationError for a malformed file."""
    return {file.stem: _read(file) for file in sorted(folder.glob("*.pin"))}


def _read(file: Path) -> Pin:
    with reading(file, "it must contain `latest` or sha-<commit>@sha256:<digest>"):
        return Pin.parse(file.read_text("utf-8"))
