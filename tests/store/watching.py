"""Runs a test beside a watch of imported rows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from trunkline.store import db
from trunkline.store.polled import Polled


def watched(database: str, watch_of: Callable[[str], Polled], test: Callable[..., Awaitable[Any]]) -> None:
    """`test` gets a connection and the watch, which has looked once."""

    async def main() -> None:
        conn = await db.connect(database, name="test")
        watch = watch_of(database)
        await watch.refresh()
        try:
            await test(conn, watch)
        finally:
            await watch.close()
            await conn.close()

    asyncio.run(main())
