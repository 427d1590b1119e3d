"""Cron schedules: descriptions and start times."""

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim

_MONDAY = datetime(2001, 1, 1, tzinfo=UTC)
_WEEK = timedelta(days=7)
_FOUR_YEARS = timedelta(days=1461)
_DAY_STEP = re.compile(r"\*/(?!1\b)(?=\S+ \S+ \S+$)")
_WEEKDAY_STEP = re.compile(r"\*/(?!1\b)(?=\S+$)")
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
    if is_either(schedule):
        text = text.replace(" and on ", ", or on any ").replace(" any every ", " every ")
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


@cache
def runs_a_month(schedule: str) -> float:
    """How often it starts in a month, on average over four years."""
    fields = _fields(schedule)
    times = CronSim(fields, _MONDAY)
    days = CronSim(" ".join(["0 0", *fields.split()[2:]]), _MONDAY - timedelta(minutes=1))
    dates = sum(1 for _ in takewhile(lambda day: day < _MONDAY + _FOUR_YEARS, days))
    often = dates * len(times.hours) * len(times.minutes) / 48
    return round(often, 1 if often > 1 else 2)


def is_either(schedule: str) -> bool:
    """Whether it has days of the month and of the week: a day of either kind is enough."""
    _, _, day, _, weekday = _MACROS.get(schedule, schedule).split()
    return not {day, weekday} & {"*", "*/1"}


def skips_hour(zone: str) -> bool:
    """Whether the clocks of a time zone change during a year."""
    now = datetime.now(ZoneInfo(zone))
    return len({now.replace(month=month, day=1).utcoffset() for month in range(1, 13)}) > 1


def next_start(schedule: str, after: datetime) -> datetime:
    """The first start after a time. Raises CronSimError."""
    return next(CronSim(_fields(schedule), after))


def _fields(schedule: str) -> str:
    """The fields as cronsim reads them: to it, but not to Kubernetes, `*/2` is any day."""
    text = _DAY_STEP.sub("1-31/", _MACROS.get(schedule, schedule))
    return _WEEKDAY_STEP.sub("0-6/", text)
