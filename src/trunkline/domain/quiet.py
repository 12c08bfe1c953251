"""Quiet hours: the time of day, where the recipient is, at which marketing waits."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

_FORM = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)").fullmatch
_FAR = dt.timedelta(days=2)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` to before `end`, local time; over midnight where `end` is the earlier."""

    start: dt.time
    end: dt.time

    @classmethod
    def read(cls, text: str) -> QuietHours:
        """From "21:00-08:00". Raises ValueError."""
        found = _FORM(text)
        if found is None:
            raise ValueError("hours such as 21:00-08:00")
        first, first_minute, last, last_minute = map(int, found.groups())
        start, end = dt.time(first, first_minute), dt.time(last, last_minute)
        if start == end:
            raise ValueError("hours such as 21:00-08:00, which do not end when they begin")
        return cls(start, end)

    def cover(self, at: dt.datetime, zone: str) -> bool:
        """Whether it is quiet in the zone."""
        time = at.astimezone(ZoneInfo(zone)).time()
        if self.start < self.end:
            return self.start <= time < self.end
        return time >= self.start or time < self.end

    def end_after(self, at: dt.datetime, zone: str) -> dt.datetime:
        """When clocks of the zone show `end` next, in UTC: each time, where they are put back over it. Where they are
        put forward over it, as much later."""
        there = ZoneInfo(zone)
        day = at.astimezone(there).date()
        for days in (0, 1):
            for fold in (0, 1):
                local = dt.datetime.combine(day + dt.timedelta(days=days), self.end.replace(fold=fold), there)
                if (end := local.astimezone(dt.UTC)) > at:
                    return end
        raise AssertionError("a day and a half without an end")  # no zone has such a day


def opens_at(at: dt.datetime, zones: Sequence[str], hours: QuietHours) -> dt.datetime | None:
    """When it is quiet in none of the zones, if it is in one now; else None.

    Where no moment suits all of them, the one in the middle counts, from east to west.
    """
    minute = int(at.timestamp()) // 60  # hours begin and end with minutes, in every zone
    return _opens_at(minute, tuple(zones), hours)


@lru_cache(maxsize=4096)
def _opens_at(minute: int, zones: tuple[str, ...], hours: QuietHours) -> dt.datetime | None:
    at = now = dt.datetime.fromtimestamp(minute * 60, dt.UTC)
    while at < now + _FAR:
        ends = [hours.end_after(at, zone) for zone in zones if hours.cover(at, zone)]
        if not ends:
            return at if at > now else None
        at = max(ends)
    middle = sorted(zones, key=lambda zone: now.astimezone(ZoneInfo(zone)).replace(tzinfo=None))[len(zones) // 2]
    return hours.end_after(now, middle) if hours.cover(now, middle) else None
