"""Cron schedules in words."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cronsim import CronSim

_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)
_DAILY = re.compile(r"At (.+) every day")
_ON_THE_HOUR = re.compile(r"At minute 0 past every (.+) hour")


def words(schedule: str) -> str:
    """What five cron fields mean: `daily at 02:00`. Raises CronSimError for anything else."""
    text = CronSim(schedule, _ANY_DAY).explain()
    if daily := _DAILY.fullmatch(text):
        return f"daily at {daily[1]}"
    if hours := _ON_THE_HOUR.fullmatch(text):
        return f"every {hours[1]} hour"
    return text[0].lower() + text[1:]
