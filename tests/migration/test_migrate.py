"""Bringing a database to the schema: an empty one, a current one, a later one, somebody else's."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from trunkline.store import migrate as subject
from trunkline.store.migrate import SchemaUnknown, migrate, status


def execute(dsn: str, statement: str) -> None:
    async def main() -> None:
        conn = await asyncpg.connect(dsn)
        await conn.execute(statement)
        await conn.close()

    asyncio.run(main())


def test_a_current_database_is_left_alone(database: str) -> None:
    assert asyncio.run(migrate(database)) == []
    assert not asyncio.run(status(database)).fresh


def test_an_empty_database_gets_the_schema_whoever_comes_first(database: str) -> None:
    execute(database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    assert asyncio.run(status(database)).fresh

    async def both() -> list[list[str]]:
        return list(await asyncio.gather(migrate(database), migrate(database)))

    assert sorted(asyncio.run(both())) == [[], ["schema.sql"]]


def test_a_later_database_is_refused(database: str) -> None:
    execute(database, "INSERT INTO migration (name) VALUES ('9999_pre_tomorrow.sql')")
    with pytest.raises(SchemaUnknown, match="later version"):
        asyncio.run(migrate(database))


def test_foreign_tables_are_refused(database: str) -> None:
    execute(database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE customers (id int)")
    with pytest.raises(SchemaUnknown, match="customers"):
        asyncio.run(migrate(database))


def test_missing_migrations_are_applied_in_order_and_post_ones_wait(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = {
        **subject.known(),  # those that the database has
        "9001_pre_add.sql": "ALTER TABLE account ADD COLUMN note text",
        "9002_post_drop.sql": "ALTER TABLE account DROP COLUMN note",
        "9003_pre_more.sql": "ALTER TABLE account ADD COLUMN more text",
    }
    monkeypatch.setattr(subject, "known", lambda: steps)
    assert asyncio.run(migrate(database, post=False)) == ["9001_pre_add.sql"]
    assert asyncio.run(status(database)).missing == ("9002_post_drop.sql", "9003_pre_more.sql")
    assert asyncio.run(migrate(database)) == ["9002_post_drop.sql", "9003_pre_more.sql"]
