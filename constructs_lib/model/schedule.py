"""Cron schedules: descriptions and start times."""

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import takewhile

from cronsim import CronSim

_MONDAY = datetime(2001, 1, 1, tzinfo=UTC)
_WEEK = timedelta(days=7)
_DAILY = re.compile(r"At (.+) every day")
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""Macros that Kubernetes accepts in place of five fields."""
_ON_THE_HOUR = re.compile(r"At minute 0 past every (.+) hour")


@cache
def words(schedule: str) -> str:
    """A description: `daily at 02:00`. Raises CronSimError for an invalid schedule."""
    text = CronSim(_fields(schedule), _MONDAY).explain()
    if daily := _DAILY.fullmatch(text):
        return f"daily at {daily[1]}"
    if hours := _ON_THE_HOUR.fullmatch(text):
        return f"every {hours[1]} hour"
    return text[0].lower() + text[1:]


@cache
def starts(schedule: str) -> tuple[datetime, ...]:
    """The start times in a sample week, which begins on Monday, January 1."""
    times = CronSim(_fields(schedule), _MONDAY - timedelta(minutes=1))
    return tuple(takewhile(lambda time: time < _MONDAY + _WEEK, times))


def next_start(schedule: str, after: datetime) -> datetime:
    """The first start after a time. Raises CronSimError."""
    return next(CronSim(_fields(schedule), after))


def _fields(schedule: str) -> str:
    return _MACROS.get(schedule, schedule)
