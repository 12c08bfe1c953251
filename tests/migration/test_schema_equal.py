"""The schema before the first migration, migrated, is the schema of this version."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg

from trunkline.store import partitions
from trunkline.store.migrate import known, migrate

BEFORE = Path(__file__).with_name("schema_before_0001.sql")

# Tables of ours with what belongs to them; order of columns and names of indexes' columns' positions are left out.
FACTS = {
    "columns": """
        SELECT c.relname, c.relkind, c.relpersistence, c.reloptions, a.attname, format_type(a.atttypid, a.atttypmod),
               a.attnotnull, a.attidentity, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition""",
    "indexes": """
        SELECT indexname, indexdef FROM pg_indexes i JOIN pg_class c ON c.relname = i.tablename
        WHERE schemaname = 'public' AND NOT c.relispartition""",
    "constraints": """
        SELECT conname, pg_get_constraintdef(o.oid) FROM pg_constraint o JOIN pg_class c ON c.oid = conrelid
        WHERE connamespace = 'public'::regnamespace AND NOT c.relispartition""",
    "functions": """
        SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace""",
    "triggers": "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
}


async def facts(conn: asyncpg.Connection) -> dict[str, set[str]]:
    return {name: {str(tuple(row)) for row in await conn.fetch(query)} for name, query in FACTS.items()}


def test_migrations_lead_to_the_schema(database: str) -> None:
    async def main() -> None:
        conn = await asyncpg.connect(database)
        now = await facts(conn)
        await conn.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        await conn.execute(BEFORE.read_text("utf-8"))
        await partitions.attach_ahead(conn)
        assert await facts(conn) != now
        assert await migrate(database) == list(known())
        migrated = await facts(conn)
        for name, found in now.items():
            assert migrated[name] == found, name
        await conn.close()

    asyncio.run(main())
