"""Reads the statements of a csv job."""

from pathlib import Path

import dotenv
from observability import log


def ingest(*files: str) -> None:
    dotenv.load_dotenv()
    for file in files:
        log(f"{file}: {Path(file).read_text().strip()}")
