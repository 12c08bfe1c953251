"""How a test of a fault is run: in a loop of its own, with a deadline, in a short form and in full size."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import asyncpg
import pytest

from trunkline.runtime import clock


def trial(main: Coroutine[Any, Any, None], within_s: float = 100.0) -> None:
    """Runs one scenario; a deadline instead of a hang."""
    asyncio.run(asyncio.wait_for(main, within_s))


def sizes(short: Any, full: Any, budget_s: int) -> pytest.MarkDecorator:
    """`size`: the short form in every run, the full one under the mark `fault`, within its budget and start-up."""
    marks = [pytest.mark.fault, pytest.mark.timeout(budget_s * 3 + 120)]
    return pytest.mark.parametrize(
        "size", [pytest.param(short, id="short"), pytest.param(full, id="full", marks=marks)]
    )


async def fetchval(dsn: str, query: str, *values: Any) -> Any:
    """One value from the database."""
    conn = await asyncpg.connect(dsn)
    try:
        return await conn.fetchval(query, *values)
    finally:
        await conn.close()


async def until(dsn: str, query: str, wanted: Any, within_s: float = 20.0) -> None:
    """Returns once the query's value is `wanted`: for what only the database knows."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    conn = await asyncpg.connect(dsn)
    try:
        while (found := await conn.fetchval(query)) != wanted:
            assert loop.time() < deadline, f"{query}: {found}, not {wanted}"
            await clock.sleep(0.05)
    finally:
        await conn.close()
