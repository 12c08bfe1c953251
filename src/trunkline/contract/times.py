"""RFC 3339 times as customers write them (any offset, any fraction) and read them (UTC, milliseconds, `Z`)."""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# RFC 3339 §5.6; lower-case letters are allowed there, a space instead of T is not.
_FORM = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII).fullmatch


def parse(text: str) -> dt.datetime | None:
    """The time that `text` is, in UTC, cut to microseconds; None where it is no RFC 3339 time.

    A leap second (`:60`) is refused: nothing behind this has a place for it.
    """
    match = _FORM(text)
    if match is None:
        return None
    day, clock, fraction, offset = match.groups()
    if offset in ("Z", "z"):
        offset = "+00:00"
    try:
        at = dt.datetime.fromisoformat(f"{day}T{clock}.{(fraction or '')[:6]:0<6}{offset}")
        return at.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def to_micros(at: dt.datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (at - _EPOCH) // dt.timedelta(microseconds=1)


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return (_EPOCH + dt.timedelta(seconds=seconds)).isoformat()[:19]


def spell_ms(ms: int) -> str:
    """Milliseconds since 1970 as `2026-06-22T05:10:03.120Z`."""
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


# Rows that were stored together carry the same time, so most times are asked for again at once.
@lru_cache(maxsize=1024)
def spell(at: dt.datetime) -> str:
    """A time in UTC as `2026-06-22T05:10:03.120Z`, cut to milliseconds."""
    return at.isoformat(timespec="milliseconds")[:-6] + "Z"
