"""An operator's CSV file, line by line: what is right is given, what is wrong is noted with its line."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from trunkline.admin.document import Mistake, Mistaken

SHOWN = 20  # mistakes
_MCCMNC = re.compile(r"[0-9]{5,6}").fullmatch

Row = TypeVar("Row")


class Wrong(Exception):
    """What is wrong with a line."""


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


def read_lines(
    lines: Iterable[str],
    bad: BadLines,
    columns: Sequence[str],
    check_header: Callable[[list[str], BadLines], None],
    row: Callable[[int, Mapping[str, str], str], Row],
) -> Iterator[Row]:
    """The right rows; the wrong ones go to `bad`. The first line names the columns, of `columns`; commas, semicolons or
    tabs are between them. `row` gets the line, its fields and the file's name, and raises Wrong.

    Raises Mistaken for a header that says nothing of what follows.
    """
    text = iter(lines)
    header = next(text, "").removeprefix("\ufeff")
    delimiter = max(",;\t", key=header.count)
    names = [name.strip(' "\r\n').lower() for name in header.split(delimiter)]
    for name in names:
        if name not in columns:
            known = ", ".join(columns)
            bad.add(1, f"there is no column {name!r}: the first line names the columns, of {known}")
        elif names.count(name) > 1:
            bad.add(1, f"the column {name!r} is there twice")
    check_header(names, bad)
    if bad.count:
        raise bad.mistaken()
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        try:
            fields = next(reader)
            if fields:
                if len(fields) != len(names):
                    raise Wrong(f"{len(fields)} fields where the header has {len(names)}")
                yield row(reader.line_num + 1, dict(zip(names, fields, strict=True)), bad.name)
        except StopIteration:
            return
        except (csv.Error, Wrong) as wrong:
            bad.add(reader.line_num + 1, str(wrong))


def mccmnc_of(fields: Mapping[str, str]) -> str:
    """MCC and MNC of a line that has one, in one column or two. Raises Wrong."""
    whole, mcc, mnc = (fields.get(name, "").strip() for name in ("mccmnc", "mcc", "mnc"))
    if bool(whole) == bool(mcc or mnc):
        raise Wrong("a line has either mccmnc, or mcc and mnc")
    if not whole and len(mcc) != 3:
        raise Wrong("mcc must be 3 digits")
    if _MCCMNC(whole or mcc + mnc) is None:
        raise Wrong("mccmnc must be 5 or 6 digits: mcc 3, mnc 2 or 3")
    return whole or mcc + mnc


def time_of(name: str, value: str) -> dt.datetime | None:
    """The time that a column says, in UTC; None where it is empty. Raises Wrong."""
    if not value:
        return None
    try:
        at = dt.datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise Wrong(f"{name} must be a date (2026-12-01, UTC), or a time as in RFC 3339") from None
