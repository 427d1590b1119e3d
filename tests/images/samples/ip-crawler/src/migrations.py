"""Reads the migrations like the crawler, with up to five attempts."""

from pathlib import Path

import tenacity


@tenacity.retry(stop=tenacity.stop_after_attempt(5))
def migrate() -> None:
    for file in sorted(Path("/app/migrations").glob("*.sql")):
        print(f"{file.name}: {len(file.read_text())} bytes")


migrate()
