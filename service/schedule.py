"""When the nightly job is due: a time of day in a time zone, once for every local day.

A time that the clocks skip in spring comes as much later as they were put forward; one that they
repeat in autumn is its first occurrence. Both are what ``zoneinfo`` makes of ``fold=0`` (PEP 495).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")

_SECONDS_PER_DAY: Final = 86_400.0
_FIRST_RETRY_SECONDS: Final = 60.0
_LONGEST_RETRY_SECONDS: Final = 1800.0
MOST_ATTEMPTS: Final = 6
"""A night that failed so often waits for the next one: the pauses between come to half an hour."""
GRACE_SECONDS: Final = 3600.0
"""A restart or an outage of up to an hour at the time of the run does not cost the night."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A time of day in a time zone."""

    at: time
    zone: tzinfo

    def last_due_seconds(self, now_seconds: float) -> float:
        """Return the last moment at or before ``now_seconds`` when it was due, Unix time."""
        return max(due for due in self._around(now_seconds) if due <= now_seconds)

    def next_due_seconds(self, now_seconds: float) -> float:
        """Return the first moment after ``now_seconds`` when it is due, Unix time."""
        return min(due for due in self._around(now_seconds) if due > now_seconds)

    def _around(self, now_seconds: float) -> list[float]:
        """Moments of the local days around one; two on either side, as zones skip whole days."""
        today = datetime.fromtimestamp(now_seconds, self.zone).date()
        return [
            datetime.combine(today + timedelta(days=days), self.at, self.zone).timestamp()
            for days in range(-2, 3)
        ]


def parse_schedule(at: str, zone: str) -> Schedule:
    """Return the schedule for ``HH:MM`` in the IANA time zone ``zone``.

    Raises
    ------
    ValueError
        For any other text; the message says what to write.
    """
    found = TIME_OF_DAY.fullmatch(at)
    if found is None:
        raise ValueError(f"{at!r} is no time of day: write hours and minutes, such as 03:30")
    return Schedule(time(int(found[1]), int(found[2])), time_zone(zone))


def time_zone(name: str) -> tzinfo:
    """Return the IANA time zone of that name.

    Raises
    ------
    ValueError
        When there is none.
    """
    if name.upper() == "UTC":
        return UTC  # without the system's time zone data, too
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{name[:80]!r} is no time zone here: write its IANA name, such as Europe/Lisbon; "
            "where the system has no time zone data, install the package tzdata"
        ) from None


def must_run(
    schedule: Schedule, *, now_seconds: float, last_due_seconds: float, up_since_seconds: float
) -> bool:
    """Whether the job has to be started now.

    Parameters
    ----------
    schedule
        When it is due.
    now_seconds
        Unix time.
    last_due_seconds
        The due time of the last run that was started.
    up_since_seconds
        Since when somebody has been looking at the clock. A run that was missed before, while
        nothing was up, is made up for by the next night's, unless it is more than a day overdue:
        nobody wants it at noon because a machine was restarted.
    """
    due = schedule.last_due_seconds(now_seconds)
    if last_due_seconds >= due:
        return False
    if due >= up_since_seconds - GRACE_SECONDS:
        return True
    missed = schedule.next_due_seconds(last_due_seconds)
    return now_seconds - missed > _SECONDS_PER_DAY


def retry_due_seconds(failed_seconds: float, attempts: int) -> float | None:
    """Return when a run that failed is tried again, Unix time; ``None`` when it is not.

    Parameters
    ----------
    failed_seconds
        When the last attempt failed.
    attempts
        How many there were; at least 1. The pause doubles with each, from one minute to half an
        hour.
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    pause: float = min(_LONGEST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0 ** (attempts - 1))
    return failed_seconds + pause
