"""The operator's number ranges: replaced whole by an import, and held in memory by the processes that need them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, BinaryIO, NamedTuple

from trunkline.numbering.ranges import NO_RANGES, Ranges, RangesMaker
from trunkline.store.db import Connection
from trunkline.store.polled import POLL_S, Polled
from trunkline.store.queries import Queries

_SQL = Queries("numbers")
_ROWS = 200  # that the loop does nothing else for


class IncomingRange(NamedTuple):
    """A line of the operator's file. `valid_from` None: always."""

    line: int
    first: str
    last: str
    mccmnc: str
    valid_from: dt.datetime | None
    source: str


class Doubled(NamedTuple):
    """A line about the range of an earlier one; `total` is how many such lines there are."""

    line: int
    earlier: int
    total: int


async def receive(conn: Connection, ranges: Iterable[IncomingRange]) -> None:
    """Begins an import, in the caller's transaction: copies ranges to where `replace` takes them from."""
    await conn.execute(_SQL.begin)
    await conn.copy_records_to_table("number_incoming", records=ranges)


async def doubled(conn: Connection, limit: int) -> list[Doubled]:
    """Of what was received, the first lines that are about the range of an earlier one."""
    return [Doubled(*row) for row in await conn.fetch(_SQL.doubled, limit)]


async def replace(conn: Connection) -> int:
    """Puts what was received in the place of all ranges; returns how many they are.

    Of lines about the same range the first counts. Others see the ranges as they were until the commit.
    """
    await conn.execute(_SQL.lock)
    await conn.execute(_SQL.clear)
    filled: str = await conn.execute(_SQL.fill)
    await conn.execute(_SQL.begin)
    return int(filled.split()[-1])


async def around(conn: Connection, number: str) -> list[dict[str, Any]]:
    """The ranges that have something in common with a number (E.164 with "+"), the narrowest first."""
    return [dict(row) for row in await conn.fetch(_SQL.around, number[1:])]


async def export(conn: Connection, file: BinaryIO) -> None:
    """Writes all ranges as CSV."""
    await conn.copy_from_query(_SQL.export, output=file, format="csv", header=True)


class NumberWatch(Polled[Ranges]):
    """The ranges that are valid now."""

    name = "numbers"
    state = _SQL.state

    def __init__(self, dsn: str, *, poll_s: float = POLL_S) -> None:
        super().__init__(dsn, NO_RANGES, poll_s=poll_s)

    def mccmnc_of(self, number: str) -> str | None:
        """The network of an E.164 number; None where no range tells."""
        return self.held.mccmnc_of(number)

    async def load(self, conn: Connection) -> tuple[tuple[Any, ...], Ranges]:
        maker = RangesMaker()
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            state = tuple(await conn.fetchrow(_SQL.state))
            cursor = await conn.cursor(_SQL.valid)
            while rows := await cursor.fetch(_ROWS):
                for row in rows:
                    maker.add(*row)
        return state, maker.made()
