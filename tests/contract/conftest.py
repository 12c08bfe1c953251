"""A running API over a real database, for tests that ask it over real HTTP."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import asyncpg
import pytest
from api_rig import Rig

from trunkline.store.embedded import scratch
from trunkline.store.migrate import migrate


@pytest.fixture(scope="session")
def template() -> Iterator[str]:
    """The address of a server whose database `template_trunkline` has the schema and partitions of the days around."""
    with scratch() as server:
        asyncio.run(_make_template(server.dsn))
        yield server.dsn


async def _make_template(dsn: str) -> None:
    conn = await asyncpg.connect(dsn)
    await conn.execute("CREATE DATABASE template_trunkline")
    await conn.close()
    await migrate(_named(dsn, "template_trunkline"))


def _named(dsn: str, name: str) -> str:
    head, mark, query = dsn.partition("?")
    return f"{head.rpartition('/')[0]}/{name}{mark}{query}"


async def _clone(dsn: str, name: str) -> None:
    conn = await asyncpg.connect(dsn)
    await conn.execute(f"CREATE DATABASE {name} TEMPLATE template_trunkline")
    await conn.close()


@pytest.fixture(scope="module")
def module_database(template: str) -> str:
    """A fresh database for the tests of one file."""
    name = f"t{uuid.uuid4().hex}"
    asyncio.run(_clone(template, name))
    return _named(template, name)


@pytest.fixture(scope="module")
def rig(module_database: str) -> Iterator[Rig]:
    """The API over that database, with the accounts, plans and tokens of `api_rig`."""
    with Rig(module_database) as running:
        yield running
