"""SMPP time strings, read and written: `YYMMDDhhmmsstnnp` (SMPP 3.4 §7.1.1)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_ABSOLUTE = re.compile(r"([0-9]{12})([0-9])([0-9]{2})([+-])")
_RELATIVE = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})[0-9]00R")
_QUARTERS_MAX = 48  # offsets from UTC are counted in quarter hours


def write_relative(seconds: int) -> str:
    """A time so many seconds from now, in days and smaller. Raises ValueError outside 0 s to under 32 days."""
    if not 0 <= seconds < 32 * 86400:
        raise ValueError(f"{seconds} s cannot be written as a relative time")
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    return f"0000{days:02}{hours:02}{rest // 60:02}{rest % 60:02}000R"


def write_absolute(at: datetime) -> str:
    """An aware time, in UTC, to a tenth of a second. Raises ValueError for a naive one or a year outside 2000-2099."""
    if at.tzinfo is None:
        raise ValueError("a time without its offset from UTC")
    utc = at.astimezone(UTC)
    if not 2000 <= utc.year <= 2099:
        raise ValueError(f"the year {utc.year} has no two-digit form")
    return f"{utc:%y%m%d%H%M%S}{utc.microsecond // 100000}00+"


def read_absolute(text: str) -> datetime | None:
    """The time in UTC; None where the text is no absolute time. Two-digit years are 2000-2099."""
    match = _ABSOLUTE.fullmatch(text)
    if match is None:
        return None
    quarters = int(match[3])
    if quarters > _QUARTERS_MAX:
        return None
    # Not strptime: it takes the years 69-99 for the last century's.
    stamp = match[1]
    year, month, day, hour, minute, second = (int(stamp[at : at + 2]) for at in range(0, 12, 2))
    try:
        local = datetime(2000 + year, month, day, hour, minute, second, int(match[2]) * 100000, UTC)
        offset = timedelta(minutes=15 * quarters)
        return local - offset if match[4] == "+" else local + offset
    except (ValueError, OverflowError):
        return None


def read_relative(text: str) -> tuple[int, int, int, int, int, int] | None:
    """Years, months, days, hours, minutes and seconds from now; None where the text is no relative time."""
    match = _RELATIVE.fullmatch(text)
    if match is None:
        return None
    years, months, days, hours, minutes, seconds = map(int, match.groups())
    return years, months, days, hours, minutes, seconds
