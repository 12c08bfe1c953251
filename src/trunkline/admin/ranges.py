"""The operator's number ranges from a CSV file: each line checked, then all of them in the place of what was there."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from trunkline.admin.document import Mistake, Mistaken
from trunkline.store import audit, numbers
from trunkline.store.db import Connection
from trunkline.store.numbers import IncomingRange

SHOWN = 20  # mistakes
COLUMNS = ("prefix", "first", "last", "mccmnc", "mcc", "mnc", "valid_from", "source")
_DIGITS = re.compile(r"\+?([1-9][0-9]{0,14})").fullmatch
_MCCMNC = re.compile(r"[0-9]{5,6}").fullmatch
_SOURCE_LIMIT = 200


class Imported(NamedTuple):
    """`skipped`: the first lines left out, as `FILE:LINE: why`; `skipped_count`: how many they are."""

    range_count: int
    skipped: list[str]
    skipped_count: int


class _Wrong(Exception):
    """What is wrong with a line."""


async def import_ranges(
    conn: Connection,
    lines: Iterable[str],
    *,
    name: str,
    skip_bad: bool,
    actor: str,
    received: Callable[[], None] = lambda: None,
) -> Imported:
    """Makes the ranges of a CSV file, called `name`, the operator's: all of them or, unless `skip_bad`, none.

    `received` is called when the last line is read: what follows is the database's work. Raises Mistaken.
    """
    bad = BadLines(name)
    async with conn.transaction():
        await numbers.receive(conn, read_ranges(lines, bad))
        received()
        for line, earlier, total in await numbers.doubled(conn, SHOWN):
            bad.add(line, f"the same range as in line {earlier}", total=total)
        if bad.count and not skip_bad:
            raise bad.mistaken()
        count = await numbers.replace(conn)
        if not count:
            raise Mistaken(name, [*bad.first(), Mistake(1, "there are no ranges in this file")])
        detail = {"file": name, "ranges": count, "skipped": bad.count}
        await audit.record(conn, actor, "numbers.imported", "number ranges", detail)
    return Imported(count, bad.mistaken().lines, bad.count)


class BadLines:
    """The lines with mistakes: the first of them with what is wrong, and how many they are."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._mistakes: list[Mistake] = []
        self._doubled_count = 0
        self._count = 0

    @property
    def count(self) -> int:
        return self._count + self._doubled_count

    def add(self, line: int, text: str, *, total: int | None = None) -> None:
        """`total`: how many of this kind there are, where not each of them is added."""
        if total is None:
            self._count += 1
        else:
            self._doubled_count = total
        if total is not None or len(self._mistakes) < SHOWN:
            self._mistakes.append(Mistake(line, text))

    def first(self) -> list[Mistake]:
        return sorted(self._mistakes)[:SHOWN]

    def mistaken(self) -> Mistaken:
        mistaken = Mistaken(self.name, self.first())
        if self.count > len(mistaken.lines):
            mistaken.lines.append(f"… and {self.count - len(mistaken.lines)} more")
        return mistaken


def read_ranges(lines: Iterable[str], bad: BadLines) -> Iterator[IncomingRange]:
    """The right ranges; the wrong ones go to `bad`. Raises Mistaken for a header that says nothing of what follows."""
    text = iter(lines)
    header = next(text, "").removeprefix("\ufeff")
    delimiter = max(",;\t", key=header.count)
    _check_header(names := [name.strip(' "\r\n').lower() for name in header.split(delimiter)], bad)
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        try:
            fields = next(reader)
            if fields:
                if len(fields) != len(names):
                    raise _Wrong(f"{len(fields)} fields where the header has {len(names)}")
                yield _range(reader.line_num + 1, dict(zip(names, fields, strict=True)), bad.name)
        except StopIteration:
            return
        except (csv.Error, _Wrong) as wrong:
            bad.add(reader.line_num + 1, str(wrong))


def _check_header(names: list[str], bad: BadLines) -> None:
    known = ", ".join(COLUMNS)
    for name in names:
        if name not in COLUMNS:
            bad.add(1, f"there is no column {name!r}: the first line names the columns, of {known}")
        elif names.count(name) > 1:
            bad.add(1, f"the column {name!r} is there twice")
    if "prefix" not in names and not {"first", "last"} <= set(names):
        bad.add(1, "a column `prefix`, or `first` and `last`, has to be there")
    if "mccmnc" not in names and not {"mcc", "mnc"} <= set(names):
        bad.add(1, "a column `mccmnc`, or `mcc` and `mnc`, has to be there")
    if bad.count:
        raise bad.mistaken()


def _range(line: int, fields: Mapping[str, str], name: str) -> IncomingRange:
    """Raises _Wrong."""
    first, last = _ends({column: value.strip() for column, value in fields.items()})
    source = fields.get("source", "").strip() or name
    if len(source) > _SOURCE_LIMIT or not source.isprintable():
        raise _Wrong(f"source must be up to {_SOURCE_LIMIT} printable characters")
    return IncomingRange(line, first, last, _mccmnc(fields), _valid_from(fields.get("valid_from", "").strip()), source)


def _ends(fields: Mapping[str, str]) -> tuple[str, str]:
    prefix, first, last = (fields.get(name, "") for name in ("prefix", "first", "last"))
    if bool(prefix) == bool(first or last):
        raise _Wrong("a line has either prefix, or first and last")
    if prefix:
        first = last = _digits("prefix", prefix)
        return first, last
    first, last = _digits("first", first), _digits("last", last)
    if len(first) != len(last):
        raise _Wrong("first and last must have the same number of digits")
    if first > last:
        raise _Wrong("first is greater than last")
    return first, last


def _digits(name: str, value: str) -> str:
    match = _DIGITS(value)
    if match is None:
        raise _Wrong(f"{name} must be 1 to 15 digits of E.164, with the country code and no 0 before it")
    return match[1]


def _mccmnc(fields: Mapping[str, str]) -> str:
    whole, mcc, mnc = (fields.get(name, "").strip() for name in ("mccmnc", "mcc", "mnc"))
    if bool(whole) == bool(mcc or mnc):
        raise _Wrong("a line has either mccmnc, or mcc and mnc")
    if not whole and len(mcc) != 3:
        raise _Wrong("mcc must be 3 digits")
    if _MCCMNC(whole or mcc + mnc) is None:
        raise _Wrong("mccmnc must be 5 or 6 digits: mcc 3, mnc 2 or 3")
    return whole or mcc + mnc


def _valid_from(value: str) -> dt.datetime | None:
    if not value:
        return None
    try:
        at = dt.datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise _Wrong("valid_from must be a date (2026-12-01, UTC), or a time as in RFC 3339") from None
