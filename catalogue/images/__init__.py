"""Which build of each image runs: one pin file a service, so that two bumps never conflict."""

from pathlib import Path

from constructs_lib.errors import DeclarationError
from constructs_lib.model import Pin

FOLDER = Path(__file__).parent


def pin_file(service: str, folder: Path = FOLDER) -> Path:
    """Where the pin of `service` stands."""
    return folder / f"{service}.pin"


def load(folder: Path = FOLDER) -> dict[str, Pin]:
    """All pins by service. Raises DeclarationError, naming the file, for a malformed one."""
    return {file.stem: _read(file) for file in sorted(folder.glob("*.pin"))}


def _read(file: Path) -> Pin:
    try:
        return Pin.parse(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(
            f"cannot be read ({error}); write `latest` or sha-<commit>@sha256:<digest> into it",
            where=file,
        ) from error
    except DeclarationError as error:
        raise error.at(file) from error
