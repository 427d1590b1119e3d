"""A sample of the indexer: `migrations` reads the SQL; without arguments, the worker runs.

The worker writes to the indexer's directories, calls cryo once, and exits immediately on SIGTERM.
"""

import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import FrameType

import dotenv


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Do not log probes."""


def end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def migrate() -> None:
    folder = Path(os.environ.get("MIGRATIONS_DIR", "/app/migrations"))
    for file in sorted(folder.glob("*.sql")):
        print(f"{folder.name}/{file.name}: {len(file.read_text())} bytes")


def work() -> None:
    signal.signal(signal.SIGTERM, end)
    dotenv.load_dotenv()
    version = subprocess.run(
        ["cryo", "--version"], check=True, capture_output=True, text=True
    ).stdout
    Path("/app/data/range.txt").write_text(version)
    Path("/app/logs/indexer.log").write_text(
        f"{os.environ.get('OPERATION', 'continuous')} with {version}"
    )
    HTTPServer(("", 9090), Health).serve_forever()


if __name__ == "__main__":
    migrate() if sys.argv[1:] == ["migrations"] else work()
