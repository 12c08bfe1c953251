"""The database that a command works on: the one that is set, the embedded one that runs, or that one for a while."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from trunkline.cli.failures import CONFIGURATION, UNAVAILABLE, Failed
from trunkline.runtime.settings import Settings
from trunkline.store import attach, db, doctor
from trunkline.store.embedded import Embedded
from trunkline.store.migrate import migrate

Result = TypeVar("Result")


@contextmanager
def database(settings: Settings, *, create: bool = True, bring_up: bool = True) -> Iterator[str]:
    """The address of the database, checked or started.

    `create`: make an embedded one where there is none. `bring_up`: give an embedded one that this command starts the
    current schema. Raises DatabaseRefused, EmbeddedRefused, Failed.
    """
    if settings.database.url is not None:
        unsafe, rls = settings.database.allow_unsafe, settings.database.rls
        asyncio.run(doctor.check(settings.database.url, allow_unsafe=unsafe, rls=rls))
        yield settings.database.url
        return
    running = attach.running_dsn(settings.data_dir)
    if running is not None:
        yield running
        return
    if not create and not attach.exists(settings.data_dir):
        raise Failed(
            UNAVAILABLE,
            f"there is no database in {settings.data_dir.absolute()}: give --data-dir or --database-url, or start one",
        )
    with Embedded(settings.data_dir, port=settings.database.port or None) as endpoint:
        if bring_up:
            asyncio.run(migrate(endpoint.dsn, rls=settings.database.rls))
        yield endpoint.dsn


def with_connection(
    settings: Settings, work: Callable[[db.Connection], Awaitable[Result]], *, create: bool = True
) -> Result:
    """What `work` makes of a connection to the database, which has our schema. Raises what `database` raises."""

    async def connected(dsn: str) -> Result:
        conn = await db.connect(dsn, name="command")
        try:
            if await conn.fetchval("SELECT to_regclass('installation') IS NULL"):
                where = doctor.shown(dsn)
                raise Failed(CONFIGURATION, f"{where} has no Trunkline schema: run `trunkline db migrate` first")
            return await work(conn)
        finally:
            await conn.close()

    with database(settings, create=create) as dsn:
        return asyncio.run(connected(dsn))


def actor(settings: Settings) -> str:
    """Who the audit says it was."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        user = "someone"
    return f"{user}@{settings.node}"
