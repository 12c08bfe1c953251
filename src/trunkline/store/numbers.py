"""The operator's number ranges: replaced whole by an import, and held in memory by the processes that need them."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterable
from typing import Any, BinaryIO, NamedTuple

from trunkline.numbering.ranges import NO_RANGES, Ranges, RangesMaker
from trunkline.runtime import clock
from trunkline.runtime.log import alarm, explained, get_logger
from trunkline.store.db import Connection, DatabaseError, Standing
from trunkline.store.queries import Queries

_log = get_logger()

_SQL = Queries("numbers")
POLL_S = 2.0
_ANSWER_S = 2.0
_ROWS = 200  # that the loop does nothing else for
_DEADLINE_S = 120.0  # to connect, ask and load


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


class NumberWatch:
    """The ranges that are valid now: their version is polled, and through an outage they stay as they were."""

    def __init__(self, dsn: str, *, poll_s: float = POLL_S) -> None:
        self._standing = Standing(dsn, name="numbers", hot=False)
        self._poll_s = poll_s
        self._state: tuple[int, dt.datetime | None] | None = None
        self._ranges = NO_RANGES

    def mccmnc_of(self, number: str) -> str | None:
        """The network of an E.164 number; None where no range tells."""
        return self._ranges.mccmnc_of(number)

    async def refresh(self) -> None:
        """Looks now. Raises what the database raises, or TimeoutError."""
        try:
            async with asyncio.timeout(_DEADLINE_S):
                conn = await self._standing.get()
                if tuple(await conn.fetchrow(_SQL.state, timeout=_ANSWER_S)) != self._state:
                    self._state, self._ranges = await _load(conn)
                    _log.info("numbers.loaded", version=self._state[0], spans=len(self._ranges))
        except BaseException:
            self._standing.abandon()  # whatever state it is in
            raise

    async def run(self) -> None:
        """Keeps the ranges current until cancelled."""
        while True:
            await clock.sleep(self._poll_s)
            try:
                await self.refresh()
            except DatabaseError as error:
                alarm("numbers.stale", "numbers", on=True, error=explained(error))
            else:
                alarm("numbers.stale", "numbers", on=False)

    async def close(self) -> None:
        await self._standing.close()


async def _load(conn: Connection) -> tuple[tuple[int, dt.datetime | None], Ranges]:
    """The ranges of one moment, a few at a time: other work of the loop goes on in between."""
    maker = RangesMaker()
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        version, since = await conn.fetchrow(_SQL.state)
        cursor = await conn.cursor(_SQL.valid)
        while rows := await cursor.fetch(_ROWS):
            for row in rows:
                maker.add(*row)
    return (version, since), maker.made()
