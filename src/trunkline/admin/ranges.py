"""The operator's number ranges from a CSV file: each line checked, then all of them in the place of what was there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from trunkline.admin.document import Mistake, Mistaken
from trunkline.admin.lines import SHOWN, BadLines, Wrong, mccmnc_of, read_lines, time_of
from trunkline.store import audit, numbers
from trunkline.store.db import Connection
from trunkline.store.numbers import IncomingRange

COLUMNS = ("prefix", "first", "last", "mccmnc", "mcc", "mnc", "valid_from", "source")
_DIGITS = re.compile(r"\+?([1-9][0-9]{0,14})").fullmatch
_SOURCE_LIMIT = 200


class Imported(NamedTuple):
    """`skipped`: the first lines left out, as `FILE:LINE: why`; `skipped_count`: how many they are."""

    range_count: int
    skipped: list[str]
    skipped_count: int


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


def read_ranges(lines: Iterable[str], bad: BadLines) -> Iterator[IncomingRange]:
    """The right ranges; the wrong ones go to `bad`. Raises Mistaken for a header that says nothing of what follows."""
    return read_lines(lines, bad, COLUMNS, _check_header, _range)


def _check_header(names: list[str], bad: BadLines) -> None:
    if "prefix" not in names and not {"first", "last"} <= set(names):
        bad.add(1, "a column `prefix`, or `first` and `last`, has to be there")
    if "mccmnc" not in names and not {"mcc", "mnc"} <= set(names):
        bad.add(1, "a column `mccmnc`, or `mcc` and `mnc`, has to be there")


def _range(line: int, fields: Mapping[str, str], name: str) -> IncomingRange:
    """Raises Wrong."""
    first, last = _ends({column: value.strip() for column, value in fields.items()})
    source = fields.get("source", "").strip() or name
    if len(source) > _SOURCE_LIMIT or not source.isprintable():
        raise Wrong(f"source must be up to {_SOURCE_LIMIT} printable characters")
    since = time_of("valid_from", fields.get("valid_from", "").strip())
    return IncomingRange(line, first, last, mccmnc_of(fields), since, source)


def _ends(fields: Mapping[str, str]) -> tuple[str, str]:
    prefix, first, last = (fields.get(name, "") for name in ("prefix", "first", "last"))
    if bool(prefix) == bool(first or last):
        raise Wrong("a line has either prefix, or first and last")
    if prefix:
        first = last = _digits("prefix", prefix)
        return first, last
    first, last = _digits("first", first), _digits("last", last)
    if len(first) != len(last):
        raise Wrong("first and last must have the same number of digits")
    if first > last:
        raise Wrong("first is greater than last")
    return first, last


def _digits(name: str, value: str) -> str:
    match = _DIGITS(value)
    if match is None:
        raise Wrong(f"{name} must be 1 to 15 digits of E.164, with the country code and no 0 before it")
    return match[1]
