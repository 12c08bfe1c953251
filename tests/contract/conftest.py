"""A running API over a real database, for tests that ask it over real HTTP."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from api_rig import Rig


async def _execute(dsn: str, statement: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


@pytest.fixture(scope="module")
def rig(server: str, template: str, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """The API over a database of this file's own, with the accounts, plans and tokens of `api_rig`; a file's `LIMITS`
    are its HTTP limits."""
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE {template}"))
    limits = getattr(request.module, "LIMITS", None)
    with Rig(urlunsplit(urlsplit(server)._replace(path=f"/{name}")), limits) as running:
        yield running
    asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))
