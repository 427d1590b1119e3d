"""Cron schedules, as Kubernetes reads them."""

import pytest

from constructs_lib.model.schedule import is_either, runs_a_month, skips_hour, words


@pytest.mark.parametrize(
    ("schedule", "description", "often"),
    [
        ("0 2 * * *", "daily at 02:00", 30.4),
        ("0 18 * * TUE", "at 18:00 on Tuesday", 4.4),
        ("*/5 * * * *", "every fifth minute of every hour", 8766),
        ("0 0 29 2 *", "at 00:00 on February 29", 0.02),
        ("5 4 13 * FRI", "at 04:05 on the 13th day of month, or on any Friday", 5.2),
        ("0 18 */2 * 2", "at 18:00 on every second day of month, or on any Tuesday", 17.7),
        ("0 18 */1 * 2", "at 18:00 on Tuesday", 4.4),
    ],
)
def test_a_schedule_is_described_with_its_frequency(
    schedule: str, description: str, often: float
) -> None:
    assert words(schedule) == description
    assert runs_a_month(schedule) == often
    assert is_either(schedule) == ("or on any" in description)


def test_the_clocks_of_some_time_zones_change() -> None:
    assert skips_hour("Europe/Berlin")
    assert not skips_hour("Etc/UTC")
