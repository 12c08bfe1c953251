"""The operator's prices: replaced list by list, and held in memory by the processes that need them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, NamedTuple

from trunkline.domain.price import NO_PRICES, Price, PriceBook, PriceBookMaker
from trunkline.store.db import Connection
from trunkline.store.polled import POLL_S, Polled
from trunkline.store.queries import Queries

_SQL = Queries("prices")
_ROWS = 200  # that the loop does nothing else for


class IncomingPrice(NamedTuple):
    """A line of the operator's file: the price of a part. `country` and `mccmnc` are empty where it does not depend on
    them; `valid_from` None: always, `valid_until` None: for ever."""

    line: int
    country: str
    mccmnc: str
    sender_kind: int
    price_micro: int
    ptf_micro: int
    valid_from: dt.datetime | None
    valid_until: dt.datetime | None


class Doubled(NamedTuple):
    """A line about the same as an earlier one; `total` is how many such lines there are."""

    line: int
    earlier: int
    total: int


async def receive(conn: Connection, prices: Iterable[IncomingPrice]) -> None:
    """Begins an import, in the caller's transaction: copies prices to where `replace` takes them from."""
    await conn.execute(_SQL.begin)
    await conn.copy_records_to_table("price_incoming", records=prices)


async def doubled(conn: Connection, limit: int) -> list[Doubled]:
    """Of what was received, the first lines that are about the same as an earlier one."""
    return [Doubled(*row) for row in await conn.fetch(_SQL.doubled, limit)]


async def replace(conn: Connection, price_list_id: int) -> tuple[int, bool]:
    """Puts what was received in the place of the list's prices; how many they are, and whether that changed anything.

    Of lines about the same the first counts. Others see the prices as they were until the commit.
    """
    await conn.execute(_SQL.lock)
    is_same: bool = await conn.fetchval(_SQL.is_same, price_list_id)
    if not is_same:
        await conn.execute(_SQL.clear, price_list_id)
        await conn.execute(_SQL.fill, price_list_id)
    count: int = await conn.fetchval(_SQL.count, price_list_id)
    await conn.execute(_SQL.begin)
    return count, not is_same


async def lists(conn: Connection) -> list[dict[str, Any]]:
    """Every list with its currency and how many prices it has."""
    return [dict(row) for row in await conn.fetch(_SQL.lists)]


async def of_list(conn: Connection, price_list_id: int, place: str | None = None) -> list[dict[str, Any]]:
    """The prices of a list, or of a place (a country, or MCC and MNC) in it."""
    return [dict(row) for row in await conn.fetch(_SQL.of_list, price_list_id, place)]


class PriceWatch(Polled[PriceBook]):
    """The prices that are valid now."""

    name = "prices"
    state = _SQL.state

    def __init__(self, dsn: str, *, poll_s: float = POLL_S) -> None:
        super().__init__(dsn, NO_PRICES, poll_s=poll_s)

    def price_of(self, price_list_id: int, country: str | None, mccmnc: str | None, sender: str) -> Price | None:
        """What a part costs by a list; None where it has no price for it."""
        return self.held.price_of(price_list_id, country, mccmnc, sender)

    async def load(self, conn: Connection) -> tuple[tuple[Any, ...], PriceBook]:
        maker = PriceBookMaker()
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            state = tuple(await conn.fetchrow(_SQL.state))
            cursor = await conn.cursor(_SQL.valid)
            while rows := await cursor.fetch(_ROWS):
                for row in rows:
                    maker.add(row[0], row[1], row[2], row[3], Price(row[4], row[5], row[6]))
        return state, maker.made()
