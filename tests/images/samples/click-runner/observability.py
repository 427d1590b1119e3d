"""Logs lines, and simulates a long job."""

import threading


def log(line: str) -> None:
    print(line, flush=True)


def wait() -> None:
    threading.Event().wait()
