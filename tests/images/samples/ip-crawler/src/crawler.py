"""Writes the crawler's files once a second until SIGTERM."""

import signal
import time
from pathlib import Path
from types import FrameType

LOGS = Path("/app/logs")
stopped = False


def stop(number: int, frame: FrameType | None) -> None:
    global stopped
    stopped = True


signal.signal(signal.SIGTERM, stop)
while not stopped:
    (LOGS / "health.log").write_text(f"{time.time()}\n")
    (LOGS / "partition_state.json").write_text("{}\n")
    time.sleep(1)
