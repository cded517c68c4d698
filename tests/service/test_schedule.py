"""The scheduled time: once for every local day, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.schedule import GRACE_SECONDS, Schedule, must_run, parse_schedule

DAY = 86_400.0
# Gaps at night and at midnight, a whole day skipped (Apia), half an hour of daylight saving.
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Apia",
]


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_a_plain_day() -> None:
    schedule = parse_schedule("03:30", "UTC")
    assert schedule.last_due_seconds(at("2026-03-10 03:30")) == at("2026-03-10 03:30")
    assert schedule.last_due_seconds(at("2026-03-10 03:29:59")) == at("2026-03-09 03:30")
    assert schedule.next_due_seconds(at("2026-03-10 03:30")) == at("2026-03-11 03:30")


def test_a_time_that_is_skipped_comes_an_hour_later() -> None:
    schedule = parse_schedule("02:30", "Europe/Berlin")
    # 29 March 2026: 02:00 to 03:00 is skipped; 02:30 comes as 03:30 summer time.
    assert schedule.next_due_seconds(at("2026-03-28 12:00")) == at("2026-03-29 01:30")
    assert schedule.next_due_seconds(at("2026-03-29 01:30")) == at("2026-03-30 00:30")


def test_a_time_that_is_repeated_comes_once() -> None:
    schedule = parse_schedule("02:30", "Europe/Berlin")
    # 25 October 2026: 02:00 to 03:00 is there twice.
    assert schedule.next_due_seconds(at("2026-10-24 12:00")) == at("2026-10-25 00:30")
    assert schedule.next_due_seconds(at("2026-10-25 00:30")) == at("2026-10-26 01:30")


@given(
    zone=st.sampled_from(ZONES),
    minutes=st.integers(0, 24 * 60 - 1),
    now=st.floats(at("2008-01-01"), at("2030-01-01")),
)
def test_once_a_day(zone: str, minutes: int, now: float) -> None:
    """Walked from one due time to the next, every local date comes at most once, none twice."""
    schedule = Schedule(time(minutes // 60, minutes % 60), ZoneInfo(zone))
    dates = []
    for _ in range(30):
        due = schedule.next_due_seconds(now)
        assert now < due <= now + 2 * DAY
        assert schedule.last_due_seconds(due) == due
        assert schedule.last_due_seconds(due - 0.001) <= now
        dates.append(datetime.fromtimestamp(due, schedule.zone).date())
        now = due
    days = {later - earlier for earlier, later in pairwise(dates)}
    assert days <= {timedelta(days=1), timedelta(days=2)}
    # Two days apart only where the calendar itself leaves one out.
    if timedelta(days=2) in days:
        assert zone == "Pacific/Apia"


@pytest.mark.parametrize("bad", ["", "3:30", "03:60", "24:00", "03:30:00", "night"])
def test_bad_times(bad: str) -> None:
    with pytest.raises(ValueError, match="such as 03:30"):
        parse_schedule(bad, "UTC")


@pytest.mark.parametrize("bad", ["", "Lisbon", "Mars/Olympus", "../x", "/etc/passwd", "a\0b"])
def test_bad_zones(bad: str) -> None:
    with pytest.raises(ValueError, match="IANA"):
        parse_schedule("03:30", bad)


class TestMustRun:
    schedule = parse_schedule("03:30", "UTC")
    last = at("2026-03-10 03:30")

    def must_run(self, now: str, up_since: str) -> bool:
        return must_run(
            self.schedule,
            now_seconds=at(now),
            last_due_seconds=self.last,
            up_since_seconds=at(up_since),
        )

    def test_on_time(self) -> None:
        assert not self.must_run("2026-03-11 03:29", "2026-03-10 12:00")
        assert self.must_run("2026-03-11 03:30", "2026-03-10 12:00")

    def test_late_while_up(self) -> None:
        """The store was away, or another reclustering ran: it is made up for at any hour."""
        assert self.must_run("2026-03-11 11:00", "2026-03-10 12:00")

    def test_a_restart_at_the_wrong_moment(self) -> None:
        assert self.must_run("2026-03-11 03:50", "2026-03-11 03:40")
        assert GRACE_SECONDS == 3600.0
        assert not self.must_run("2026-03-11 05:00", "2026-03-11 04:40")

    def test_missed_while_down(self) -> None:
        """Not in the middle of the day; unless it is more than a day overdue."""
        assert not self.must_run("2026-03-11 12:00", "2026-03-11 11:59")
        assert not self.must_run("2026-03-12 03:29", "2026-03-12 03:20")
        assert self.must_run("2026-03-12 11:00", "2026-03-12 10:59")

    def test_the_next_night_comes_whatever_was_missed(self) -> None:
        assert self.must_run("2026-03-12 03:30", "2026-03-11 11:59")
