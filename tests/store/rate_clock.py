"""A server clock that tests move: now() of a schema that is searched before pg_catalog."""

from __future__ import annotations

import asyncpg

_FAKE = """
CREATE SCHEMA fake;
CREATE TABLE fake.clock (at timestamptz NOT NULL);
INSERT INTO fake.clock VALUES ('2030-01-01');
CREATE FUNCTION fake.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM fake.clock';
"""


async def stop_clock(conn: asyncpg.Connection) -> None:
    """Sessions opened from now on have a clock that stands still."""
    await conn.execute(_FAKE)
    name = await conn.fetchval("SELECT current_database()")
    await conn.execute(f"ALTER DATABASE {name} SET search_path = fake, pg_catalog, public")


async def set_clock(conn: asyncpg.Connection, seconds: float) -> None:
    """So many seconds after it was stopped."""
    await conn.execute("UPDATE fake.clock SET at = '2030-01-01'::timestamptz + $1 * interval '1 second'", seconds)
