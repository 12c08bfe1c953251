"""Fixtures for every folder: a real PostgreSQL for the run, a database of its own for each test.

`DATABASE_URL` (a role that may create databases and roles) replaces the embedded server for the whole suite.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from trunkline.runtime import files
from trunkline.store.embedded import scratch
from trunkline.store.migrate import migrate

for _name in [name for name in os.environ if name.startswith("TRUNKLINE_")]:
    del os.environ[_name]  # a developer's settings are not the tests'
files.allow_most()  # a process of the suite is the server and its thousand clients
_GIVEN = os.environ.pop("DATABASE_URL", None)


def named(dsn: str, name: str) -> str:
    """The same server, another database."""
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(path=f"/{name}"))


async def _execute(dsn: str, statement: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a running server."""
    if _GIVEN is not None:
        yield _GIVEN
        return
    # A vacuum worker belongs to the superuser, so a database that it is in cannot be dropped by its owner.
    with scratch({"autovacuum": "off"}) as endpoint:
        yield endpoint.dsn


@pytest.fixture(scope="session")
def template(server: str) -> Iterator[str]:
    """The name of a database with the schema and its partitions, to be copied."""
    name = f"template_{uuid.uuid4().hex}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name}"))
    asyncio.run(migrate(named(server, name)))
    yield name
    asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def database(server: str, template: str) -> Iterator[str]:
    """The address of a fresh database of the current schema, gone after the test."""
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield named(server, name)
    asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))
