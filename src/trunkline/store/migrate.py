"""Brings a database to the schema of this version: an empty one gets schema.sql, an older one the missing migrations.

Migrations are files `NNNN_{pre|post}_words.sql`: *pre* ones run before the new code starts (old code keeps working on
what they leave), *post* ones once no old process is left. A session lock lets one process migrate at a time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

from trunkline.store import partitions, readers
from trunkline.store.db import Connection, connect

_FILE = re.compile(r"^\d{4}_(pre|post)_[a-z0-9_]+\.sql$")
_LOCK = 0x7472756E6B  # "trunk"


class SchemaUnknown(Exception):
    """The database was made by a later version, or holds something else. One line that says which."""


@dataclass(frozen=True, slots=True)
class SchemaState:
    fresh: bool  # nothing of ours is there yet
    applied: tuple[str, ...]
    missing: tuple[str, ...]


def known() -> dict[str, str]:
    """The migrations of this version in their order: name → SQL."""
    folder = files("trunkline.store").joinpath("migrations")
    if not folder.is_dir():
        return {}
    return {f.name: f.read_text("utf-8") for f in sorted(folder.iterdir(), key=lambda f: f.name) if _FILE.match(f.name)}


async def status(dsn: str) -> SchemaState:
    """What the database has and lacks. Raises SchemaUnknown, OSError, asyncpg.PostgresError."""
    conn = await connect(dsn, name="migrate")
    try:
        return await _state(conn)
    finally:
        await conn.close()


async def migrate(dsn: str, *, post: bool = True, rls: bool = True) -> list[str]:
    """Applies what is missing, each file in a transaction of its own, and makes the partitions of the days ahead.

    `post=False` stops before the first *post* migration (old processes may still run). `rls`: also makes the role that
    customers' reads run under. Returns the names applied.
    """
    conn = await connect(dsn, name="migrate")
    try:
        await conn.execute("SELECT pg_advisory_lock($1)", _LOCK)
        state = await _state(conn)
        applied: list[str] = []
        if state.fresh:
            async with conn.transaction():
                await conn.execute(files("trunkline.store").joinpath("schema.sql").read_text("utf-8"))
                await conn.executemany("INSERT INTO migration (name) VALUES ($1)", [(name,) for name in known()])
            applied.append("schema.sql")
        for name in state.missing if not state.fresh else ():
            if "_post_" in name and not post:
                break
            async with conn.transaction():
                await conn.execute(known()[name])
                await conn.execute("INSERT INTO migration (name) VALUES ($1)", name)
            applied.append(name)
        await partitions.attach_ahead(conn)
        if rls:
            await readers.provide(conn)
        return applied
    finally:
        await conn.close()


async def _state(conn: Connection) -> SchemaState:
    if await conn.fetchval("SELECT to_regclass('migration') IS NULL"):
        foreign = await conn.fetchval(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace LIMIT 1"
        )
        if foreign:
            raise SchemaUnknown(f"the database holds tables that are not Trunkline's ({foreign}): use one of its own")
        return SchemaState(fresh=True, applied=(), missing=tuple(known()))
    applied = tuple(row[0] for row in await conn.fetch("SELECT name FROM migration ORDER BY name"))
    later = [name for name in applied if name not in known()]
    if later:
        raise SchemaUnknown(f"the database was made by a later version (migration {later[-1]}): update Trunkline")
    return SchemaState(fresh=False, applied=applied, missing=tuple(n for n in known() if n not in applied))
