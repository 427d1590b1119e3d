"""A sample of the MCP server with /health and the report page of its package.

Like the real program, it creates directories in /data at the start, and needs `--sse`.
"""

import argparse
import os
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import uvicorn

FOLDERS = ("CEREBRO_REPORT_DIR", "CEREBRO_SAVED_QUERIES_DIR", "THINKING_LOG_DIR")
PAGES = {
    "/health": b"ok",
    "/reports/": files("cerebro_mcp").joinpath("static/report.html").read_bytes(),
}


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[Any], Awaitable[None]],
) -> None:
    if scope["type"] != "http":
        return
    page = PAGES.get(scope["path"])
    await send({"type": "http.response.start", "status": 200 if page else 404, "headers": []})
    await send({"type": "http.response.body", "body": page or b""})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sse", action="store_true", required=True)
    parser.parse_args()
    for folder in FOLDERS:
        Path(os.environ[folder]).mkdir(parents=True, exist_ok=True)
    uvicorn.run(app, host=os.environ["FASTMCP_HOST"], port=int(os.environ["FASTMCP_PORT"]))
