"""TEMPORARY: a fresh database per test, until tests/conftest.py has the fixture."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import asyncpg
import pytest

from trunkline.store.embedded import scratch
from trunkline.store.migrate import migrate

_COUNT = itertools.count()


@pytest.fixture(scope="session")
def _server() -> Iterator[str]:
    with scratch() as endpoint:
        asyncio.run(migrate(endpoint.dsn))
        yield endpoint.dsn


@pytest.fixture
def database(_server: str) -> str:
    name = f"t{next(_COUNT)}"

    async def make() -> None:
        conn = await asyncpg.connect(_server.replace("/trunkline?", "/postgres?"))
        await conn.execute(f"CREATE DATABASE {name} TEMPLATE trunkline")
        await conn.close()

    asyncio.run(make())
    return _server.replace("/trunkline?", f"/{name}?")
